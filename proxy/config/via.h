// via: which way the requests of a client, or of a rule, take: a list of the names of parents, maybe with `direct` at its end.
#pragma once

#include "proxy/config/parent_config.h"
#include "proxy/config/reader.h"

// parent_names is the parents that there are, and which of them some `via` names. Zeroed: there are none.
struct parent_names {
    const struct parent_config *parents; // borrowed
    size_t count;
    bool *is_used; // borrowed; one for each
};

// via_read reads `via` (NULL: left out). NULL where there is none, or no good one.
const struct via *via_read(struct reader *reader, const struct node *node,
                           const struct parent_names *parents);

// parent_names_warn_unused warns of the parents that no `via` has named.
void parent_names_warn_unused(struct reader *reader, const struct node *node,
                              const struct parent_names *parents);
