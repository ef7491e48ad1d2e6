// The life of one request. Steps are small and named after the state in which they run; the only
// function that writes the state is enter.
#include "proxy/session/exchange.h"

#include <stdlib.h>

#include "proxy/http/answer.h"
#include "proxy/session/exchange_internal.h"

enum { HEAVY_LEN = 32 * 1024 }; // bytes of a step, see exchange_is_heavy

static bool is_legal(enum exchange_state from, enum exchange_state to)
{
    static const uint8_t legal[EXCHANGE_STATE_COUNT] = {
        [EXCHANGE_READ_REQUEST] = 1 << EXCHANGE_RESOLVE | 1 << EXCHANGE_FORWARD |
                                  1 << EXCHANGE_REFUSE | 1 << EXCHANGE_DONE,
        [EXCHANGE_RESOLVE] = 1 << EXCHANGE_DIAL | 1 << EXCHANGE_REFUSE | 1 << EXCHANGE_DONE,
        [EXCHANGE_DIAL] = 1 << EXCHANGE_TUNNEL | 1 << EXCHANGE_FORWARD | 1 << EXCHANGE_REFUSE |
                          1 << EXCHANGE_DONE,
        [EXCHANGE_FORWARD] = 1 << EXCHANGE_RESOLVE | 1 << EXCHANGE_DIAL | 1 << EXCHANGE_TUNNEL |
                             1 << EXCHANGE_REFUSE | 1 << EXCHANGE_DONE,
        [EXCHANGE_TUNNEL] = 1 << EXCHANGE_DONE,
        [EXCHANGE_REFUSE] = 1 << EXCHANGE_DONE,
    };
    return (legal[from] & 1 << to) != 0;
}

void exchange_enter(struct exchange *exchange, enum exchange_state state)
{
    ASSERT(is_legal(exchange->state, state));
    struct session_context *context = exchange->peer->context;
    context->exchange_counts[exchange->state]--;
    context->exchange_counts[state]++;
    exchange->state = state;
    exchange->since_ms = context->now_ms;
}

void exchange_rule(struct exchange *exchange, const struct decision *decision)
{
    ruling_take(&exchange->ruling, decision, exchange->peer->snapshot);
}

void exchange_end_search(struct exchange *exchange)
{
    if (exchange->search == NULL)
        return;
    const uint32_t attempts = search_attempts(exchange->search);
    exchange->attempts += attempts;
    if (attempts > 0)
        exchange->upstream = search_last_dialled(exchange->search);
    search_destroy(exchange->search);
    exchange->search = NULL;
}

void exchange_finish(struct exchange *exchange, enum exchange_outcome outcome, enum reason reason)
{
    if (exchange->state == EXCHANGE_DONE)
        return;
    if (exchange->reason == REASON_NONE)
        exchange->reason = reason;
    if (exchange->decision_record != NULL && exchange->ruling.reason == REASON_NONE) {
        const struct decision none = {.action = ACTION_ERROR, .reason = exchange->reason};
        exchange_rule(exchange, &none);
    }
    exchange->outcome = outcome;
    exchange_submit_decision(exchange);
    exchange_end_search(exchange);
    exchange_end_forward(exchange, outcome == EXCHANGE_RESET);
    exchange_submit_close(exchange);
    tunnel_close(&exchange->tunnel, outcome == EXCHANGE_RESET);
    quota_give(&exchange->quota, exchange->peer->context);
    buffer_pool_give(&exchange->peer->context->buffers, &exchange->answer);
    exchange_enter(exchange, EXCHANGE_DONE);
}

void exchange_end(struct exchange *exchange, enum reason reason)
{
    exchange_finish(exchange, EXCHANGE_RESET, reason);
}

// client_left ends an exchange whose client has gone before there was a tunnel.
static void client_left(struct exchange *exchange, enum err error)
{
    const bool is_reset = error != ERR_EOF;
    const bool is_truncated = !is_reset && stream_is_truncated(exchange->peer->stream);
    exchange_finish(exchange, is_reset ? EXCHANGE_RESET : EXCHANGE_CLOSE,
                    is_reset       ? REASON_CLIENT_RESET
                    : is_truncated ? REASON_CLIENT_TRUNCATED
                                   : REASON_CLIENT_CLOSED);
}

// on_take_dial and on_give_dial are for attempts that are begun while another one is under way.
static bool on_take_dial(void *arg)
{
    struct exchange *exchange = arg;
    ASSERT(exchange->magic == EXCHANGE_MAGIC);
    return quota_take_dial(&exchange->quota, exchange->peer->context);
}

static void on_give_dial(void *arg)
{
    struct exchange *exchange = arg;
    quota_give_dial(&exchange->quota, exchange->peer->context);
}

// dial_admitted connects to the addresses that may be dialled, where there is one.
static void dial_admitted(struct exchange *exchange)
{
    const struct peer *peer = exchange->peer;
    if (!exchange_admits_addresses(exchange))
        return;
    const uint32_t turn = session_context_take_turn(peer->context, peer->client);
    const struct dial_places places = {on_take_dial, on_give_dial, exchange};
    if (search_dial(exchange->search, peer->client, turn, peer->snapshot->timeouts.attempt_ms,
                    &places) != ERR_OK) {
        exchange_finish(exchange, EXCHANGE_RESET, REASON_NO_MEMORY);
        return;
    }
    exchange->search_ms = peer->context->now_ms;
    exchange_enter(exchange, EXCHANGE_DIAL);
}

void exchange_begin_search(struct exchange *exchange)
{
    struct peer *peer = exchange->peer;
    struct session_context *context = peer->context;
    exchange->search = search_create(context->loop, exchange->target, peer->wake, peer->owner);
    if (exchange->search == NULL ||
        search_resolve(exchange->search, context->resolver, account_id(peer->account)) != ERR_OK)
        exchange_finish(exchange, EXCHANGE_RESET, REASON_NO_MEMORY);
    else
        exchange_enter(exchange, EXCHANGE_RESOLVE);
}

static enum exchange_step step_read_request(struct exchange *exchange)
{
    struct peer *peer = exchange->peer;
    const enum err error = peer_fill_inbox(peer);
    struct request_head head;
    const char *why = "";
    const enum head_result result =
        request_head_parse(peer_unread(peer), peer_head_max_len(peer), &head, &why);
    switch (result) {
    case HEAD_OK:
        exchange_take_request(exchange, &head);
        return EXCHANGE_STEP_AGAIN;
    case HEAD_BAD:
        exchange_refuse_error(exchange, 400, REASON_BAD_REQUEST, why);
        return EXCHANGE_STEP_AGAIN;
    case HEAD_TOO_LARGE:
        exchange_refuse_error(exchange, 431, REASON_BAD_REQUEST, NULL);
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
// An end is no leaving: it may have sent all that it has to say. Also one without close_notify, which the tunnel passes
// on.
static bool watch_client(struct exchange *exchange)
{
    struct peer *peer = exchange->peer;
    const enum err error = peer_fill_inbox(peer);
    if (error == ERR_OK || error == ERR_AGAIN || error == ERR_LIMIT)
        return true;
    if (error == ERR_EOF)
        return true;
    client_left(exchange, error);
    return false;
}

static enum exchange_step step_resolve(struct exchange *exchange)
{
    static const struct limit_refusal crowded = {.reason = REASON_LIMIT_QUESTIONS,
                                                 .retry_after_s = 1};
    enum resolve_result result;
    if (!watch_client(exchange))
        return EXCHANGE_STEP_AGAIN;
    if (!search_is_resolved(exchange->search, &result))
        return EXCHANGE_STEP_WAIT;
    exchange->resolve_ms = exchange->peer->context->now_ms - exchange->since_ms;
    if (!exchange_is_still_admitted(exchange))
        return EXCHANGE_STEP_AGAIN;
    if (result == RESOLVE_OK)
        dial_admitted(exchange);
    else if (result == RESOLVE_CROWDED)
        exchange_refuse_limited(exchange, &crowded);
    else
        exchange_refuse_error(exchange, result == RESOLVE_TIMED_OUT ? 504 : 502, REASON_DNS_FAILED,
                              resolve_result_name(result));
    return EXCHANGE_STEP_AGAIN;
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
        exchange_finish(exchange, EXCHANGE_RESET, REASON_NO_MEMORY);
        return;
    }
    tunnel_on_ready(&exchange->tunnel, peer->wake, peer->owner);
    duplex_set_pace(&exchange->tunnel.duplex, account_up(exchange->quota.account),
                    account_down(exchange->quota.account), &context->now_ms);
    exchange_end_search(exchange);
    peer_empty_inbox(peer);
    exchange->status = 200;
    context->counters.tunnels++;
    exchange_enter(exchange, EXCHANGE_TUNNEL);
}

// use_connection does over the new connection what was asked for.
static void use_connection(struct exchange *exchange)
{
    exchange->upstream = search_last_dialled(exchange->search);
    if (exchange->is_plain)
        exchange_begin_forward(exchange, search_take_fd(exchange->search));
    else
        open_tunnel(exchange);
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
    case DIAL_NO_SOURCE:
        return "no egress address";
    }
    return NULL;
}

// refuse_dialled refuses after an allow: the target could not be reached.
static void refuse_dialled(struct exchange *exchange, uint16_t status, const char *detail)
{
    const enum reason reason = status == 504 ? REASON_TIMEOUT : REASON_CONNECT_FAILED;
    exchange_refuse_late(exchange, status, reason, detail);
}

static enum exchange_step step_dial(struct exchange *exchange)
{
    enum dial_result result;
    if (!watch_client(exchange))
        return EXCHANGE_STEP_AGAIN;
    const struct peer *peer = exchange->peer;
    search_judge_late(exchange->search, peer->snapshot->policy, peer->client, &peer->address);
    if (!search_is_dialled(exchange->search, &result))
        return EXCHANGE_STEP_WAIT;
    exchange->connect_ms = exchange->peer->context->now_ms - exchange->search_ms;
    if (result == DIAL_CONNECTED && exchange_is_still_right(exchange))
        use_connection(exchange);
    else if (result != DIAL_CONNECTED)
        refuse_dialled(exchange, result == DIAL_TIMED_OUT ? 504 : 502, dial_detail(result));
    return EXCHANGE_STEP_AGAIN;
}

static enum exchange_step step_tunnel(struct exchange *exchange)
{
    switch (tunnel_step(&exchange->tunnel, exchange->peer->context->now_ms)) {
    case DUPLEX_WAITS:
        return EXCHANGE_STEP_WAIT;
    case DUPLEX_MORE:
        return EXCHANGE_STEP_MORE;
    case DUPLEX_FINISHED:
    case DUPLEX_LEFT:
        exchange_finish(exchange, EXCHANGE_CLOSE, exchange->tunnel.reason);
        return EXCHANGE_STEP_AGAIN;
    case DUPLEX_CLIENT_BROKEN:
    case DUPLEX_SERVER_BROKEN:
        exchange_finish(exchange, EXCHANGE_RESET, exchange->tunnel.reason);
        return EXCHANGE_STEP_AGAIN;
    }
    return EXCHANGE_STEP_WAIT;
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
    case EXCHANGE_FORWARD:
        return exchange_step_forward(exchange);
    case EXCHANGE_REFUSE:
        return exchange_step_refuse(exchange);
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
        duplex_update_interest(&exchange->tunnel.duplex);
        return;
    case EXCHANGE_FORWARD:
        forward_update_interest(exchange->forward);
        return;
    case EXCHANGE_REFUSE:
        stream_want(peer->stream, exchange_is_looking_behind(exchange),
                    !exchange_is_held_back(exchange));
        return;
    case EXCHANGE_DONE:
    case EXCHANGE_STATE_COUNT:
        return;
    }
}

static int64_t sooner(int64_t a_ms, int64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

static int64_t later(int64_t a_ms, int64_t b_ms)
{
    return a_ms < b_ms ? b_ms : a_ms;
}

// age_ends_ms gives when it has lived as long as its client's tunnels may.
static int64_t age_ends_ms(const struct exchange *exchange)
{
    return exchange->quota.age_ms == 0 ? INT64_MAX : exchange->since_ms + exchange->quota.age_ms;
}

static bool is_too_old(const struct exchange *exchange)
{
    return age_ends_ms(exchange) <= exchange->peer->context->now_ms;
}

// idle_ends_ms gives when it has been idle for too long, where it was active last at `active_ms`. One that waits
// for its share of the bandwidth is not idle.
static int64_t idle_ends_ms(const struct exchange *exchange, int64_t active_ms)
{
    const struct timeouts *timeouts = &exchange->peer->snapshot->timeouts;
    if (exchange->state == EXCHANGE_TUNNEL && duplex_is_half_closed(&exchange->tunnel.duplex))
        return active_ms + timeouts->half_closed_ms;
    return active_ms + (exchange->quota.idle_ms == 0 ? timeouts->idle_ms : exchange->quota.idle_ms);
}

int64_t exchange_turn_ms(const struct exchange *exchange)
{
    if (exchange->state == EXCHANGE_TUNNEL)
        return duplex_turn_ms(&exchange->tunnel.duplex);
    if (exchange->state == EXCHANGE_REFUSE && exchange_is_held_back(exchange))
        return exchange->answer_due_ms;
    return exchange->state == EXCHANGE_FORWARD ? forward_turn_ms(exchange->forward) : INT64_MAX;
}

int64_t exchange_deadline_ms(const struct exchange *exchange)
{
    const struct timeouts *timeouts = &exchange->peer->snapshot->timeouts;
    switch (exchange->state) {
    case EXCHANGE_READ_REQUEST:
        return exchange->since_ms + timeouts->request_ms;
    case EXCHANGE_REFUSE:
        return later(exchange->since_ms, exchange->answer_due_ms) + timeouts->request_ms;
    case EXCHANGE_RESOLVE:
        return exchange->since_ms + timeouts->resolve_ms;
    case EXCHANGE_DIAL:
        return exchange->since_ms + timeouts->connect_ms;
    case EXCHANGE_TUNNEL:
        return sooner(idle_ends_ms(exchange, duplex_active_ms(&exchange->tunnel.duplex)),
                      age_ends_ms(exchange));
    case EXCHANGE_FORWARD:
        return sooner(sooner(idle_ends_ms(exchange, forward_active_ms(exchange->forward)),
                             forward_body_ends_ms(exchange->forward, timeouts->body_ms)),
                      age_ends_ms(exchange));
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
        exchange_refuse_error(exchange, 408, REASON_TIMEOUT, "the head did not arrive in time");
        return;
    case EXCHANGE_RESOLVE:
        exchange->resolve_ms = exchange->peer->context->now_ms - exchange->since_ms;
        exchange_refuse_error(exchange, 504, REASON_DNS_FAILED,
                              resolve_result_name(RESOLVE_TIMED_OUT));
        return;
    case EXCHANGE_DIAL:
        exchange->connect_ms = exchange->peer->context->now_ms - exchange->search_ms;
        refuse_dialled(exchange, 504, dial_detail(DIAL_TIMED_OUT));
        return;
    case EXCHANGE_TUNNEL:
        exchange_end(exchange, is_too_old(exchange) ? REASON_AGE : REASON_IDLE);
        return;
    case EXCHANGE_FORWARD:
        if (is_too_old(exchange))
            exchange_end(exchange, REASON_AGE);
        else
            exchange_on_forward_deadline(
                exchange, idle_ends_ms(exchange, forward_active_ms(exchange->forward)));
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
    return exchange->state == EXCHANGE_TUNNEL || exchange->state == EXCHANGE_FORWARD;
}

bool exchange_is_heavy(const struct exchange *exchange)
{
    return exchange->state == EXCHANGE_TUNNEL && exchange->tunnel.duplex.step_len >= HEAVY_LEN;
}

void exchange_look(const struct exchange *exchange, struct exchange_view *out)
{
    const struct forward *forward = exchange->forward;
    *out = (struct exchange_view){
        .id = exchange->id,
        .target = exchange->has_target ? exchange->target : NULL,
        .upstream = &exchange->upstream,
        .bytes_up = forward == NULL ? exchange->tunnel.duplex.up.passed : forward->up.passed,
        .bytes_down = forward == NULL ? exchange->tunnel.duplex.down.passed : forward->down.passed,
        .begun_ms = exchange->begun_ms,
    };
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
