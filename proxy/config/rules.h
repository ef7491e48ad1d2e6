// rules: the lists that rules are made of (`hosts`, `ports`, `addresses`), and `allow` and `deny`
// themselves, read from nodes into the policy's values.
#pragma once

#include "auth/policy.h"
#include "proxy/config/reader.h"

enum {
    RULES_MAX = 10000,            // in one `allow` or `deny`
    RULE_HOSTS_MAX = 1000000,     // in one `hosts`
    RULE_PORTS_MAX = 1000,        // in one `ports`
    RULE_ADDRESSES_MAX = 1000000, // in one `addresses` or `sources`
};

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
void rules_read(struct reader *reader, const struct node *node, enum rule_kind kind,
                const char *owner, struct rule_names *names, const struct rule **out,
                size_t *out_count);

// address_set_read reads a list of addresses, prefixes and the word `public`.
bool address_set_read(struct reader *reader, const struct node *node, const char *what,
                      struct address_set *out);

// host_pattern_read reads one host name or pattern; international names become A-labels.
bool host_pattern_read(struct reader *reader, const struct node *node, const char *what,
                       struct host_pattern *out);
