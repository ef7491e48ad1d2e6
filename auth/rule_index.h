// rule_index: which rules of a long list could speak about a name or an address, in file order.
// Internal to auth.
//
// A rule is filed under each of its hosts, or each of its address ranges, when it has few; others
// are always tried. A walk gives, in file order, every rule that could be concerned, and some that
// are not: the caller compares each as it would without an index. Short lists have none.
#pragma once

#include "auth/key_index.h"
#include "auth/rule_fit.h"

// rule_index_create makes the index of a list of rules in `arena`; NULL in `*out` for a short list.
enum err rule_index_create(struct arena *arena, const struct rule *rules, size_t count,
                           const struct rule_index **out) MUST_USE;

// rule_index_has_address_port tells whether some rule without hosts, read as an allow, is for this
// port: whether any would speak about an address that is written as the target, wherever it lies.
bool rule_index_has_address_port(const struct rule_index *index, uint16_t port);

enum { WALK_CURSORS_MAX = 96 };

// rule_walk is on its way through a list of rules. Fields are private.
struct rule_walk {
    const struct rule *rules;       // borrowed
    const struct rule_index *index; // borrowed; NULL: every rule is given
    size_t count;
    size_t next; // without an index
    size_t cursor_count;
    struct id_list cursors[WALK_CURSORS_MAX]; // what is left of each list
};

// rule_walk_begin starts with the rules that are always tried; `index` may be NULL.
void rule_walk_begin(struct rule_walk *walk, const struct rule *rules, size_t count,
                     const struct rule_index *index);

// rule_walk_add_name adds the rules filed under a name; rule_walk_add_forms those filed under an
// address in any of its forms. Too many at once turn the walk into one through all rules.
void rule_walk_add_name(struct rule_walk *walk, const struct hostname *name);
void rule_walk_add_forms(struct rule_walk *walk, const struct forms *forms);

// rule_walk_next gives the next rule, each once; NULL behind the last.
const struct rule *rule_walk_next(struct rule_walk *walk);
