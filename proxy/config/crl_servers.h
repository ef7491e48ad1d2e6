// crl_servers: how a server of revocation lists proves who it is, where an entry of `crl` has https://.
#pragma once

#include "proxy/config/crl_sources.h"
#include "proxy/tls/server_trust.h"

// crl_server_read reads the `ca` of the entry `entry`, or the CAs of the system where there is none: one reference in `*out`,
// which is the caller's; NULL where `source` has no https:// URL, or what is wrong was reported.
void crl_server_read(struct reader *reader, const struct node *entry,
                     const struct crl_source *source, struct server_trust **out);
