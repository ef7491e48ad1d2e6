// dns_servers: whom the proxy asks for names: `servers` of `resolver`, and the CAs of those that are asked over TLS.
#pragma once

#include "proxy/config/reader.h"
#include "proxy/net/resolver_options.h"

// dns_servers_read reads `servers`, which `resolver` has, into `out`: `ADDRESS:PORT`, or `tls://ADDRESS[:PORT]#NAME` (RFC
// 7858), whose certificate is judged by `ca` of `resolver`, or else by the system's CAs.
void dns_servers_read(struct reader *reader, const struct node *resolver,
                      struct resolver_options *out);
