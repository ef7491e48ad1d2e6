// rules: `allow` and `deny`, read from nodes into the policy's values. Their lists of hosts and
// addresses are proxy/config/sets'.
#pragma once

#include "auth/policy.h"
#include "proxy/config/sets.h"

enum {
    RULES_MAX = 10000,     // in one `allow` or `deny`
    RULE_PORTS_MAX = 1000, // in one `ports`
};

extern const struct section rule_section;

enum rule_kind { RULE_ALLOW, RULE_DENY };

// The names that rules were given, in the order read, for one check over the whole configuration.
struct rule_names {
    struct named_place *places; // owned
    size_t count;
    size_t cap;
};

// rule_names_deinit frees the list. A zeroed one is allowed.
void rule_names_deinit(struct rule_names *names);

// rules_read reads the list `node` (NULL: none) into the reader's arena. Rules without a name of
// their own are called `OWNER.allow[0]`, or `deny[0]` when `owner` is "".
void rules_read(struct reader *reader, struct sets *sets, const struct node *node,
                enum rule_kind kind, const char *owner, struct rule_names *names,
                const struct rule **out, size_t *out_count);
