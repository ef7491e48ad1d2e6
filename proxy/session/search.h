// search: from a target to a connected socket: a name is resolved, every address is judged, and only
// the admitted ones are dialled. Lives until the exchange is connected or refused.
//
// It asks the policy for the second decision and takes none itself. Its owner is woken from the loop
// when DNS or the dialling is done, and asks what came of it. It does not wait for both families of a
// name (RFC 8305 3): when one of them may be dialled by a rule it is, and the other joins in later.
#pragma once

#include "auth/policy.h"
#include "proxy/net/dialer.h"
#include "proxy/net/resolver.h"

struct search;

// Where the places come from for attempts at the same time, but for the first; see dialer_events.
struct dial_places {
    bool (*take)(void *arg);
    void (*give)(void *arg);
    void *arg; // borrowed until the search is destroyed
};

// search_create makes a search for `target`, which is borrowed until destroy. `wake` is called from the
// loop with `owner` whenever something is done. NULL when there is no memory.
struct search *search_create(struct ev_loop *loop, const struct target *target,
                             void (*wake)(void *owner), void *owner) MUST_USE;

// search_destroy drops what is under way, and resets a connection that nobody took. NULL is allowed.
void search_destroy(struct search *search);

// search_resolve asks for the addresses of a name on behalf of `asker`, see resolver_submit; a written address is its own
// answer, at once.
enum err search_resolve(struct search *search, struct resolver *resolver, uint64_t asker) MUST_USE;

// search_assume takes `address` for the answer, where a connection to it is there already.
void search_assume(struct search *search, const struct ip_addr *address);

// search_is_resolved tells whether there is something to judge, or never will be, and which.
bool search_is_resolved(const struct search *search, enum resolve_result *out);

// search_judge decides which of the addresses may be dialled (policy_decide_addresses); an allow of which none
// can be dialled from the client's `egress` is an error, REASON_EGRESS_UNAVAILABLE. False: addresses that are
// still to come may change the verdict, and search_is_resolved tells when they are there.
bool search_judge(struct search *search, const struct policy *policy, const struct client *client,
                  const struct ip_addr *source, struct decision *out) MUST_USE;

// search_judge_late judges the addresses that have come since, and dials those that a rule admits. To be
// called whenever the owner is woken while it dials.
void search_judge_late(struct search *search, const struct policy *policy,
                       const struct client *client, const struct ip_addr *source);

// search_aliases gives the chain of CNAMEs behind the name: for the audit, never for policy.
const struct dns_aliases *search_aliases(const struct search *search);

// search_candidates gives the addresses with their verdicts; `*out_count` 0 before they are there.
const struct candidate *search_candidates(const struct search *search, size_t *out_count);

// search_judge_one judges one address of a target in the same way, without a search.
void search_judge_one(const struct policy *policy, const struct client *client,
                      const struct ip_addr *source, const struct target *target,
                      const struct ip_addr *address, struct decision *out);

// search_dial starts connecting to the admitted addresses, in order, from the client's `egress` where it has
// one: `turn` says which of several has its turn. Each attempt takes `attempt_ms` at most. `places` is copied.
enum err search_dial(struct search *search, const struct client *client, uint32_t turn,
                     int64_t attempt_ms, const struct dial_places *places) MUST_USE;

// search_is_dialled tells whether the dialling is over, and how.
bool search_is_dialled(const struct search *search, enum dial_result *out);

// search_take_fd hands the connected socket over; the caller owns it.
int search_take_fd(struct search *search);

// search_attempts tells how many addresses have been dialled; search_last_dialled gives the one that is
// connected, or else the last of them, or one of family IP_NONE when there was none.
uint32_t search_attempts(const struct search *search);
struct ip_addr search_last_dialled(const struct search *search);
