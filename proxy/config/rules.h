// rules: `allow` and `deny`, read from nodes into the policy's values. Their lists of hosts and
// addresses are proxy/config/sets'.
#pragma once

#include "auth/policy.h"
#include "proxy/config/sets.h"
#include "proxy/config/via.h"

enum {
    RULES_MAX = 10000,     // in one `allow` or `deny`
    RULE_PORTS_MAX = 1000, // in one `ports`
};

extern const struct section rule_section;

enum rule_kind { RULE_ALLOW, RULE_DENY };

// rules_read reads the list `node` (NULL: none) into the reader's arena. Rules without a name of
// their own are called `OWNER.allow[0]`, or `deny[0]` when `owner` is "". The names of the others are added to `names`.
// `parents`: that the `via` of an allow may name.
void rules_read(struct reader *reader, struct sets *sets, const struct parent_names *parents,
                const struct node *node, enum rule_kind kind, const char *owner,
                struct named_places *names, const struct rule **out, size_t *out_count);
