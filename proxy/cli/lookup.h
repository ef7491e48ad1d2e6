// lookup: resolves one name as the proxy would, and waits for the answer.
#pragma once

#include "proxy/net/resolver_options.h"

// lookup resolves `name` as a proxy with these options would, and waits `patience_ms` at most. At most `cap` addresses go
// to `out`. Returns NULL when there is at least one, otherwise the reason (static memory). Blocking.
const char *lookup(const struct resolver_options *options, int64_t patience_ms, struct slice name,
                   struct ip_addr *out, size_t cap, size_t *out_count);
