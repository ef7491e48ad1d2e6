// The life of one request. Steps are small and named after the state in which they run; the only
// function that writes the state is enter.
#include "proxy/session/exchange.h"

#include <stdlib.h>

#include "proxy/http/answer.h"
#include "proxy/http/head.h"
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

static bool is_legal(enum exchange_state from, enum exchange_state to)
{
    static const uint8_t legal[EXCHANGE_STATE_COUNT] = {
        [EXCHANGE_READ_REQUEST] =
            1 << EXCHANGE_RESOLVE | 1 << EXCHANGE_DIAL | 1 << EXCHANGE_REFUSE | 1 << EXCHANGE_DONE,
        [EXCHANGE_RESOLVE] = 1 << EXCHANGE_DIAL | 1 << EXCHANGE_REFUSE | 1 << EXCHANGE_DONE,
        [EXCHANGE_DIAL] = 1 << EXCHANGE_TUNNEL | 1 << EXCHANGE_REFUSE | 1 << EXCHANGE_DONE,
        [EXCHANGE_TUNNEL] = 1 << EXCHANGE_DONE,
        [EXCHANGE_REFUSE] = 1 << EXCHANGE_DONE,
    };
    return (legal[from] & 1 << to) != 0;
}

// enter is the only place that writes the state of an exchange.
static void enter(struct exchange *exchange, enum exchange_state state)
{
    ASSERT(is_legal(exchange->state, state));
    struct session_context *context = exchange->peer->context;
    context->exchange_counts[exchange->state]--;
    context->exchange_counts[state]++;
    exchange->state = state;
    exchange->since_ms = context->now_ms;
}

// end_search keeps what the audit wants to know and frees the search.
static void end_search(struct exchange *exchange)
{
    if (exchange->search == NULL)
        return;
    exchange->attempts = search_attempts(exchange->search);
    exchange->upstream = search_last_dialled(exchange->search);
    search_destroy(exchange->search);
    exchange->search = NULL;
}

static void submit_decision(struct exchange *exchange)
{
    struct peer *peer = exchange->peer;
    struct audit_record *record = exchange->decision_record;
    if (record == NULL)
        return;
    exchange->decision_record = NULL;
    const struct audit_decision decision = {
        .now_ms = wall_clock_ms(),
        .id = exchange->id,
        .listener = peer->listener->name,
        .client_json = slice_of(peer->json, peer->json_len),
        .tls_version = peer->tls_version,
        .tls_cipher = peer->tls_cipher,
        .is_resumed = peer->is_resumed,
        .method = exchange->method,
        .target = exchange->has_target ? exchange->target : NULL,
        .decision = &exchange->decision,
        .config = peer->snapshot->id,
    };
    audit_decision_format(&decision, record);
    exchange->is_unrecorded = !audit_log_submit_decision(peer->context->audit, record);
    exchange->method = (struct slice){0};
}

static void submit_close(struct exchange *exchange)
{
    struct audit_record *record = exchange->close_record;
    if (record == NULL)
        return;
    exchange->close_record = NULL;
    if (exchange->is_unrecorded) { // a close never stands alone
        audit_record_destroy(record);
        audit_log_note_lost(exchange->peer->context->audit, 1);
        return;
    }
    const struct audit_close close = {
        .now_ms = wall_clock_ms(),
        .id = exchange->id,
        .upstream = exchange->upstream.family == IP_NONE ? NULL : &exchange->upstream,
        .upstream_port = exchange->has_target ? exchange->target->port : 0,
        .attempts = exchange->attempts,
        .status = exchange->status,
        .bytes_up = exchange->tunnel.up.passed,
        .bytes_down = exchange->tunnel.down.passed,
        .resolve_ms = exchange->resolve_ms,
        .connect_ms = exchange->connect_ms,
        .total_ms = exchange->peer->context->now_ms - exchange->begun_ms,
        .reason = exchange->reason,
    };
    audit_close_format(&close, record);
    audit_log_submit(exchange->peer->context->audit, record);
}

// finish is the one way to DONE.
static void finish(struct exchange *exchange, enum exchange_outcome outcome, enum reason reason)
{
    if (exchange->state == EXCHANGE_DONE)
        return;
    if (exchange->reason == REASON_NONE)
        exchange->reason = reason;
    if (exchange->decision_record != NULL && exchange->decision.reason == REASON_NONE)
        exchange->decision = (struct decision){.action = ACTION_ERROR, .reason = exchange->reason};
    exchange->outcome = outcome;
    end_search(exchange);
    submit_decision(exchange);
    submit_close(exchange);
    tunnel_close(&exchange->tunnel, outcome == EXCHANGE_RESET);
    buffer_pool_give(&exchange->peer->context->buffers, &exchange->answer);
    enter(exchange, EXCHANGE_DONE);
}

void exchange_end(struct exchange *exchange, enum reason reason)
{
    finish(exchange, EXCHANGE_RESET, reason);
}

// client_left ends an exchange whose client has gone before there was a tunnel.
static void client_left(struct exchange *exchange, enum err error)
{
    const bool is_reset = error != ERR_EOF;
    const bool is_truncated = !is_reset && stream_is_truncated(exchange->peer->stream);
    finish(exchange, is_reset ? EXCHANGE_RESET : EXCHANGE_CLOSE,
           is_reset       ? REASON_CLIENT_RESET
           : is_truncated ? REASON_CLIENT_TRUNCATED
                          : REASON_CLIENT_CLOSED);
}

// refuse records the decision, and puts the answer on its way. `detail` is static memory or NULL.
static void refuse(struct exchange *exchange, uint16_t status, enum reason reason,
                   const char *detail)
{
    struct peer *peer = exchange->peer;
    end_search(exchange);
    submit_decision(exchange);
    // What has arrived behind the head was meant for the tunnel: it must never be read as a request.
    if (peer_fill_inbox(peer) == ERR_OK || peer->inbox_len > exchange->head_len || peer->has_end ||
        peer->context->is_draining)
        exchange->may_keep = false;
    exchange->status = status;
    char data[ANSWER_CAP];
    struct text text;
    text_init(&text, data, sizeof data);
    const struct answer answer = {
        .status = status,
        .reason = reason,
        .rule = exchange->decision.action == ACTION_DENY ? exchange->decision.rule : NULL,
        .client = status == 403 && peer->client != NULL ? peer->client->name : NULL,
        .detail = detail,
        .id = exchange->id,
        .is_persistent = exchange->may_keep,
    };
    answer_format(&answer, &text);
    exchange->answer = buffer_pool_take(&peer->context->buffers);
    if (exchange->answer == NULL) {
        finish(exchange, EXCHANGE_RESET, REASON_NO_MEMORY);
        return;
    }
    (void)buffer_append(exchange->answer, text_slice(&text));
    enter(exchange, EXCHANGE_REFUSE);
}

// refuse_decided refuses because of what has been decided; its close is `refused`.
static void refuse_decided(struct exchange *exchange, uint16_t status, const char *detail)
{
    exchange->reason = REASON_REFUSED;
    refuse(exchange, status, exchange->decision.reason, detail);
}

// refuse_error refuses what never came to a decision of policy.
static void refuse_error(struct exchange *exchange, uint16_t status, enum reason reason,
                         const char *detail)
{
    const enum policy_mode mode = exchange->decision.mode;
    exchange->decision = (struct decision){.action = ACTION_ERROR, .reason = reason, .mode = mode};
    refuse_decided(exchange, status, detail);
}

// refuse_dialled refuses after an allow: the target could not be reached.
static void refuse_dialled(struct exchange *exchange, uint16_t status, const char *detail)
{
    exchange->reason = status == 504 ? REASON_TIMEOUT : REASON_CONNECT_FAILED;
    refuse(exchange, status, exchange->reason, detail);
}

// judge_addresses is the second decision: which addresses may be dialled. It is queued for the audit
// before the first packet.
static void judge_addresses(struct exchange *exchange)
{
    struct peer *peer = exchange->peer;
    search_judge(exchange->search, peer->snapshot->policy, peer->client, &peer->address,
                 &exchange->decision);
    if (exchange->decision.action != ACTION_ALLOW) {
        refuse_decided(exchange, 403, NULL);
        return;
    }
    submit_decision(exchange);
    if (search_dial(exchange->search, peer->snapshot->timeouts.attempt_ms) != ERR_OK) {
        finish(exchange, EXCHANGE_RESET, REASON_NO_MEMORY);
        return;
    }
    exchange->search_ms = peer->context->now_ms;
    enter(exchange, EXCHANGE_DIAL);
}

// begin_search goes for the target's addresses: one that is written, or those that DNS knows.
static void begin_search(struct exchange *exchange)
{
    struct peer *peer = exchange->peer;
    struct session_context *context = peer->context;
    enum resolve_result result;
    exchange->search = search_create(context->loop, exchange->target, peer->wake, peer->owner);
    if (exchange->search == NULL || search_resolve(exchange->search, context->resolver) != ERR_OK)
        finish(exchange, EXCHANGE_RESET, REASON_NO_MEMORY);
    else if (search_is_resolved(exchange->search, &result))
        judge_addresses(exchange);
    else
        enter(exchange, EXCHANGE_RESOLVE);
}

// is_same_host: a Host field, where there is one, names the target; a left-out port counts as equal
// (RFC 9112 3.2).
static bool is_same_host(const struct request_head *head, const struct target *target)
{
    struct target host;
    if (!head->has_host)
        return true;
    if (target_host_parse(head->host, &host) == ERR_OK)
        return target_equal_host(&host, target);
    return target_parse(head->host, &host) == ERR_OK && target_equal_host(&host, target) &&
           host.port == target->port;
}

// has_right judges the client again, as it is today. Where its right is gone the request is refused.
static bool has_right(struct exchange *exchange)
{
    struct peer *peer = exchange->peer;
    enum reason reason = peer->judge_again(peer->owner);
    if (reason == REASON_NONE && wall_clock_ms() / 1000 > peer->not_after_s)
        reason = REASON_EXPIRED;
    exchange->generation = peer->snapshot->generation;
    if (reason == REASON_NONE)
        return true;
    exchange->may_keep = false;
    exchange->decision = (struct decision){.action = ACTION_DENY, .reason = reason};
    refuse_decided(exchange, 403, "no longer let in");
    return false;
}

// is_admitted_target takes the first decision: all that policy can say before DNS.
static bool is_admitted_target(struct exchange *exchange)
{
    const struct peer *peer = exchange->peer;
    policy_decide_target(peer->snapshot->policy, peer->client, &peer->address, exchange->target,
                         &exchange->decision);
    if (exchange->decision.action == ACTION_ALLOW)
        return true;
    refuse_decided(exchange, 403, NULL);
    return false;
}

// is_still_admitted takes it again, where the snapshot is no longer the one it was taken under.
static bool is_still_admitted(struct exchange *exchange)
{
    if (exchange->generation == exchange->peer->context->snapshot->generation)
        return true;
    return has_right(exchange) && is_admitted_target(exchange);
}

// decide_request looks at everything that may refuse a well-formed request, in order.
static void decide_request(struct exchange *exchange)
{
    struct peer *peer = exchange->peer;
    struct session_context *context = peer->context;
    if (context->is_draining) {
        refuse_error(exchange, 503, REASON_DRAINING, NULL);
        return;
    }
    if (peer->snapshot->audit_on_full == AUDIT_REFUSE && audit_log_is_full(context->audit)) {
        refuse_error(exchange, 503, REASON_AUDIT_FULL, NULL);
        return;
    }
    if (has_right(exchange) && is_admitted_target(exchange))
        begin_search(exchange);
}

// take_request looks at a complete head.
static void take_request(struct exchange *exchange, const struct request_head *head)
{
    exchange->head_len = head->len;
    if (head->method != METHOD_CONNECT) {
        exchange->method = head->method_text;
        refuse_error(exchange, 405, REASON_BAD_REQUEST, NULL);
        return;
    }
    exchange->method = SLICE_LITERAL("CONNECT");
    exchange->has_target = target_parse(head->target, exchange->target) == ERR_OK;
    if (!exchange->has_target) {
        refuse_error(exchange, 400, REASON_BAD_TARGET, "expected host:port");
        return;
    }
    if (!is_same_host(head, exchange->target)) {
        refuse_error(exchange, 400, REASON_BAD_REQUEST, "Host is not the target");
        return;
    }
    exchange->may_keep = head->is_persistent;
    decide_request(exchange);
}

static enum exchange_step step_read_request(struct exchange *exchange)
{
    struct peer *peer = exchange->peer;
    const enum err error = peer_fill_inbox(peer);
    struct request_head head;
    const char *why = "";
    const enum head_result result = request_head_parse(peer_unread(peer), &head, &why);
    switch (result) {
    case HEAD_OK:
        take_request(exchange, &head);
        return EXCHANGE_STEP_AGAIN;
    case HEAD_BAD:
        refuse_error(exchange, 400, REASON_BAD_REQUEST, why);
        return EXCHANGE_STEP_AGAIN;
    case HEAD_TOO_LARGE:
        refuse_error(exchange, 431, REASON_BAD_REQUEST, NULL);
        return EXCHANGE_STEP_AGAIN;
    case HEAD_MORE:
        break;
    }
    if (error == ERR_OK)
        return EXCHANGE_STEP_AGAIN;
    if (error == ERR_AGAIN)
        return EXCHANGE_STEP_WAIT;
    client_left(exchange, error);
    return EXCHANGE_STEP_AGAIN;
}

// watch_client reads on while we wait for others: early bytes for the tunnel, or the client's leaving.
// An orderly end is no leaving: it may have sent all that it has to say.
static bool watch_client(struct exchange *exchange)
{
    struct peer *peer = exchange->peer;
    const enum err error = peer_fill_inbox(peer);
    if (error == ERR_OK || error == ERR_AGAIN || error == ERR_LIMIT)
        return true;
    if (error == ERR_EOF && !stream_is_truncated(peer->stream))
        return true;
    client_left(exchange, error);
    return false;
}

static enum exchange_step step_resolve(struct exchange *exchange)
{
    enum resolve_result result;
    if (!watch_client(exchange))
        return EXCHANGE_STEP_AGAIN;
    if (!search_is_resolved(exchange->search, &result))
        return EXCHANGE_STEP_WAIT;
    exchange->resolve_ms = exchange->peer->context->now_ms - exchange->since_ms;
    if (!is_still_admitted(exchange))
        return EXCHANGE_STEP_AGAIN;
    if (result == RESOLVE_OK)
        judge_addresses(exchange);
    else
        refuse_error(exchange, result == RESOLVE_TIMED_OUT ? 504 : 502, REASON_DNS_FAILED,
                     resolve_result_name(result));
    return EXCHANGE_STEP_AGAIN;
}

// judge_dialled judges the address that is connected, or was, under the peer's snapshot.
static bool judge_dialled(struct exchange *exchange, const struct ip_addr *address)
{
    const struct peer *peer = exchange->peer;
    struct decision decision;
    search_judge_one(peer->snapshot->policy, peer->client, &peer->address, exchange->target,
                     address, &decision);
    return decision.action == ACTION_ALLOW;
}

// is_still_right judges everything again before the 200, where the snapshot has changed meanwhile. Its
// `decision` is recorded, so that only the `close` can say what happened.
static bool is_still_right(struct exchange *exchange)
{
    const struct peer *peer = exchange->peer;
    enum reason reason = REASON_NONE;
    if (exchange->generation != peer->context->snapshot->generation) {
        const struct ip_addr address = search_last_dialled(exchange->search);
        if (!peer_is_current(peer))
            reason = peer->judge_again(peer->owner);
        exchange->generation = peer->context->snapshot->generation;
        if (reason == REASON_NONE && !judge_dialled(exchange, &address))
            reason = REASON_POLICY_CHANGED;
    }
    if (reason == REASON_NONE && wall_clock_ms() / 1000 > peer->not_after_s)
        reason = REASON_EXPIRED;
    if (reason == REASON_NONE)
        return true;
    exchange->may_keep = false;
    exchange->reason = reason;
    refuse(exchange, 403, reason, NULL);
    return false;
}

// open_tunnel sends the 200 and lets the bytes flow. Those behind the head go first.
static void open_tunnel(struct exchange *exchange)
{
    struct peer *peer = exchange->peer;
    struct session_context *context = peer->context;
    char data[ANSWER_CAP];
    struct text text;
    text_init(&text, data, sizeof data);
    const struct answer answer = {.status = 200, .id = exchange->id};
    answer_format(&answer, &text);
    const enum err error = tunnel_open(&exchange->tunnel, context->loop, &context->buffers,
                                       peer->stream, search_take_fd(exchange->search),
                                       slice_from(peer_unread(peer), exchange->head_len),
                                       text_slice(&text), context->now_ms);
    if (error != ERR_OK) {
        finish(exchange, EXCHANGE_RESET, REASON_NO_MEMORY);
        return;
    }
    tunnel_on_ready(&exchange->tunnel, peer->wake, peer->owner);
    end_search(exchange);
    peer_empty_inbox(peer);
    exchange->status = 200;
    context->counters.tunnels++;
    enter(exchange, EXCHANGE_TUNNEL);
}

static const char *dial_detail(enum dial_result result)
{
    switch (result) {
    case DIAL_CONNECTED:
        return "connected";
    case DIAL_REFUSED:
        return "connection refused";
    case DIAL_TIMED_OUT:
        return "no answer";
    case DIAL_NO_RESOURCES:
        return "out of descriptors";
    }
    return NULL;
}

static enum exchange_step step_dial(struct exchange *exchange)
{
    enum dial_result result;
    if (!watch_client(exchange))
        return EXCHANGE_STEP_AGAIN;
    if (!search_is_dialled(exchange->search, &result))
        return EXCHANGE_STEP_WAIT;
    exchange->connect_ms = exchange->peer->context->now_ms - exchange->search_ms;
    if (result == DIAL_CONNECTED && is_still_right(exchange))
        open_tunnel(exchange);
    else if (result != DIAL_CONNECTED)
        refuse_dialled(exchange, result == DIAL_TIMED_OUT ? 504 : 502, dial_detail(result));
    return EXCHANGE_STEP_AGAIN;
}

static enum exchange_step step_tunnel(struct exchange *exchange)
{
    switch (tunnel_step(&exchange->tunnel, exchange->peer->context->now_ms)) {
    case TUNNEL_WAITS:
        return EXCHANGE_STEP_WAIT;
    case TUNNEL_MORE:
        return EXCHANGE_STEP_MORE;
    case TUNNEL_FINISHED:
    case TUNNEL_LEFT:
        finish(exchange, EXCHANGE_CLOSE, exchange->tunnel.reason);
        return EXCHANGE_STEP_AGAIN;
    case TUNNEL_BROKEN:
        finish(exchange, EXCHANGE_RESET, exchange->tunnel.reason);
        return EXCHANGE_STEP_AGAIN;
    }
    return EXCHANGE_STEP_WAIT;
}

// send_answer writes what is left of the answer.
static enum err send_answer(struct exchange *exchange)
{
    struct stream *stream = exchange->peer->stream;
    while (buffer_len(exchange->answer) > 0) {
        size_t len = 0;
        TRY(stream_push(stream, buffer_unread(exchange->answer), &len));
        buffer_consume(exchange->answer, len);
    }
    return stream_flush(stream);
}

static enum exchange_step step_refuse(struct exchange *exchange)
{
    const enum err error = send_answer(exchange);
    if (error == ERR_AGAIN)
        return EXCHANGE_STEP_WAIT;
    if (error != ERR_OK) {
        finish(exchange, EXCHANGE_RESET, REASON_CLIENT_RESET);
        return EXCHANGE_STEP_AGAIN;
    }
    if (exchange->may_keep)
        peer_empty_inbox(exchange->peer); // nothing stands behind the head
    finish(exchange, exchange->may_keep ? EXCHANGE_KEEP : EXCHANGE_CLOSE, REASON_REFUSED);
    return EXCHANGE_STEP_AGAIN;
}

enum exchange_step exchange_step(struct exchange *exchange)
{
    switch (exchange->state) {
    case EXCHANGE_READ_REQUEST:
        return step_read_request(exchange);
    case EXCHANGE_RESOLVE:
        return step_resolve(exchange);
    case EXCHANGE_DIAL:
        return step_dial(exchange);
    case EXCHANGE_TUNNEL:
        return step_tunnel(exchange);
    case EXCHANGE_REFUSE:
        return step_refuse(exchange);
    case EXCHANGE_DONE:
    case EXCHANGE_STATE_COUNT:
        break;
    }
    return EXCHANGE_STEP_DONE;
}

void exchange_update_interest(struct exchange *exchange)
{
    struct peer *peer = exchange->peer;
    switch (exchange->state) {
    case EXCHANGE_READ_REQUEST:
    case EXCHANGE_RESOLVE:
    case EXCHANGE_DIAL:
        stream_want(peer->stream, peer_inbox_has_room(peer), false);
        return;
    case EXCHANGE_TUNNEL:
        tunnel_update_interest(&exchange->tunnel);
        return;
    case EXCHANGE_REFUSE:
        stream_want(peer->stream, false, true);
        return;
    case EXCHANGE_DONE:
    case EXCHANGE_STATE_COUNT:
        return;
    }
}

int64_t exchange_deadline_ms(const struct exchange *exchange)
{
    const struct timeouts *timeouts = &exchange->peer->snapshot->timeouts;
    switch (exchange->state) {
    case EXCHANGE_READ_REQUEST:
    case EXCHANGE_REFUSE:
        return exchange->since_ms + timeouts->request_ms;
    case EXCHANGE_RESOLVE:
        return exchange->since_ms + timeouts->resolve_ms;
    case EXCHANGE_DIAL:
        return exchange->since_ms + timeouts->connect_ms;
    case EXCHANGE_TUNNEL:
        return exchange->tunnel.active_ms + (tunnel_is_half_closed(&exchange->tunnel)
                                                 ? timeouts->half_closed_ms
                                                 : timeouts->idle_ms);
    case EXCHANGE_DONE:
    case EXCHANGE_STATE_COUNT:
        break;
    }
    return INT64_MAX;
}

void exchange_on_deadline(struct exchange *exchange)
{
    switch (exchange->state) {
    case EXCHANGE_READ_REQUEST:
        refuse_error(exchange, 408, REASON_TIMEOUT, "the head did not arrive in time");
        return;
    case EXCHANGE_RESOLVE:
        exchange->resolve_ms = exchange->peer->context->now_ms - exchange->since_ms;
        refuse_error(exchange, 504, REASON_DNS_FAILED, resolve_result_name(RESOLVE_TIMED_OUT));
        return;
    case EXCHANGE_DIAL:
        exchange->connect_ms = exchange->peer->context->now_ms - exchange->search_ms;
        refuse_dialled(exchange, 504, dial_detail(DIAL_TIMED_OUT));
        return;
    case EXCHANGE_TUNNEL:
        exchange_end(exchange, REASON_IDLE);
        return;
    case EXCHANGE_REFUSE:
        exchange_end(exchange, REASON_TIMEOUT);
        return;
    case EXCHANGE_DONE:
    case EXCHANGE_STATE_COUNT:
        return;
    }
}

bool exchange_is_tunnel(const struct exchange *exchange)
{
    return exchange->state == EXCHANGE_TUNNEL;
}

void exchange_judge_again(struct exchange *exchange)
{
    if (exchange->state != EXCHANGE_TUNNEL)
        return;
    exchange->generation = exchange->peer->snapshot->generation;
    if (!judge_dialled(exchange, &exchange->upstream))
        exchange_end(exchange, REASON_POLICY_CHANGED);
}

enum exchange_outcome exchange_outcome(const struct exchange *exchange)
{
    return exchange->outcome;
}

struct exchange *exchange_create(struct peer *peer)
{
    struct exchange *exchange = calloc(1, sizeof *exchange);
    if (exchange == NULL)
        return NULL;
    exchange->magic = EXCHANGE_MAGIC;
    exchange->peer = peer;
    exchange->target = calloc(1, sizeof *exchange->target);
    exchange->decision_record = audit_record_create(AUDIT_DECISION_EXTRA_CAP + peer->json_len);
    exchange->close_record = audit_record_create(AUDIT_CLOSE_CAP);
    if (exchange->target == NULL || exchange->decision_record == NULL ||
        exchange->close_record == NULL) {
        audit_record_destroy(exchange->decision_record);
        audit_record_destroy(exchange->close_record);
        free(exchange->target);
        free(exchange);
        return NULL;
    }
    struct session_context *context = peer->context;
    session_context_make_id(context, exchange->id);
    context->counters.exchanges++;
    context->exchange_counts[EXCHANGE_READ_REQUEST]++;
    exchange->begun_ms = context->now_ms;
    exchange->since_ms = context->now_ms;
    return exchange;
}

void exchange_destroy(struct exchange *exchange)
{
    if (exchange == NULL)
        return;
    ASSERT(exchange->state == EXCHANGE_DONE);
    exchange->peer->context->exchange_counts[EXCHANGE_DONE]--;
    free(exchange->target);
    exchange->magic = 0;
    free(exchange);
}
