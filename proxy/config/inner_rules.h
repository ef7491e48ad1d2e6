// inner_rules: `inner` of a client or an `allow` rule: what its tunnels may carry. What it means is auth/inner's.
#pragma once

#include "auth/rules.h"
#include "proxy/config/section.h"

extern const struct section inner_section;

// inner_rules_read gives what `inner` says, in the arena; `of_client`: it is a client's, and not a rule's. NULL where the
// key is not there, or is bad, which is reported.
const struct inner *inner_rules_read(struct reader *reader, const struct node *node,
                                     bool of_client);
