// verdict: what has been decided about a request, as a value. It owns the names in it: a request waits, its client may
// move to another snapshot meanwhile, and by which rule and under which configuration something was decided stays true.
//
// Pure functions return verdicts (admission.h, request.h); only `conclude` in exchange.c acts on them.
#pragma once

#include "proxy/config/snapshot.h"
#include "proxy/limits/ledger.h"

enum verdict_kind {
    VERDICT_GO,          // go on
    VERDICT_WAIT,        // it depends on addresses that are still to come, or on the fleet
    VERDICT_REFUSE,      // refuse; the `decision` record says why
    VERDICT_REFUSE_LATE, // refuse after an allow was recorded: the `close` record says why
};

enum {
    // bytes with the NUL of a rule's name: its own, or `CLIENT.allow[N]`
    VERDICT_RULE_CAP = CLIENT_NAME_MAX + sizeof ".allow[18446744073709551615]",
    VERDICT_CONFIG_CAP = 17, // bytes with the NUL of a snapshot's id
};

// Zeroed: go on, nothing has been decided.
struct verdict {
    enum verdict_kind kind;
    enum action action;     // as the `decision` record has it
    enum reason reason;     // REASON_NONE: nothing that ends the deciding
    enum policy_mode mode;  // of the client
    bool would_deny;        // allowed only because the mode is `report`
    bool ends_connection;   // the client's right is gone: no further request
    bool is_of_whole_proxy; // of a limit: otherwise it is the client's own
    uint16_t status;        // of the answer to a refusal
    uint32_t retry_after_s; // of a limit: asking again makes sense then
    int64_t
        opens_s; // with a reason of time: Unix seconds, when it may be allowed; INT64_MAX: never
    const char *detail;              // a few words for the answer; static memory or NULL
    const char *help;                // a sentence for its body; static memory or NULL
    char rule[VERDICT_RULE_CAP];     // that decided; empty: none
    char config[VERDICT_CONFIG_CAP]; // id of the snapshot; empty: not decided under one
};

// verdict_of_decision copies a decision of the policy that was made under the snapshot with the id `config`: go on, or
// refuse with `status`.
struct verdict verdict_of_decision(const struct decision *decision, const char *config,
                                   uint16_t status);

// verdict_error refuses what never came to a decision of the policy. `detail` is static memory or NULL, here and below.
struct verdict verdict_error(uint16_t status, enum reason reason, const char *detail);

// verdict_limited refuses what the policy allows and a limit does not, with a 429; with a 503 where it is not known whether the
// fleet's limit allows it.
struct verdict verdict_limited(const struct limit_refusal *refusal);

// verdict_late refuses after the decision was recorded as an allow.
struct verdict verdict_late(uint16_t status, enum reason reason, const char *detail);

// verdict_decision gives the decision, whose rule is borrowed from the verdict.
struct decision verdict_decision(const struct verdict *verdict);
