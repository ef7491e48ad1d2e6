// explanation: why a request is, or would be, allowed or denied: each thing that the policy looks at, in its
// order, and what it found. The deciding code tells (auth/policy_trace.h); nothing is decided here.
//
// Made in two steps, as a request is decided: before DNS, and with the addresses. It is a list of steps, which
// explanation_print writes for people and explanation_append_json for programs. No sockets, no files.
#pragma once

#include <stdio.h>

#include "auth/account.h"
#include "auth/authorization.h"
#include "auth/blocklist.h"
#include "auth/inner.h"
#include "auth/policy.h"
#include "auth/policy_trace.h"
#include "auth/speaker.h"

// recorded is what a record says came of its request. What no policy knows may have decided it: the authorizer, DNS, a limit.
struct recorded {
    enum action action;
    const char *reason;
    const char *rule; // or NULL
};

// edge is the proxy that is connected, where the certificate of the client is passed on. All pointers are borrowed.
struct edge {
    const struct identity *identity; // its own; NULL: without certificate
    const char *who;                 // a line about it for people; NULL: there is none
    // of the certificate that is passed on, by the profile that judges it; REASON_NONE: it is good
    enum reason refusal;
    bool is_plain;       // the request is no CONNECT
    bool is_for_unknown; // nobody knows whose certificate it was
};

// question is what is asked about. All pointers are borrowed.
struct question {
    const struct identity *identity; // NULL: a client without certificate
    const struct edge *edge;         // NULL: the client is connected itself
    const char *who;                 // a line about it for people; NULL: there is none
    const char *id; // of the record that has the question; NULL: it is none of a log
    const struct recorded *recorded; // with `id`
    struct ip_addr source;           // family IP_NONE: not said
    bool is_unannounced;             // it was not said at that time, either: it is in no `sources`
    int64_t now_s;                   // Unix time at which it is asked
    struct target target;
    const struct inner_seen *inside; // what the client says in the tunnel; NULL: that is not asked
    bool has_answer;                 // what the authorizer says is known
    enum authorizer_answer answer;   // with has_answer
};

// explained is one step that the policy told of: an entry that does not fit, a rule, an address, a verdict.
struct explained {
    struct policy_step step; // without `form`; the candidate is one of explanation_judge
    // the IPv4 address inside that was looked at; IP_NONE: the address itself
    struct ip_addr embedded;
};

struct explained_steps {
    struct explained *items; // owned
    size_t count;
    size_t cap;
};

// misfits counts what does not fit: what is among the steps, and what is more than these hold.
struct misfits {
    size_t kept;
    size_t hidden;
};

// explanation is read by everybody and changed by the functions below only. It has many fields because text and JSON show
// one answer: each field is a line of it.
struct explanation {
    const struct policy *policy;     // borrowed
    const struct question *question; // borrowed
    struct speaker speaker;          // with `question->edge`
    const struct client *client;     // borrowed from the policy; NULL: no entry fits
    struct account_name account;     // of the client
    struct decision decision;        // the final word
    struct explained_steps steps;
    size_t entry;           // the one that fits, of the client's `match`
    struct misfits misfits; // entries
    struct misfits rule_misfits;
    bool has_source; // the client has `sources`
    bool is_source_fit;
    const struct candidate *candidates; // borrowed
    size_t candidate_count;
    // of the candidates: `dns`, `given` or `target`; NULL: it did not come to them
    const char *origin;
    const struct candidate *asking; // because of which the authorizer is asked; NULL: it is not
    // with `question->inside`, of the address that ends the tunnel, or of the first; NULL: it did not come to that
    const struct candidate *carrier; // of the candidates
    struct inner_ruling ruling;
    // why there are none, by the resolver's word; NULL: it was not asked, or answered
    const char *dns;
    char live[BLOCK_TEXT_CAP]; // what only the running proxy knows; "": it was not asked
    const char *advice;        // static memory; NULL: the one for the reason
    // there is no answer: the client, or the proxy that speaks for it, has `sources`, and the question does not say whence
    bool lacks_source;
    bool lacks_client; // likewise: who it is for decides, and nobody knows
    // likewise: the name inside is the target of this client's tunnels, and the question does not say it
    bool lacks_name;
    bool is_routed;       // the name inside is the target
    struct target target; // that is judged
    bool is_spoilt; // there was no memory for a step: half an explanation would be a wrong one
};

// explanation_init asks about client, source and target. The caller ends it with explanation_deinit.
void explanation_init(struct explanation *explanation, const struct policy *policy,
                      const struct question *question);
void explanation_deinit(struct explanation *explanation);

// explanation_lacks_addresses tells that nothing is decided yet: the addresses of the target decide.
bool explanation_lacks_addresses(const struct explanation *explanation);

// explanation_judge goes on with the addresses, which are borrowed until explanation_deinit; `origin` is static memory.
// Only where they are lacking.
void explanation_judge(struct explanation *explanation, struct candidate *candidates, size_t count,
                       const char *origin);

// explanation_lacks_inside gives the name inside the tunnel, whose addresses decide; NULL: they do not.
const struct hostname *explanation_lacks_inside(const struct explanation *explanation);

// explanation_judge_inside goes on with the addresses that this name has now. Only where they are lacking.
void explanation_judge_inside(struct explanation *explanation, const struct ip_addr *addresses,
                              size_t count);

// explanation_fail ends it where DNS has no answer; `why` is the resolver's word, static memory.
void explanation_fail(struct explanation *explanation, const char *why);

// explanation_override takes the final word away from the policy, for what only a running proxy knows: `why` is copied.
void explanation_override(struct explanation *explanation, enum action action, enum reason reason,
                          const char *why, const char *advice);

// explanation_next gives the next step of a kind after `after`, the first one for NULL; NULL: there are no more.
const struct explained *explanation_next(const struct explanation *explanation,
                                         const struct explained *after, enum policy_step_kind kind);

// explanation_advice says what to do about a denial; NULL where there is nothing to do. explained_list and
// explained_result give the words for the rule of a step: which list has it, and what it does to an address.
const char *explanation_advice(const struct explanation *explanation);
const char *explained_list(const struct explained *explained);
const char *explained_result(const struct explained *explained);

// explanation_dials tells whether a candidate is dialled by an allowed request. One that is admitted is not where the request takes
// another way, or is asked about because of another rule.
bool explanation_dials(const struct explanation *explanation, const struct candidate *candidate);

// explanation_inner gives the `inner` of a candidate that says otherwise than those before it; NULL: it says the same, or
// may not be dialled. Where nothing is written it is what holds then.
const struct inner *explanation_inner(const struct explanation *explanation, size_t index);

// explanation_print writes a whole explanation for people, explanation_append_json as a JSON object.
void explanation_print(const struct explanation *explanation, FILE *out);
void explanation_append_json(const struct explanation *explanation, struct text *out);
