// An exchange that passes a plain request on: over a connection that waits in the session's pool, or a new one; and
// what becomes of it when that comes to nothing.
#include "proxy/session/exchange_internal.h"

// is_repeatable: a request that may be sent twice (RFC 9110 9.2.2), and of which nothing is gone once it was sent. Only
// such a request uses a connection that has waited, for that may have ended meanwhile.
static bool is_repeatable(const struct exchange *exchange)
{
    static const char *const methods[] = {"GET", "HEAD", "OPTIONS", "TRACE", "DELETE", "PUT"};
    if (!exchange->is_plain || exchange->body != BODY_NONE)
        return false;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (slice_equal(exchange->method, slice_of_string(methods[i])))
            return true;
    }
    return false;
}

// read_again reads the head, which still stands in the inbox, once more: the inbox may have moved.
static void read_again(struct exchange *exchange, struct request_head *out_head,
                       struct absolute_url *out_url)
{
    const char *why = NULL;
    // It was taken under what may have been wider bounds.
    const enum head_result result =
        request_head_parse(peer_unread(exchange->peer), HEAD_MAX_LEN, out_head, &why);
    ASSERT(result == HEAD_OK && out_head->len == exchange->head_len);
    absolute_url_parse(out_head->target, out_url, &why);
    ASSERT(out_url->kind == URL_HTTP);
}

void exchange_begin_forward(struct exchange *exchange, int fd)
{
    struct peer *peer = exchange->peer;
    struct request_head head;
    struct absolute_url url;
    enum err error = ERR_OK;
    size_t taken = 0;
    read_again(exchange, &head, &url);
    const struct slice behind = slice_from(peer_unread(peer), exchange->head_len);
    exchange->forward =
        forward_create(peer, fd, &head, &url, behind, peer->context->is_draining, &taken, &error);
    exchange_end_search(exchange);
    if (exchange->forward == NULL) {
        exchange_finish(exchange, EXCHANGE_RESET, REASON_NO_MEMORY);
        return;
    }
    forward_set_pace(exchange->forward, account_up(exchange->quota.account),
                     account_down(exchange->quota.account));
    // What may have to be sent again stays.
    if (!exchange->is_pooled) {
        peer_consume_inbox(peer, exchange->head_len + taken);
        exchange->request_len = 0;
    }
    peer->context->counters.forwarded++;
    exchange_enter(exchange, EXCHANGE_FORWARD);
}

// use_pooled takes a waiting connection, whose address is judged as if it had just been resolved. True: the
// request has been dealt with.
static bool use_pooled(struct exchange *exchange)
{
    struct peer *peer = exchange->peer;
    struct session_context *context = peer->context;
    struct decision decision;
    const struct upstream upstream = upstream_pool_take(peer->upstreams, exchange->target,
                                                        exchange->generation, context->now_ms);
    if (upstream.fd < 0)
        return false;
    struct tcp_stream unwanted;
    tcp_stream_init(&unwanted, context->loop, upstream.fd);
    search_judge_one(peer->snapshot->policy, peer->client, &peer->address, exchange->target,
                     &upstream.address, &decision);
    exchange->search = search_create(context->loop, exchange->target, peer->wake, peer->owner);
    if (decision.action != ACTION_ALLOW || exchange->search == NULL) {
        stream_close(&unwanted.stream, false);
        search_destroy(exchange->search);
        exchange->search = NULL;
        return false;
    }
    search_assume(exchange->search, &upstream.address);
    if (!exchange_admits_addresses(exchange)) {
        stream_close(&unwanted.stream, false);
        return true;
    }
    exchange->is_pooled = true;
    exchange_begin_forward(exchange, tcp_stream_take_fd(&unwanted));
    exchange->upstream = upstream.address;
    return true;
}

void exchange_seek_upstream(struct exchange *exchange)
{
    if (!is_repeatable(exchange) || !use_pooled(exchange))
        exchange_begin_search(exchange);
}

void exchange_end_forward(struct exchange *exchange, bool is_reset)
{
    struct forward *forward = exchange->forward;
    if (forward == NULL)
        return;
    exchange->bytes_up = forward->up.passed;
    exchange->bytes_down = forward->down.passed;
    exchange->status = forward->status;
    exchange->forward = NULL;
    forward_destroy(forward, is_reset);
}

// keep_upstream lets the connection to the target wait for the next request, where it can.
static void keep_upstream(struct exchange *exchange)
{
    struct peer *peer = exchange->peer;
    const struct upstream upstream = {
        .fd = exchange->forward->is_kept ? forward_take_reusable(exchange->forward) : -1,
        .address = exchange->upstream,
    };
    if (upstream.fd < 0)
        return;
    if (peer->upstreams == NULL)
        peer->upstreams = upstream_pool_create(peer->context->loop, &peer->context->upstreams);
    if (peer->upstreams == NULL) {
        struct tcp_stream unwanted;
        tcp_stream_init(&unwanted, peer->context->loop, upstream.fd);
        stream_close(&unwanted.stream, false);
        return;
    }
    upstream_pool_give(peer->upstreams, exchange->target, &upstream, exchange->generation,
                       peer->context->now_ms);
}

static void finish_forward(struct exchange *exchange)
{
    struct peer *peer = exchange->peer;
    const bool is_kept = exchange->forward->is_kept;
    keep_upstream(exchange);
    if (is_kept)
        peer_consume_inbox(peer, exchange->request_len);
    exchange_finish(exchange, is_kept ? EXCHANGE_KEEP : EXCHANGE_CLOSE, REASON_COMPLETED);
}

// upgrade turns the exchange into a tunnel: the 101 goes to the client, and from then on bytes are bytes.
static void upgrade(struct exchange *exchange)
{
    struct peer *peer = exchange->peer;
    struct session_context *context = peer->context;
    struct buffer *answer = buffer_pool_take(&context->buffers);
    struct slice behind;
    struct text text;
    if (answer == NULL) {
        exchange_finish(exchange, EXCHANGE_RESET, REASON_NO_MEMORY);
        return;
    }
    text_init(&text, (char *)answer->data, BUFFER_CAP);
    const int fd = forward_take_upgraded(exchange->forward, &text, &behind);
    enum err error = tunnel_open(&exchange->tunnel, context->loop, &context->buffers, peer->stream,
                                 fd, slice_from(peer_unread(peer), exchange->request_len),
                                 text_slice(&text), context->now_ms);
    if (error == ERR_OK)
        error = tunnel_preload_down(&exchange->tunnel, behind);
    buffer_pool_give(&context->buffers, &answer);
    if (error != ERR_OK) {
        exchange_finish(exchange, EXCHANGE_RESET, REASON_NO_MEMORY);
        return;
    }
    exchange_end_forward(exchange, false);
    tunnel_on_ready(&exchange->tunnel, peer->wake, peer->owner);
    duplex_set_pace(&exchange->tunnel.duplex, account_up(exchange->quota.account),
                    account_down(exchange->quota.account), &context->now_ms);
    peer_empty_inbox(peer);
    exchange->status = 101;
    context->counters.tunnels++;
    exchange_enter(exchange, EXCHANGE_TUNNEL);
}

// try_again sends the request over a new connection: the one that had waited was dead, and has not answered.
static void try_again(struct exchange *exchange)
{
    exchange_end_forward(exchange, true);
    exchange->is_pooled = false;
    if (exchange_is_still_admitted(exchange))
        exchange_begin_search(exchange);
}

// refuse answers in place of the target, of which the client has got nothing.
static void refuse(struct exchange *exchange, uint16_t status, enum reason reason,
                   const char *detail)
{
    if (!exchange->forward->up.is_done)
        exchange->may_keep = false;
    exchange_end_forward(exchange, true);
    exchange_refuse_late(exchange, status, reason, detail);
}

enum exchange_step exchange_step_forward(struct exchange *exchange)
{
    struct forward *forward = exchange->forward;
    switch (forward_step(forward)) {
    case FORWARD_WAITS:
        return EXCHANGE_STEP_WAIT;
    case FORWARD_MORE:
        return EXCHANGE_STEP_MORE;
    case FORWARD_FINISHED:
        finish_forward(exchange);
        return EXCHANGE_STEP_AGAIN;
    case FORWARD_UPGRADED:
        upgrade(exchange);
        return EXCHANGE_STEP_AGAIN;
    case FORWARD_UNANSWERED:
        if (exchange->is_pooled)
            try_again(exchange);
        else
            refuse(exchange, 502, forward->reason, "the target gave no answer");
        return EXCHANGE_STEP_AGAIN;
    case FORWARD_BAD_RESPONSE:
        refuse(exchange, 502, REASON_BAD_RESPONSE, forward->why);
        return EXCHANGE_STEP_AGAIN;
    case FORWARD_BAD_REQUEST:
        exchange->may_keep = false;
        refuse(exchange, 400, REASON_BAD_REQUEST, forward->why);
        return EXCHANGE_STEP_AGAIN;
    case FORWARD_BROKEN:
        exchange_finish(exchange, EXCHANGE_RESET, forward->reason);
        return EXCHANGE_STEP_AGAIN;
    }
    return EXCHANGE_STEP_WAIT;
}

// end_slow_body ends a request whose body comes too slowly.
static void end_slow_body(struct exchange *exchange)
{
    if (exchange->forward->is_answered)
        exchange_end(exchange, REASON_TIMEOUT);
    else
        refuse(exchange, 408, REASON_TIMEOUT, "the body came too slowly (timeouts.body)");
}

void exchange_on_forward_deadline(struct exchange *exchange, int64_t idle_ms)
{
    struct forward *forward = exchange->forward;
    const struct peer *peer = exchange->peer;
    if (idle_ms > peer->context->now_ms) {
        if (forward_has_slow_body(forward, peer->snapshot->timeouts.body_ms))
            end_slow_body(exchange);
    } else if (forward->is_answered)
        exchange_end(exchange, REASON_IDLE);
    else if (body_flow_wants_read(&forward->up))
        refuse(exchange, 408, REASON_TIMEOUT, "the body did not arrive in time");
    else
        refuse(exchange, 504, REASON_TIMEOUT, "the target gave no answer in time");
}
