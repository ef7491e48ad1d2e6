// lookup: one name asked of DNS as the proxy would, by a command that waits for the answer.
#pragma once

#include "proxy/config/snapshot.h"

// lookup asks for the addresses of `name` with the `resolver` of the configuration. At most `cap` go to `out`. Gives
// NULL when there is at least one, else the word that says why not; static memory. Blocking.
const char *lookup(const struct snapshot *snapshot, struct slice name, struct candidate *out,
                   size_t cap, size_t *out_count);
