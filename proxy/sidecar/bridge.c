// The life of a local connection. The only function that writes the state is enter; what it waits for is
// worked out anew after each drive.
#include "proxy/sidecar/bridge.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "proxy/clock/clock.h"
#include "proxy/config/endpoint_text.h"
#include "proxy/http/head.h"
#include "proxy/log/log.h"
#include "proxy/net/sockaddr.h"
#include "proxy/net/tcp_stream.h"
#include "proxy/sidecar/relay.h"
#include "proxy/sidecar/reply.h"

enum {
    BRIDGE_MAGIC = 0xB41D6E00,
    HEAD_FIRST_CAP = 2048,
    LINGER_MAX_LEN = 256 * 1024, // bytes of a client that are read and dropped
    SAY_EVERY_MS = 1000,
    TLS_HANDSHAKE =
        22, // the first byte of a client that speaks TLS (RFC 8446 5.1): no method begins so
    RETIRE_QUIET_MS = 1000,
};

struct bridge {
    uint32_t magic;
    enum bridge_state state;
    struct bridge_context *context; // borrowed
    TAILQ_ENTRY(bridge) link;       // in live or dead
    TAILQ_ENTRY(bridge) ready_link;
    bool is_ready; // in ready
    struct tcp_stream client;
    struct upstream *upstream; // owned; NULL before REACH and behind RELAY
    uint8_t *head;             // owned; what the client has sent first; NULL once it is on its way
    size_t head_len;           // bytes
    size_t head_cap;           // bytes
    size_t request_len;        // bytes of it that are the head proper
    struct relay relay;        // zeroed where there is none
    struct buffer *answer;     // borrowed from the pool; of our own
    bool is_connect;           // begun with CONNECT
    bool is_retiring;          // no more requests are to come this way
    bool has_client_end;
    bool has_said_end;
    size_t dropped_len;
    int64_t since_ms;     // monotonic; of the state
    int64_t timer_due_ms; // monotonic; when `timer` fires
    ev_timer timer;
};

static void drive(struct bridge *bridge);

static void on_wake(void *owner)
{
    struct bridge *bridge = owner;
    ASSERT(bridge->magic == BRIDGE_MAGIC);
    drive(bridge);
}

static struct ev_loop *loop_of(const struct bridge *bridge)
{
    return bridge->context->route.loop;
}

static bool is_legal(enum bridge_state from, enum bridge_state to)
{
    static const uint8_t legal[] = {
        [BRIDGE_READ_HEAD] = 1 << BRIDGE_REACH | 1 << BRIDGE_ANSWER | 1 << BRIDGE_DEAD,
        [BRIDGE_REACH] = 1 << BRIDGE_RELAY | 1 << BRIDGE_ANSWER | 1 << BRIDGE_DEAD,
        [BRIDGE_RELAY] = 1 << BRIDGE_ANSWER | 1 << BRIDGE_CLOSING | 1 << BRIDGE_DEAD,
        [BRIDGE_ANSWER] = 1 << BRIDGE_CLOSING | 1 << BRIDGE_DEAD,
        [BRIDGE_CLOSING] = 1 << BRIDGE_DEAD,
        [BRIDGE_DEAD] = 0,
    };
    return (legal[from] & 1 << to) != 0;
}

static void enter(struct bridge *bridge, enum bridge_state state)
{
    ASSERT(is_legal(bridge->state, state));
    bridge->state = state;
    bridge->since_ms = monotonic_ms();
}

static void drop_head(struct bridge *bridge)
{
    free(bridge->head);
    bridge->head = NULL;
    bridge->head_len = 0;
    bridge->head_cap = 0;
}

// drop_upstream ends the connection to the proxy.
static void drop_upstream(struct bridge *bridge, bool is_reset)
{
    relay_close(&bridge->relay);
    upstream_destroy(bridge->upstream, is_reset);
    bridge->upstream = NULL;
}

// finish ends both sides; a reset on one is a reset on the other.
static void finish(struct bridge *bridge, bool is_reset)
{
    struct bridge_context *context = bridge->context;
    if (bridge->state == BRIDGE_DEAD)
        return;
    drop_upstream(bridge, is_reset);
    buffer_pool_give(&context->buffers, &bridge->answer);
    drop_head(bridge);
    stream_close(&bridge->client.stream, is_reset);
    ev_timer_stop(context->route.loop, &bridge->timer);
    enter(bridge, BRIDGE_DEAD);
    TAILQ_REMOVE(&context->live, bridge, link);
    TAILQ_INSERT_TAIL(&context->dead, bridge, link);
    context->live_count--;
}

// send_answer puts an answer of our own on its way.
static void send_answer(struct bridge *bridge, const struct text *text)
{
    struct buffer_pool *pool = &bridge->context->buffers;
    drop_upstream(bridge, true);
    drop_head(bridge);
    bridge->answer = buffer_pool_take(pool);
    if (bridge->answer == NULL) {
        finish(bridge, true);
        return;
    }
    (void)buffer_append(bridge->answer, text_slice(text));
    enter(bridge, BRIDGE_ANSWER);
}

// say logs a failure; while they come often, one a second. With several proxies it names the last one that was
// tried.
static void say(struct bridge *bridge, enum cause cause, const char *detail)
{
    struct bridge_context *context = bridge->context;
    const int64_t now_ms = monotonic_ms();
    char host[TARGET_TEXT_CAP];
    char proxy[TARGET_TEXT_CAP + 32] = "";
    context->unsaid++;
    if (now_ms - context->said_ms < SAY_EVERY_MS)
        return;
    if (bridge->upstream != NULL && context->route.way_count > 1) {
        const struct target *last = upstream_proxy(bridge->upstream);
        (void)snprintf(proxy, sizeof proxy, "https://%s:%u: ", target_format_host(last, host),
                       last->port);
    }
    log_error("%s%s: %s%s%s%s; %s%s", proxy, cause_name(cause), cause_phrase(cause),
              detail[0] == '\0' ? "" : " (", detail, detail[0] == '\0' ? "" : ")",
              cause_advice(cause), context->unsaid > 1 ? " (and before that, several times)" : "");
    context->said_ms = now_ms;
    context->unsaid = 0;
}

// answer_cause tells the client, and the log, what is wrong.
static void answer_cause(struct bridge *bridge, enum cause cause, const char *detail, uint8_t alert)
{
    char data[REPLY_CAP];
    struct text text;
    text_init(&text, data, sizeof data);
    reply_failure(cause, detail, alert, &text);
    say(bridge, cause, detail);
    send_answer(bridge, &text);
}

// answer_failure tells the client why the proxy cannot be used.
static void answer_failure(struct bridge *bridge)
{
    uint8_t alert = 0;
    (void)upstream_alert(bridge->upstream, &alert);
    answer_cause(bridge, upstream_cause(bridge->upstream), upstream_detail(bridge->upstream),
                 alert);
}

// local_endpoint writes where the client has reached us: the address that the PAC file has to name.
static const char *local_endpoint(const struct bridge *bridge, char out[ENDPOINT_TEXT_CAP])
{
    struct endpoint endpoint = {0};
    if (!socket_local_name(tcp_stream_fd(&bridge->client), &endpoint.address, &endpoint.port))
        endpoint = (struct endpoint){.address = {.family = IP_V4, .bytes = {127, 0, 0, 1}}};
    return endpoint_format(&endpoint, out);
}

// answer_origin_form is for those who take us for a web server.
static void answer_origin_form(struct bridge *bridge, const struct request_head *head)
{
    char data[REPLY_CAP];
    char endpoint[ENDPOINT_TEXT_CAP];
    struct text text;
    text_init(&text, data, sizeof data);
    (void)local_endpoint(bridge, endpoint);
    const bool is_head = slice_equal(head->method_text, SLICE_LITERAL("HEAD"));
    const bool is_get = is_head || slice_equal(head->method_text, SLICE_LITERAL("GET"));
    if (is_get && slice_equal(head->target, SLICE_LITERAL("/proxy.pac")))
        reply_pac(endpoint, !is_head, &text);
    else
        reply_about(endpoint, &text);
    send_answer(bridge, &text);
}

static void answer_with(struct bridge *bridge, void (*reply)(struct text *out))
{
    char data[REPLY_CAP];
    struct text text;
    text_init(&text, data, sizeof data);
    reply(&text);
    send_answer(bridge, &text);
}

static void answer_bad(struct bridge *bridge, const char *why)
{
    char data[REPLY_CAP];
    struct text text;
    text_init(&text, data, sizeof data);
    reply_bad_request(why, &text);
    send_answer(bridge, &text);
}

// reach begins to connect to the proxy.
static void reach(struct bridge *bridge)
{
    bridge->upstream = upstream_create(&bridge->context->route, on_wake, bridge);
    if (bridge->upstream == NULL)
        finish(bridge, true);
    else
        enter(bridge, BRIDGE_REACH);
}

// take_head looks at the first head: what is for the proxy, and what for us.
static void take_head(struct bridge *bridge, const struct request_head *head)
{
    bridge->request_len = head->len;
    bridge->is_connect = head->method == METHOD_CONNECT;
    const bool is_origin_form = head->method != METHOD_CONNECT && head->target.data[0] == '/';
    if (is_origin_form)
        answer_origin_form(bridge, head);
    else if (bridge->context->is_draining)
        answer_with(bridge, reply_draining);
    else if (bridge->context->live_count > bridge->context->live_max)
        answer_with(bridge, reply_full);
    else
        reach(bridge);
}

// fill_head reads what the client has sent, as far as a head may be long.
static enum err fill_head(struct bridge *bridge)
{
    size_t len = 0;
    if (bridge->head_len == bridge->head_cap) {
        if (bridge->head_cap >= HEAD_MAX_LEN)
            return ERR_LIMIT;
        const size_t cap = bridge->head_cap == 0 ? HEAD_FIRST_CAP : bridge->head_cap * 2;
        uint8_t *larger = realloc(bridge->head, cap);
        if (larger == NULL)
            return ERR_MEMORY;
        bridge->head = larger;
        bridge->head_cap = cap;
    }
    const enum err error = stream_read(&bridge->client.stream, bridge->head + bridge->head_len,
                                       bridge->head_cap - bridge->head_len, &len);
    if (bridge->head_len == 0 && len > 0)
        bridge->since_ms = monotonic_ms(); // the head has its time from its first byte on
    bridge->head_len += len;
    if (bridge->head_len == 0)
        drop_head(bridge);
    return error;
}

static bool step_read_head(struct bridge *bridge)
{
    struct request_head head;
    const char *why = "";
    const enum err error = fill_head(bridge);
    if (error == ERR_AGAIN)
        return false;
    if (error != ERR_OK) {
        finish(bridge, error != ERR_EOF);
        return false;
    }
    if (bridge->head[0] == TLS_HANDSHAKE) {
        answer_cause(bridge, CAUSE_TLS_TO_SIDECAR, "", 0);
        return true;
    }
    switch (
        request_head_parse(slice_of(bridge->head, bridge->head_len), HEAD_MAX_LEN, &head, &why)) {
    case HEAD_OK:
        take_head(bridge, &head);
        return true;
    case HEAD_BAD:
        answer_bad(bridge, why);
        return true;
    case HEAD_TOO_LARGE:
        answer_with(bridge, reply_too_large);
        return true;
    case HEAD_MORE:
        return true;
    }
    return false;
}

// begin_relay puts the head on its way.
static bool begin_relay(struct bridge *bridge)
{
    const struct slice all = slice_of(bridge->head, bridge->head_len);
    const enum err error =
        relay_open(&bridge->relay, &bridge->client.stream, upstream_stream(bridge->upstream),
                   &bridge->context->buffers, slice_first(all, bridge->request_len),
                   slice_from(all, bridge->request_len), monotonic_ms());
    drop_head(bridge);
    if (error != ERR_OK) {
        finish(bridge, true);
        return false;
    }
    enter(bridge, BRIDGE_RELAY);
    return true;
}

static bool step_reach(struct bridge *bridge)
{
    const enum upstream_state state = upstream_step(bridge->upstream);
    if (state == UPSTREAM_READY)
        return begin_relay(bridge);
    if (state != UPSTREAM_FAILED)
        return false;
    answer_failure(bridge);
    return true;
}

static void queue_ready(struct bridge *bridge)
{
    struct bridge_context *context = bridge->context;
    if (bridge->is_ready)
        return;
    bridge->is_ready = true;
    TAILQ_INSERT_TAIL(&context->ready, bridge, ready_link);
    if (!ev_is_active(&context->kick)) {
        ev_timer_set(&context->kick, 0., 0.);
        ev_timer_start(context->route.loop, &context->kick);
    }
}

// begin_closing is for a relay that has ended in an orderly way.
static void begin_closing(struct bridge *bridge)
{
    bridge->has_client_end = relay_has_client_end(&bridge->relay) && !bridge->is_retiring;
    drop_upstream(bridge, false);
    enter(bridge, BRIDGE_CLOSING);
}

static bool step_relay(struct bridge *bridge)
{
    switch (relay_step(&bridge->relay, monotonic_ms())) {
    case RELAY_WAITS:
        return false;
    case RELAY_MORE:
        queue_ready(bridge);
        return false;
    case RELAY_FINISHED:
        begin_closing(bridge);
        return true;
    case RELAY_UNANSWERED:
        answer_failure(bridge);
        return true;
    case RELAY_LEFT:
        finish(bridge, false);
        return false;
    case RELAY_BROKEN:
        finish(bridge, true);
        return false;
    }
    return false;
}

static bool step_answer(struct bridge *bridge)
{
    struct stream *client = &bridge->client.stream;
    enum err error = ERR_OK;
    while (buffer_len(bridge->answer) > 0 && error == ERR_OK) {
        size_t len = 0;
        error = stream_write(client, buffer_unread(bridge->answer), &len);
        buffer_consume(bridge->answer, len);
    }
    if (error == ERR_AGAIN)
        return false;
    if (error != ERR_OK) {
        finish(bridge, true);
        return false;
    }
    buffer_pool_give(&bridge->context->buffers, &bridge->answer);
    enter(bridge, BRIDGE_CLOSING);
    return true;
}

// drop_input reads and forgets what the client still sends, so that it gets to read our last words.
static enum err drop_input(struct bridge *bridge)
{
    struct buffer_pool *pool = &bridge->context->buffers;
    struct buffer *scratch = buffer_pool_take(pool);
    enum err error = scratch == NULL ? ERR_MEMORY : ERR_OK;
    while (error == ERR_OK) {
        size_t len = 0;
        error = stream_read(&bridge->client.stream, scratch->data, BUFFER_CAP, &len);
        bridge->dropped_len += len;
        if (bridge->dropped_len > LINGER_MAX_LEN)
            error = ERR_LIMIT;
    }
    buffer_pool_give(pool, &scratch);
    return error;
}

static bool step_closing(struct bridge *bridge)
{
    if (!bridge->has_said_end) {
        bridge->has_said_end = true;
        if (stream_finish(&bridge->client.stream) != ERR_OK) {
            finish(bridge, false);
            return false;
        }
    }
    const enum err error = bridge->has_client_end ? ERR_EOF : drop_input(bridge);
    if (error == ERR_AGAIN)
        return false;
    finish(bridge, false);
    return false;
}

// step does one thing; true when there may be another.
static bool step(struct bridge *bridge)
{
    switch (bridge->state) {
    case BRIDGE_READ_HEAD:
        return step_read_head(bridge);
    case BRIDGE_REACH:
        return step_reach(bridge);
    case BRIDGE_RELAY:
        return step_relay(bridge);
    case BRIDGE_ANSWER:
        return step_answer(bridge);
    case BRIDGE_CLOSING:
        return step_closing(bridge);
    case BRIDGE_DEAD:
        break;
    }
    return false;
}

static int64_t sooner(int64_t a_ms, int64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

// is_tunnel tells whether the relay may carry more than requests and answers, so that its end is not ours to
// choose: a CONNECT that was not plainly refused, or a switch to another protocol.
static bool is_tunnel(const struct bridge *bridge)
{
    const struct relay *relay = &bridge->relay;
    if (bridge->is_connect)
        return relay->status < 300 || relay->duplex.up.passed > 0;
    return relay->status == 101;
}

// retires_at_ms tells when the way up of a retiring relay is to be ended: once its client has been quiet for a
// moment, so that a request that is on its way goes through whole. The answer to it is waited for.
static int64_t retires_at_ms(const struct bridge *bridge)
{
    const struct relay *relay = &bridge->relay;
    const bool may_end = bridge->is_retiring && bridge->state == BRIDGE_RELAY &&
                         relay->is_answered && !relay_has_client_end(relay) && !is_tunnel(bridge);
    return may_end ? relay->duplex.up_ms + RETIRE_QUIET_MS : INT64_MAX;
}

// ends_at_ms tells how long the state may last. REACH has deadlines of its own, in upstream.
static int64_t ends_at_ms(const struct bridge *bridge)
{
    const struct bridge_timeouts *timeouts = &bridge->context->timeouts;
    switch (bridge->state) {
    case BRIDGE_READ_HEAD:
        return bridge->since_ms +
               (bridge->head_len == 0 ? timeouts->silent_ms : timeouts->request_ms);
    case BRIDGE_RELAY:
        return bridge->relay.duplex.active_ms + (duplex_is_half_closed(&bridge->relay.duplex)
                                                     ? timeouts->half_closed_ms
                                                     : timeouts->idle_ms);
    case BRIDGE_ANSWER:
        return bridge->since_ms + timeouts->request_ms;
    case BRIDGE_CLOSING:
        return bridge->since_ms + timeouts->linger_ms;
    case BRIDGE_REACH:
    case BRIDGE_DEAD:
        break;
    }
    return INT64_MAX;
}

// set_timer moves the timer only when the deadline comes nearer: one that has moved away is found out when
// it fires.
static void set_timer(struct bridge *bridge)
{
    struct ev_loop *loop = loop_of(bridge);
    const int64_t due_ms = sooner(ends_at_ms(bridge), retires_at_ms(bridge));
    if (due_ms == INT64_MAX) {
        ev_timer_stop(loop, &bridge->timer);
        return;
    }
    if (ev_is_active(&bridge->timer) && bridge->timer_due_ms <= due_ms)
        return;
    const int64_t wait_ms = due_ms - monotonic_ms();
    ev_timer_stop(loop, &bridge->timer);
    ev_timer_set(&bridge->timer, wait_ms > 0 ? (ev_tstamp)wait_ms / 1000. : 0., 0.);
    ev_timer_start(loop, &bridge->timer);
    bridge->timer_due_ms = due_ms;
}

// update_interest works out, from the state alone, what to wait for.
static void update_interest(struct bridge *bridge)
{
    struct stream *client = &bridge->client.stream;
    switch (bridge->state) {
    case BRIDGE_READ_HEAD:
        stream_want(client, true, false);
        break;
    case BRIDGE_REACH:
        stream_want(client, false, false);
        break;
    case BRIDGE_RELAY:
        duplex_update_interest(&bridge->relay.duplex);
        break;
    case BRIDGE_ANSWER:
        stream_want(client, false, true);
        break;
    case BRIDGE_CLOSING:
        stream_want(client, !bridge->has_client_end, false);
        break;
    case BRIDGE_DEAD:
        return;
    }
    set_timer(bridge);
}

static void drive(struct bridge *bridge)
{
    while (step(bridge)) {
    }
    update_interest(bridge);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct bridge *bridge = timer->data;
    ASSERT(bridge->magic == BRIDGE_MAGIC);
    const int64_t now_ms = monotonic_ms();
    const bool is_due = ends_at_ms(bridge) <= now_ms;
    if (is_due && bridge->state == BRIDGE_READ_HEAD && bridge->head_len > 0)
        answer_with(bridge, reply_late);
    else if (is_due)
        finish(bridge, bridge->state == BRIDGE_RELAY);
    else if (retires_at_ms(bridge) <= now_ms)
        relay_end_up(&bridge->relay);
    drive(bridge);
}

void bridge_accept(struct bridge_context *context, int fd)
{
    const int on = 1;
    struct bridge *bridge = calloc(1, sizeof *bridge);
    struct tcp_stream unowned;
    struct tcp_stream *client = bridge == NULL ? &unowned : &bridge->client;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    tcp_stream_init(client, context->route.loop, fd);
    if (bridge == NULL) {
        stream_close(&client->stream, true);
        return;
    }
    client->stream.on_ready = on_wake;
    client->stream.owner = bridge;
    bridge->magic = BRIDGE_MAGIC;
    bridge->context = context;
    bridge->since_ms = monotonic_ms();
    ev_timer_init(&bridge->timer, on_timer, 0., 0.);
    bridge->timer.data = bridge;
    TAILQ_INSERT_TAIL(&context->live, bridge, link);
    context->live_count++;
    drive(bridge);
}

static void free_dead(struct bridge_context *context)
{
    struct bridge *bridge = NULL;
    while ((bridge = TAILQ_FIRST(&context->dead)) != NULL) {
        TAILQ_REMOVE(&context->dead, bridge, link);
        if (bridge->is_ready)
            TAILQ_REMOVE(&context->ready, bridge, ready_link);
        bridge->magic = 0;
        free(bridge);
    }
}

static void on_reap(struct ev_loop *loop, ev_prepare *prepare, int events)
{
    (void)loop;
    (void)events;
    free_dead(prepare->data);
}

static void on_kick(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct bridge_context *context = timer->data;
    struct bridge_list ready = TAILQ_HEAD_INITIALIZER(ready);
    TAILQ_CONCAT(&ready, &context->ready, ready_link);
    while (!TAILQ_EMPTY(&ready)) {
        struct bridge *bridge = TAILQ_FIRST(&ready);
        TAILQ_REMOVE(&ready, bridge, ready_link);
        bridge->is_ready = false;
        drive(bridge);
    }
}

void bridge_context_start(struct bridge_context *context)
{
    TAILQ_INIT(&context->live);
    TAILQ_INIT(&context->dead);
    TAILQ_INIT(&context->ready);
    context->route.pool = &context->buffers;
    context->said_ms = INT64_MIN / 2;
    ev_timer_init(&context->kick, on_kick, 0., 0.);
    ev_prepare_init(&context->reap, on_reap);
    context->kick.data = context;
    context->reap.data = context;
    ev_prepare_start(context->route.loop, &context->reap);
}

void bridge_context_stop(struct bridge_context *context)
{
    free_dead(context);
    ASSERT(context->live_count == 0);
    ev_timer_stop(context->route.loop, &context->kick);
    ev_prepare_stop(context->route.loop, &context->reap);
    buffer_pool_deinit(&context->buffers);
}

void bridge_retire(struct bridge_context *context)
{
    struct bridge *bridge = NULL;
    TAILQ_FOREACH(bridge, &context->live, link)
    {
        if (bridge->state == BRIDGE_READ_HEAD)
            continue;
        bridge->is_retiring = true;
        set_timer(bridge);
    }
}

void bridge_begin_drain(struct bridge_context *context)
{
    context->is_draining = true;
    bridge_retire(context);
    struct bridge *bridge = TAILQ_FIRST(&context->live);
    while (bridge != NULL) {
        struct bridge *next = TAILQ_NEXT(bridge, link);
        if (bridge->state == BRIDGE_READ_HEAD && bridge->head_len == 0)
            finish(bridge, false);
        bridge = next;
    }
}

size_t bridge_end_all(struct bridge_context *context)
{
    size_t count = 0;
    struct bridge *bridge = NULL;
    while ((bridge = TAILQ_FIRST(&context->live)) != NULL) {
        count += bridge->state != BRIDGE_READ_HEAD && bridge->state != BRIDGE_CLOSING ? 1 : 0;
        finish(bridge, true);
    }
    return count;
}
