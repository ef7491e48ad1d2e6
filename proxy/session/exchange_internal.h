// What the files of an exchange share and nobody else sees: its parts, and what each file does for the
// others. exchange.c owns the states and their order, request.c what a head means, admission.c every question
// to the policy, forwarding.c plain requests on their way, refusal.c the way out with an answer, whoami.c the
// proxy's own page, exchange_records.c the audit's two records.
#pragma once

#include "proxy/http/head.h"
#include "proxy/session/exchange.h"
#include "proxy/session/forward.h"
#include "proxy/session/quota.h"
#include "proxy/session/ruling.h"
#include "proxy/session/search.h"
#include "proxy/session/tunnel.h"
#include "proxy/session/upstream_pool.h"

enum { EXCHANGE_MAGIC = 0xE8C4A46E };

struct exchange {
    uint32_t magic;
    enum exchange_state state;
    enum exchange_outcome outcome;
    struct peer *peer; // borrowed
    char id[17];
    bool has_target;
    bool is_unrecorded; // there was no room for its decision: both records are counted as lost
    bool is_counted;    // it was refused above the rate: it has no records
    bool may_keep;      // the client wants, and may, send another request after a refusal
    uint16_t status;
    enum reason reason;  // of the end; the first one stays
    uint64_t generation; // of the snapshot that it was last judged under
    uint32_t attempts;
    size_t head_len; // bytes of the inbox that are this request's head
    size_t
        request_len; // bytes of the inbox that are this request's, and dropped when the next one comes
    bool is_plain;       // no CONNECT: a request to be passed on
    bool is_for_head;    // a HEAD: answers have no body
    bool is_pooled;      // on its way over a connection that had waited
    enum body_kind body; // of a plain request
    uint64_t body_len;   // bytes, where it is known
    uint64_t bytes_up;   // of a plain request's body
    uint64_t bytes_down; // of its response's
    const char *help;    // a sentence for the body of a refusal; static memory or NULL
    int64_t begun_ms;    // monotonic, all three
    int64_t since_ms;    // of the state
    int64_t search_ms;   // when the dialling began
    int64_t resolve_ms;
    int64_t connect_ms;
    int64_t answer_due_ms;   // monotonic; an answer above the rate is held back until then
    struct ip_addr upstream; // dialled last; IP_NONE: nothing was
    struct ruling ruling;
    struct search *search;                // owned; NULL when not needed
    struct buffer *answer;                // borrowed from the pool; a refusal on its way
    struct audit_record *decision_record; // owned until submitted
    struct audit_record *close_record;    // owned until submitted
    struct target *target;                // owned
    struct slice method;                  // empty until it is known; in method_data
    char method_data[HEAD_MAX_METHOD_LEN];
    struct forward *forward; // owned; NULL unless a plain request is on its way
    struct quota quota;
    uint32_t retry_after_s;   // of a refusal by a limit
    bool is_whole_proxy_full; // it was the whole proxy's and not the client's
    struct tunnel tunnel;
};

// exchange_enter is the only place that writes the state of an exchange.
void exchange_enter(struct exchange *exchange, enum exchange_state state);

// exchange_finish is the one way to DONE: what is missing in the audit is recorded, the upstream side is
// closed. Idempotent; the first reason stays.
void exchange_finish(struct exchange *exchange, enum exchange_outcome outcome, enum reason reason);

// exchange_rule keeps a decision that was made under the peer's snapshot: nothing else may keep one, for what a
// decision borrows goes with the snapshot.
void exchange_rule(struct exchange *exchange, const struct decision *decision);

// exchange_end_search keeps what the audit wants to know and frees the search.
void exchange_end_search(struct exchange *exchange);

// exchange_take_request looks at a complete head, and goes on from there.
void exchange_take_request(struct exchange *exchange, const struct request_head *head);

// exchange_note_method keeps the method for the audit.
void exchange_note_method(struct exchange *exchange, struct slice method);

// exchange_seek_upstream looks for a way to the target of an admitted request: a connection that waits, or
// exchange_begin_search, which goes for the target's addresses: one that is written, or those that DNS knows.
void exchange_seek_upstream(struct exchange *exchange);
void exchange_begin_search(struct exchange *exchange);

// exchange_begin_forward passes the plain request on over the connected socket `fd`, which it takes over.
void exchange_begin_forward(struct exchange *exchange, int fd);

// exchange_step_forward, exchange_on_forward_deadline and exchange_end_forward are those of the state FORWARD;
// `idle_ms` is when it has been idle for too long. The last keeps what the audit wants to know, and closes the connection to the target.
enum exchange_step exchange_step_forward(struct exchange *exchange);
void exchange_on_forward_deadline(struct exchange *exchange, int64_t idle_ms);
void exchange_end_forward(struct exchange *exchange, bool is_reset);

// whoami_is_for tells whether a target is the proxy's own name, or below it.
bool whoami_is_for(const struct target *target);

// exchange_answer_whoami answers what is asked of that name.
void exchange_answer_whoami(struct exchange *exchange, const struct request_head *head);

// exchange_answer records the decision, and sends a 200 with `json`.
void exchange_answer(struct exchange *exchange, struct slice json);

// exchange_submit_decision and exchange_submit_close hand their record to the audit, once. A request that is refused
// above the rate of its client is counted instead, and has no `close` either.
void exchange_submit_decision(struct exchange *exchange);
void exchange_submit_close(struct exchange *exchange);

// exchange_refuse_decided refuses because of what has been decided; its `close` is `refused`. `detail` is
// static memory or NULL, here and below.
void exchange_refuse_decided(struct exchange *exchange, uint16_t status, const char *detail);

// exchange_refuse_error refuses what never came to a decision of policy.
void exchange_refuse_error(struct exchange *exchange, uint16_t status, enum reason reason,
                           const char *detail);

// exchange_refuse_limited refuses what policy allows and a limit does not.
void exchange_refuse_limited(struct exchange *exchange, const struct limit_refusal *refusal);

// exchange_refuse_late refuses after the decision was recorded as an allow, so that only the `close` can say
// what happened: `reason` is its reason.
void exchange_refuse_late(struct exchange *exchange, uint16_t status, enum reason reason,
                          const char *detail);

// exchange_step_refuse sends the answer, and is done when it is out.
enum exchange_step exchange_step_refuse(struct exchange *exchange);

// exchange_is_held_back tells whether the answer is still to wait.
bool exchange_is_held_back(const struct exchange *exchange);

// exchange_is_looking_behind tells whether bytes that come before the answer is out would still end the connection.
bool exchange_is_looking_behind(const struct exchange *exchange);

// exchange_has_right judges the client again, as it is today. False: it has been refused.
bool exchange_has_right(struct exchange *exchange);

// exchange_is_admitted asks everything that may refuse a well-formed request before DNS, in order. False:
// it has been refused.
bool exchange_is_admitted(struct exchange *exchange);

// exchange_is_still_admitted asks it again, where the snapshot is no longer the one it was asked under.
bool exchange_is_still_admitted(struct exchange *exchange);

// exchange_admits_addresses takes the second decision, which addresses may be dialled, and records it before
// the first packet. False: it has been refused, or addresses are still to come that it depends on.
bool exchange_admits_addresses(struct exchange *exchange);

// exchange_is_still_right judges everything again before the 200, where the snapshot has changed meanwhile.
// False: it has been refused.
bool exchange_is_still_right(struct exchange *exchange);
