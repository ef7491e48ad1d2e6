// search: from a target to a connected socket: a name is resolved, every address is judged, and only
// the admitted ones are dialled. Lives until the exchange is connected or refused.
//
// It asks admission for the second decision and takes none itself. Its owner is woken from the loop
// when DNS or the dialling is done, and asks for the result. It does not wait for both families of a
// name (RFC 8305 3): when one of them may be dialled by a rule it is, and the other joins in later.
#pragma once

#include "proxy/net/dialer.h"
#include "proxy/net/resolver.h"
#include "proxy/session/admission.h"
#include "proxy/session/quota.h"

struct search;

// search_create makes a search for `target`, which is borrowed until destroy. It wakes the owner of `client`, the stream
// to the client, whenever something is done. NULL when there is no memory.
struct search *search_create(struct ev_loop *loop, const struct target *target,
                             const struct stream *client) MUST_USE;

// search_destroy drops what is under way, and resets a connection that nobody took. NULL is allowed.
void search_destroy(struct search *search);

// search_resolve asks for the addresses of a name on behalf of `client_id`, see resolver_submit; a written address
// is its own answer, at once.
enum err search_resolve(struct search *search, struct resolver *resolver,
                        uint64_t client_id) MUST_USE;

// search_assume takes `address` for the answer, and takes over `fd`, a connection to it that is there already; -1: none.
void search_assume(struct search *search, const struct ip_addr *address, int fd);

// search_is_resolved tells whether there is something to judge, or never will be, and which.
bool search_is_resolved(const struct search *search, enum resolve_result *out);

// search_judge asks which of the addresses may be dialled (admission_decide_addresses). VERDICT_WAIT: it goes on
// searching, and search_is_resolved tells when the rest is there.
struct verdict search_judge(struct search *search, const struct admission *admission);

// search_judge_late judges the addresses that have come since, and dials those that a rule admits. To be
// called whenever the owner is woken while it dials.
void search_judge_late(struct search *search, const struct admission *admission);

// search_admits tells whether one address of the target may be dialled, without a search.
bool search_admits(const struct admission *admission, const struct ip_addr *address);

// search_aliases gives the chain of CNAMEs of the name: for the audit, never for policy.
const struct dns_aliases *search_aliases(const struct search *search);

// search_candidates gives the addresses with their verdicts; `*out_count` 0 before they are there.
const struct candidate *search_candidates(const struct search *search, size_t *out_count);

// search_dial starts connecting to the admitted addresses, in order, from the client's `egress` where it has
// one: `turn` says which of several has its turn. Each attempt takes `attempt_ms` at most. Attempts at the same time, but
// for the first, take a place of `quota`; both are borrowed until destroy.
enum err search_dial(struct search *search, const struct client *client, uint32_t turn,
                     int64_t attempt_ms, struct quota *quota,
                     struct session_context *context) MUST_USE;

// search_is_dialled tells whether the dialling is over, and how.
bool search_is_dialled(const struct search *search, enum dial_result *out);

// search_take_fd hands the connected socket over; the caller owns it.
int search_take_fd(struct search *search);

// search_attempts tells how many addresses have been dialled; search_last_dialled gives the one that is
// connected, or else the last of them, or one of family IP_NONE when there was none.
uint32_t search_attempts(const struct search *search);
struct ip_addr search_last_dialled(const struct search *search);
