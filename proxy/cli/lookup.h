// lookup: one name asked of DNS as the proxy would, by a command that waits for the answer.
#pragma once

#include "proxy/net/resolver_options.h"

// lookup asks for the addresses of `name` as a proxy with these options would, for `patience_ms` at most. At most `cap`
// go to `out`. Gives NULL when there is at least one, else the word that says why not; static memory. Blocking.
const char *lookup(const struct resolver_options *options, int64_t patience_ms, struct slice name,
                   struct ip_addr *out, size_t cap, size_t *out_count);
