// search: from a target to a connected socket. It resolves a name, has every address judged, and dials only the admitted
// ones. It lives until the exchange is connected or refused.
//
// It asks admission for the second decision and takes none itself. It wakes the owner of the client's stream when DNS or
// the dialling is done. It does not wait for both families of a name (RFC 8305 3): when a rule admits one of them it
// dials, and the other joins in later.
#pragma once

#include "proxy/net/dialer.h"
#include "proxy/net/resolver.h"
#include "proxy/session/admission.h"
#include "proxy/session/channel.h"
#include "proxy/session/quota.h"

// Fields private to search.c, except where it is said.
struct search {
    struct channel *channel;      // borrowed; the owner of its stream is woken
    struct quota *quota;          // borrowed; of the places for attempts at the same time
    const struct target *target;  // borrowed from the exchange
    struct resolver_query *query; // owned; NULL when nothing more will come from it
    ev_timer delay;
    bool is_resolved;             // there is something to judge, or never will be; may be read
    bool needs_all;               // what was there did not do: judge again only when all is there
    bool has_late;                // addresses have come, or the last word, since they were judged
    bool is_dialled;              // the dialling is over; may be read
    enum resolve_result resolved; // may be read
    enum dial_result dialled;     // may be read
    struct dialer *dialer;        // owned; NULL before search_dial; may be read
    int fd;                       // owned; -1: none
    size_t candidate_count;       // may be read, as the candidates with their verdicts
    size_t judged_count;          // of the candidates, from the first one on
    // the way of those that are admitted; borrowed from the policy, and so only for the step that has judged them; may be read
    const struct via *via;
    struct candidate candidates[RESOLVER_MAX_ADDRESSES];
    struct dns_aliases aliases; // the name's chain of CNAMEs: for the audit, never for policy
};

// search_create makes a search for `target`, on behalf of the peer of `channel`. Attempts at the same time, but for the first, take a
// place of `quota`. All are borrowed until destroy. NULL without memory.
struct search *search_create(struct channel *channel, const struct target *target,
                             struct quota *quota) MUST_USE;

// search_destroy drops what is under way, and resets a connection that was not taken. NULL is allowed.
void search_destroy(struct search *search);

// search_resolve asks for the addresses of a name; a written address is its own answer, at once. ERR_MEMORY.
enum err search_resolve(struct search *search) MUST_USE;

// search_leave_name takes the name for the answer: a parent resolves it. search_is_by_name tells whether that is so.
void search_leave_name(struct search *search);
bool search_is_by_name(const struct search *search);

// search_resolve_all does the same, and is not resolved before the last word. search_has_found tells then whether the
// target has this address.
enum err search_resolve_all(struct search *search) MUST_USE;
bool search_has_found(const struct search *search, const struct ip_addr *address);

// search_assume takes `address` for the answer, and takes over `fd`, a connection to it that is there already; -1: none.
void search_assume(struct search *search, const struct ip_addr *address, int fd);

// search_judge asks which of the addresses may be dialled (admission_decide_addresses). VERDICT_WAIT: it goes on
// searching, and `is_resolved` tells when the rest is there.
struct verdict search_judge(struct search *search, const struct admission *admission);

// search_judge_late judges the addresses that have come since, and dials those that a rule admits. Call it whenever the
// owner is woken while it dials.
void search_judge_late(struct search *search, const struct admission *admission);

// search_judge_address judges one address of the target, which is reached through the parent of that name, or dialled (NULL),
// without a search.
struct standing search_judge_address(const struct admission *admission,
                                     const struct ip_addr *address, const char *parent);

// search_sends_proxy tells whether the rule that admits this address of the target wants a PROXY header to go first.
bool search_sends_proxy(const struct admission *admission, const struct ip_addr *address);

// search_asks tells whether the rule that admits this address of the target wants the authorizer to be asked. `out_rule`, which
// may be NULL: its name.
bool search_asks(const struct admission *admission, const struct ip_addr *address,
                 char out_rule[VERDICT_RULE_CAP]);

// search_dial starts connecting to the admitted addresses, in order, from the client's `egress` where it has one.
// ERR_MEMORY.
enum err search_dial(struct search *search) MUST_USE;

// search_send_first sends bytes over the connected socket; see tcp_stream_send_first.
enum err search_send_first(const struct search *search, struct slice bytes) MUST_USE;

// search_is_silent tells whether nothing has come over the connected socket.
bool search_is_silent(const struct search *search);

// search_take_fd hands the connected socket over; the caller owns it.
int search_take_fd(struct search *search);

// search_last_dialled gives the address that is connected, or else the last one that was dialled, or one of family IP_NONE
// when there was none.
struct ip_addr search_last_dialled(const struct search *search);
