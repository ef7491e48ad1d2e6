// policy_trace: the deciding code tells, step by step, what it looks at. For `explain` and lints.
//
// There is no second engine: each function here is the one that decides, with somebody listening.
// Without a listener nothing is prepared or called. With one, every entry and rule is tried in file
// order and told, also those that the indexes of a large policy would pass over unseen because they
// cannot fit; the verdict is the same.
//
// Use: policy_trace_client, then policy_trace_target with its client, then, when that allows,
// policy_trace_addresses with the addresses that DNS gave or the target names. `told` is called from
// inside, must not change the policy, and may keep the pointers as long as the policy lives, except
// those to candidates and forms. A switch over `kind` shows which fields count.
#pragma once

#include "auth/policy.h"

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

enum policy_list { POLICY_LIST_GLOBAL_DENY, POLICY_LIST_CLIENT_DENY, POLICY_LIST_ALLOW };

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

// Each decides as the function of policy.h with the similar name, and tells `trace` (NULL: nobody).
const struct client *policy_trace_client(const struct policy *policy,
                                         const struct identity *identity,
                                         const struct policy_trace *trace);
void policy_trace_target(const struct policy *policy, const struct client *client,
                         const struct ip_addr *source, const struct target *target,
                         const struct policy_trace *trace, struct decision *out);
void policy_trace_addresses(const struct policy *policy, const struct client *client,
                            const struct ip_addr *source, const struct target *target,
                            struct candidate *candidates, size_t count,
                            const struct policy_trace *trace, struct decision *out);
