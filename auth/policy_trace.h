// policy_trace: what the deciding code looks at, told step by step. For `explain` and lints.
//
// The functions that decide tell it (see policy.h); there is no second engine. `told` must not change
// the policy. It may keep the pointers as long as the policy lives, except those to candidates and forms. The comment of
// each kind names the fields that count.
#pragma once

#include "auth/match.h"
#include "auth/rule_fit.h"

struct candidate;

enum policy_step_kind {
    // client, entry, entry_part: an entry of `match` was compared; ENTRY_FITS makes it the client.
    POLICY_STEP_ENTRY,
    // client, is_fit: the source against `sources` (not told where a client has none).
    POLICY_STEP_SOURCE,
    // list, rule, rule_part: does the rule speak about this target? RULE_FITS: it does.
    POLICY_STEP_RULE,
    // list, rule, candidate, form, is_fit: a rule that fits against an address that is still open.
    // In an allow list: it admits every form of it; else `form` is one that it does not admit. In a
    // deny list: it denies `form`.
    POLICY_STEP_ADDRESS,
    // candidate: its verdict is final: is_admitted, reason and rule are set. `form` is what decided
    // where the reason is a class or an own listener, else the address itself.
    POLICY_STEP_VERDICT,
};

enum policy_list {
    POLICY_LIST_GLOBAL_DENY,
    POLICY_LIST_FILE_DENY, // of an included file, for its own clients
    POLICY_LIST_CLIENT_DENY,
    POLICY_LIST_ALLOW
};

struct policy_step {
    enum policy_step_kind kind;
    const struct client *client;
    size_t entry; // index in the client's matches
    enum entry_part entry_part;
    enum policy_list list;
    const struct rule *rule;
    enum rule_part rule_part;
    const struct candidate *candidate; // borrowed for the call
    const struct ip_addr *form;        // the address, or an IPv4 address inside; for the call
    bool is_fit;
};

struct policy_trace {
    void (*told)(void *arg, const struct policy_step *step);
    void *arg; // borrowed
};
