// groups: `tls.groups` of a listener: the groups that its TLS may agree its keys in.
#pragma once

#include "proxy/config/section.h"
#include "proxy/tls/context.h"

// groups_read is the key_read of a `struct tls_groups`. A group that no version of the proxy knows, one that the BoringSSL in
// this build lacks, and one that stands twice are errors.
key_read groups_read;

// groups_check judges the groups with the versions beside them: TLS 1.2 knows no hybrid group. `node` is the list; NULL: the
// key is not there.
void groups_check(struct reader *reader, const struct node *node,
                  const struct tls_context_options *options);
