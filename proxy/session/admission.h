// admission: every question that a request puts to policy, limits and trust, as pure functions from values to a
// verdict. Nothing here refuses, waits, takes room or writes a record: exchange.c does, with what it is told here.
//
// A request is asked about before DNS (room, right, target), after it (addresses), and before the 200 (today).
#pragma once

#include "auth/ocsp_verdict.h"
#include "proxy/http/via.h"
#include "proxy/session/verdict.h"

// What a request is judged by; all borrowed.
struct admission {
    const struct snapshot *snapshot;
    const struct client *client; // NULL: no entry of the configuration fits
    const struct ip_addr *source;
    const struct target *target;
    int64_t now_s; // Unix time
};

// admission_decide_known refuses requests while it is not known who is blocked.
struct verdict admission_decide_known(const struct snapshot *snapshot);

// admission_decide_room refuses requests while the proxy drains, and those whose records have no room (`has_records`):
// no record, no tunnel.
struct verdict admission_decide_room(bool is_draining, bool has_records);

// admission_decide_loop refuses a request that has come through this proxy, which is known by `token`, or through too many.
struct verdict admission_decide_loop(const struct via_trail *trail, const char *token);

// admission_decide_right refuses a client that has lost its right: `reason` is what judging it again has said,
// REASON_NONE for nothing; `unanswered` is why OCSP had no answer, or NULL; `not_after_s` is when its certificate ends (Unix
// seconds, like `now_s`).
struct verdict admission_decide_right(const struct snapshot *snapshot, enum reason reason,
                                      const struct ocsp_why *unanswered, int64_t not_after_s,
                                      int64_t now_s);

// admission_decide_target takes the first decision: all that the policy can say before DNS.
struct verdict admission_decide_target(const struct admission *admission);

// admission_decide_unnamed refuses a tunnel that is routed by name and whose first flight gives none, for `reason`.
struct verdict admission_decide_unnamed(const struct admission *admission, enum reason reason);

// admission_goes_by_name tells whether the target goes to a parent by its name (policy_goes_by_name).
bool admission_goes_by_name(const struct admission *admission);

// admission_decide_addresses takes the second decision, which of the candidates may be dialled, and marks these. Wait:
// addresses that are still to come may change the verdict. `is_complete`: no further address will come, here and below.
//
// What other rules than the first would have the authorizer asked about is left out: a request asks one question, which names
// its rule.
struct verdict admission_decide_addresses(const struct admission *admission,
                                          struct candidate *candidates, size_t count,
                                          bool is_complete);

// admission_decide_egress follows an allow of admission_decide_addresses: where none of the admitted addresses can be
// dialled from the client's `egress` it is an error, REASON_EGRESS_UNAVAILABLE. `can_dial_ipv4`, `can_dial_ipv6`: it has
// an address of the family that this machine has, too.
struct verdict admission_decide_egress(const struct verdict *allowed,
                                       const struct candidate *candidates, size_t count,
                                       bool is_complete, bool can_dial_ipv4, bool can_dial_ipv6);

// standing is what holds for one address of a target.
struct standing {
    bool is_admitted;
    bool is_by_rule;    // a rule admits it, and not only the client's mode
    enum reason reason; // of the policy
    struct inner inner; // what a tunnel to it may carry
    int64_t until_s;    // Unix seconds: when time may end it; INT64_MAX: never
};

// admission_judge_address judges one address in the same way, `candidate` being all that the target has.
struct standing admission_judge_address(const struct admission *admission,
                                        struct candidate *candidate);

// admission_asks tells whether the rule that admits this address wants the authorizer to be asked. `out_rule`, which may be
// NULL: its name.
bool admission_asks(const struct admission *admission, struct candidate *candidate,
                    char out_rule[VERDICT_RULE_CAP]);

// admission_decide_today judges before the 200 what has become of a right that was there before the dialling. The
// reasons are those of the end of a tunnel. `reason` as in admission_decide_right, or why today's policy does not admit the
// address that is connected any more (admission_reason_of_end).
struct verdict admission_decide_today(enum reason reason, int64_t not_after_s, int64_t now_s);

// admission_reason_of_end gives the reason with which a tunnel to an address that is not admitted any more ends: that of
// its time, or REASON_POLICY_CHANGED. REASON_NONE while it is admitted.
enum reason admission_reason_of_end(const struct standing *standing);
