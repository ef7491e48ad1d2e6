// What the files of an exchange share and nobody else sees: its parts, and what each file does for the
// others. exchange.c owns the states and their order, admission.c every question to the policy,
// refusal.c the way out with an answer, exchange_records.c the audit's two records.
#pragma once

#include "proxy/http/head.h"
#include "proxy/session/exchange.h"
#include "proxy/session/search.h"
#include "proxy/session/tunnel.h"

enum { EXCHANGE_MAGIC = 0xE8C4A46E };

struct exchange {
    uint32_t magic;
    enum exchange_state state;
    enum exchange_outcome outcome;
    struct peer *peer; // borrowed
    char id[17];
    bool has_target;
    bool is_unrecorded; // there was no room for its decision: both records are counted as lost
    bool may_keep;      // the client wants, and may, send another request after a refusal
    uint16_t status;
    enum reason reason;  // of the end; the first one stays
    uint64_t generation; // of the snapshot that the decision was made under
    uint32_t attempts;
    size_t head_len;   // bytes of the inbox that are this request's head
    int64_t begun_ms;  // monotonic, all three
    int64_t since_ms;  // of the state
    int64_t search_ms; // when the dialling began
    int64_t resolve_ms;
    int64_t connect_ms;
    struct ip_addr upstream; // dialled last; IP_NONE: nothing was
    struct decision decision;
    struct search *search;                // owned; NULL when not needed
    struct buffer *answer;                // borrowed from the pool; a refusal on its way
    struct audit_record *decision_record; // owned until submitted
    struct audit_record *close_record;    // owned until submitted
    struct target *target;                // owned
    struct slice method;                  // static, or borrowed from the inbox while it is read
    struct tunnel tunnel;
};

// exchange_enter is the only place that writes the state of an exchange.
void exchange_enter(struct exchange *exchange, enum exchange_state state);

// exchange_finish is the one way to DONE: what is missing in the audit is recorded, the upstream side is
// closed. Idempotent; the first reason stays.
void exchange_finish(struct exchange *exchange, enum exchange_outcome outcome, enum reason reason);

// exchange_end_search keeps what the audit wants to know and frees the search.
void exchange_end_search(struct exchange *exchange);

// exchange_submit_decision and exchange_submit_close hand their record to the audit, once.
void exchange_submit_decision(struct exchange *exchange);
void exchange_submit_close(struct exchange *exchange);

// exchange_refuse_decided refuses because of what has been decided; its `close` is `refused`. `detail` is
// static memory or NULL, here and below.
void exchange_refuse_decided(struct exchange *exchange, uint16_t status, const char *detail);

// exchange_refuse_error refuses what never came to a decision of policy.
void exchange_refuse_error(struct exchange *exchange, uint16_t status, enum reason reason,
                           const char *detail);

// exchange_refuse_late refuses after the decision was recorded as an allow, so that only the `close` can say
// what happened: `reason` is its reason.
void exchange_refuse_late(struct exchange *exchange, uint16_t status, enum reason reason,
                          const char *detail);

// exchange_step_refuse sends the answer, and is done when it is out.
enum exchange_step exchange_step_refuse(struct exchange *exchange);

// exchange_is_admitted asks everything that may refuse a well-formed request before DNS, in order. False:
// it has been refused.
bool exchange_is_admitted(struct exchange *exchange);

// exchange_is_still_admitted asks it again, where the snapshot is no longer the one it was asked under.
bool exchange_is_still_admitted(struct exchange *exchange);

// exchange_admits_addresses takes the second decision, which addresses may be dialled, and records it before
// the first packet. False: it has been refused.
bool exchange_admits_addresses(struct exchange *exchange);

// exchange_is_still_right judges everything again before the 200, where the snapshot has changed meanwhile.
// False: it has been refused.
bool exchange_is_still_right(struct exchange *exchange);
