// ruling: what an exchange keeps of a decision: a value of its own, which borrows nothing from the snapshot that it
// was made under. An exchange waits, and its client may be moved to another snapshot meanwhile; what was decided, by
// which rule and under which configuration stays true.
#pragma once

#include "proxy/config/snapshot.h"

enum {
    // bytes with the NUL of a rule's name: its own, or `CLIENT.allow[N]`
    RULING_RULE_CAP = NAME_MAX_LEN + sizeof ".allow[18446744073709551615]",
    RULING_CONFIG_CAP = 17, // bytes with the NUL of a snapshot's id
};

// Zeroed: nothing has been decided.
struct ruling {
    enum action action;
    enum reason reason; // REASON_NONE: nothing that ends the deciding
    enum policy_mode mode;
    bool would_deny;
    char rule[RULING_RULE_CAP];     // empty: none decided
    char config[RULING_CONFIG_CAP]; // id of the snapshot
};

// ruling_take copies a decision that was made under `snapshot`.
void ruling_take(struct ruling *ruling, const struct decision *decision,
                 const struct snapshot *snapshot);

// ruling_decision gives the decision, whose rule is borrowed from the ruling.
struct decision ruling_decision(const struct ruling *ruling);
