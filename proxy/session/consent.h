// consent: what the authorizer says about one exchange, where a rule has `ask: true`: a question, its answer, and until when a
// yes holds. It follows the policy's own yes, and is never asked in place of a no.
//
// A yes lets a live tunnel go on for its `ttl`, at most for `ttl_max`. The question is repeated when half of that is over, a
// little later or earlier for each, so that tunnels which began together do not ask together. Where nobody gives a usable
// answer it is asked again each second, and with the end of the last yes the tunnel ends. No answer is remembered for others.
//
// A yes covers what it was asked for and nothing else: this client, rule and target (authorization_scope), and the addresses in
// the question.
#pragma once

#include "auth/authorization.h"
#include "proxy/session/verdict.h"

struct admission;
struct audit_consent;
struct exchange;

enum {
    CONSENT_RETRY_MS = 1000, // after a question that nobody has answered
    CONSENT_RELOAD_ASK_MS =
        5 * 1000, // within it tunnels ask whose yes a reload does not leave standing,
    CONSENT_RELOAD_ENDS_MS = 10 * 1000, // and without another one they end after this
};

// consent is private to consent.c.
struct consent;

// consent_is_needed tells whether a rule that admits one of the addresses which would be dialled has `ask: true`.
bool consent_is_needed(const struct exchange *exchange);

// consent_ask asks about an exchange whose search has admitted addresses; the owner of the client's stream is woken when the
// answer is there. GO: asked, though it may already be known that it failed; otherwise why it is not asked: the client has
// more questions under way than its share.
struct verdict consent_ask(struct exchange *exchange);

// consent_decide gives WAIT while there is no answer, then GO or a refusal.
struct verdict consent_decide(struct exchange *exchange);

// consent_read fills in what the audit says of the answer. False: nobody was asked, or there is no answer.
bool consent_read(const struct exchange *exchange, struct audit_consent *out);

// consent_settle lets go of what only the way to a tunnel needs, once the decision is recorded.
void consent_settle(struct exchange *exchange);

// consent_ends_ms gives when the wait for the answer is late: monotonic.
int64_t consent_ends_ms(const struct exchange *exchange);

// consent_due_ms gives when consent_keep has something to do for a live tunnel: monotonic; INT64_MAX: never.
int64_t consent_due_ms(const struct exchange *exchange);

// consent_keep goes on for a live tunnel: takes an answer, asks again. It gives for what the tunnel has to end, or REASON_NONE.
enum reason consent_keep(struct exchange *exchange);

// consent_covers tells whether the exchange has the yes that `address`, which is admitted, needs today; true: it needs none.
bool consent_covers(const struct exchange *exchange, const struct admission *admission,
                    const struct ip_addr *address);

// consent_renew follows a change of the snapshot, of a live tunnel or before the 200: `address` is what was dialled and is
// still admitted. Where its rule asks now, and what was asked does not cover that, or somebody else is to be asked, another yes
// is needed within CONSENT_RELOAD_ENDS_MS. Where it does not ask, none is. ERR_MEMORY.
enum err consent_renew(struct exchange *exchange, const struct admission *admission,
                       const struct ip_addr *address) MUST_USE;

// consent_end drops the question and everything else. Idempotent. Before the exchange gives back its quota.
void consent_end(struct exchange *exchange);
