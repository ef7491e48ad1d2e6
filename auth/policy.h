// policy: who may go where, from where, and why. Pure code over the values of rules.h.
//
// A request is decided in two steps: the target before DNS, then every address that DNS gave. An address that is written
// as the target goes straight to the second step. Only what the second step admits may be dialled. The order of the
// questions, and of the reasons: client, source, the client's time, always closed, global deny, the deny of the
// client's file, client deny, allow and its time. An allow outside its time says nothing. `now_s` is Unix time.
#pragma once

#include "auth/identity.h"
#include "auth/reason.h"
#include "auth/rules.h"
#include "auth/target.h"

struct policy_trace;

// policy_mode_name gives `enforce`, `report` or `open`.
const char *policy_mode_name(enum policy_mode mode);

enum action { ACTION_ALLOW, ACTION_DENY, ACTION_ERROR };

// action_name gives `allow`, `deny` or `error`.
const char *action_name(enum action action);

// decision is the verdict with its reason.
struct decision {
    enum action action;
    enum reason reason;
    const char *rule;      // the rule that decided, borrowed from the policy; NULL when none did
    enum policy_mode mode; // of the client; POLICY_ENFORCE without one
    bool would_deny;       // allowed only because the mode is `report`
    const struct inner
        *inner;            // with ACTION_ALLOW: what the tunnel may carry, borrowed; NULL: anything
    const struct via *via; // likewise: the way it takes; NULL: to the target itself
    // Unix seconds; with ACTION_ALLOW of addresses when time may end it, with a reason of time when it may be allowed;
    // INT64_MAX: never
    int64_t changes_s;
};

// via_allows tells whether a request of this way may go through the parent of that name; NULL: to the target itself. A `via`
// of NULL leads there only.
bool via_allows(const struct via *via, const char *parent);

// via_equal tells whether two ways are the same.
bool via_equal(const struct via *a, const struct via *b);

// via_format writes the way as `paris, direct`, NUL-terminated, and returns `out`; "" for one that leads to the target itself
// only.
const char *via_format(const struct via *via, char out[VIA_TEXT_CAP]);

// via_append_json adds the member "via", a list of names, unless the way leads to the target itself only.
void via_append_json(const struct via *via, struct text *out);

// decision_ends_by_time tells whether it is an allow that time may end.
static inline bool decision_ends_by_time(const struct decision *decision)
{
    return decision->action == ACTION_ALLOW && decision->reason != REASON_NONE &&
           decision->changes_s != INT64_MAX;
}

// decision_append_json adds the member "decision", in the order of docs/AUDIT.md.
void decision_append_json(const struct decision *decision, struct text *out);

// policy_find_client gives the client that fits `identity` (NULL: a client without certificate), or NULL: the first in file
// order of the main file, which is in front; then the first of the included file of which an entry that fits has the lowest
// `since`, and of equals of the first file. So no file takes a certificate that was another one's before, whatever it writes.
// Like the two functions below it tells `trace` each entry and rule that it looks at, in file order; with NULL it tells nobody.
const struct client *policy_find_client(const struct policy *policy,
                                        const struct identity *identity,
                                        const struct policy_trace *trace);

// policy_find_other gives a client of another included file that fits `identity`, too, where `client` was found for it, is of an
// included file, and the policy is sealed; otherwise NULL.
const struct client *policy_find_other(const struct policy *policy, const struct identity *identity,
                                       const struct client *client);

// policy_decide_speaker decides whether `speaker`, whose connection comes from `source` (canonical), may pass on the certificate
// of `guest` (NULL: no entry fits it): REASON_NONE, or source_not_allowed and the reasons of time of the speaker's own entry,
// not_spoken_for, and bad_request where it speaks for nobody. `*out_changes_s` is when time may end it, or with a reason of
// time when it begins; INT64_MAX: never.
enum reason policy_decide_speaker(const struct client *speaker, const struct client *guest,
                                  const struct ip_addr *source, int64_t now_s,
                                  int64_t *out_changes_s);

// policy_decide_target decides what can be decided before DNS: source, client, denials by name and
// port, and whether any allow could apply. `client` may be NULL (no_client). `source` is canonical.
// With ACTION_ALLOW (and REASON_NONE) the addresses still have to be judged by
// policy_decide_addresses, which alone gives leave to dial. A target written as an address passes
// once client and source are right: what is always closed comes before the rules. `*out` is fully
// written; its strings are borrowed from the policy.
void policy_decide_target(const struct policy *policy, const struct client *client,
                          const struct ip_addr *source, int64_t now_s, const struct target *target,
                          const struct policy_trace *trace, struct decision *out);

// policy_is_own_port tells whether one of the proxy's listeners that are bound to every local
// address has this port, so that the caller has to find out which candidates are local.
bool policy_is_own_port(const struct policy *policy, uint16_t port);

// candidate is an address that the target has: written in the request, or answered by DNS. Or it is the name itself: of
// family IP_NONE, for a parent that resolves it, where the client has such ways. No rule and no denial that needs an address speaks about a name, no range is
// closed to it, and no mode admits it; the first allow that speaks about it decides, and only where its way is by name.
struct candidate {
    struct ip_addr address;
    bool is_local;      // in: is an address of this machine (needed only where policy_is_own_port)
    bool is_admitted;   // out: may be dialled
    const char *rule;   // out: the rule that admitted or denied it; NULL when none did
    enum reason reason; // out: REASON_RULE, or why not; REASON_NO_RULE when only the mode admits it
    const struct inner *inner; // out: what a tunnel to it may carry; NULL: anything
    bool sends_proxy;          // out: a PROXY header goes to it first
    bool asks;                 // out: the authorizer has to say yes before it is dialled
    const struct via *via;     // out: the way to it; NULL: straight there
    int64_t until_s;           // out: with is_admitted: when time may end it; INT64_MAX: never
};

// policy_decide_addresses judges every candidate of a target that policy_decide_target let pass,
// with the same arguments, and writes the verdict for the request: allow when one is admitted
// (`rule`: of the first admitted), else the reason that comes first in the order above. In modes
// report and open, ordinary addresses without a rule are admitted only when no candidate is
// admitted by a rule. An address with IPv4 inside is admitted by a rule that admits every form of
// it, and denied by one that denies any. An address that an allow would admit at another time is denied for that; of several
// such the one counts that opens first. `count` 0 is denied with REASON_DNS_FAILED, ACTION_ERROR.
// What policy_decide_target denies is denied here again, so that a forgotten first step opens
// nothing.
void policy_decide_addresses(const struct policy *policy, const struct client *client,
                             const struct ip_addr *source, int64_t now_s,
                             const struct target *target, struct candidate *candidates,
                             size_t count, const struct policy_trace *trace, struct decision *out);

// policy_goes_by_name tells whether a request for this target, which policy_decide_target let pass, goes to a parent by its
// name, and no address of it is asked for.
bool policy_goes_by_name(const struct policy *policy, const struct client *client,
                         const struct ip_addr *source, int64_t now_s, const struct target *target);

// policy_create makes an empty policy with an arena to build in; NULL without memory.
struct policy *policy_create(void) MUST_USE;

enum { POLICY_EXTENSIONS_CAP = EXTENSIONS_NAMED_MAX * (1 + EXTENSION_NAMED_OID_MAX) }; // bytes

// policy_name_extensions writes the OIDs of extensions that entries for certificates of the profile `trust` name (NULL: of
// any), as a set of extension.h. ERR_LIMIT for more than EXTENSIONS_NAMED_MAX different ones.
enum err policy_name_extensions(const struct policy *policy, const char *trust,
                                uint8_t out[POLICY_EXTENSIONS_CAP], size_t *out_len) MUST_USE;

// policy_seal makes the indexes by which a client and a name are found without a look at all others, once everything is in
// its place. It changes no answer, but that names are completed from certificates only in a sealed policy. It also collects
// the OIDs of extensions that entries name. ERR_MEMORY; ERR_LIMIT for more than EXTENSIONS_NAMED_MAX different ones.
enum err policy_seal(struct policy *policy) MUST_USE;

// policy_destroy frees the policy and everything in its arena. NULL is allowed.
void policy_destroy(struct policy *policy);
