// crls: the `crl` of a trust profile: files and folders of revocation lists.
#pragma once

#include "auth/trust.h"
#include "proxy/config/reader.h"

// crl_take gets the bytes of one file of a `crl`; `node` is the entry that names it or its folder.
typedef void crl_take(struct reader *reader, const struct node *node, const char *path,
                      struct slice bytes, void *arg);

// crls_walk gives every file of the list `list` to `take`; what cannot be read is reported. NULL: none.
void crls_walk(struct reader *reader, const struct node *list, crl_take *take, void *arg);

// crls_describe notes each list of a finished profile at `node`, warns of those that end soon or do
// not count for anybody, and says so when there is none.
void crls_describe(struct reader *reader, const struct node *node, const struct trust *trust);
