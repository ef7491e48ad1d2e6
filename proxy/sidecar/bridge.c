// The life of a local connection. What is done in a state, what it waits for, until when, and what may follow, is one
// row of the table `states`. Only enter writes the state.
#include "proxy/sidecar/bridge.h"

#include <stdio.h>
#include <stdlib.h>

#include "proxy/clock/clock.h"
#include "proxy/config/endpoint_text.h"
#include "proxy/http/head.h"
#include "proxy/log/log.h"
#include "proxy/loop/deadline.h"
#include "proxy/net/linger.h"
#include "proxy/net/sockaddr.h"
#include "proxy/net/tcp_stream.h"
#include "proxy/sidecar/relay.h"
#include "proxy/sidecar/reply.h"
#include "proxy/uplink/uplink.h"

enum {
    BRIDGE_MAGIC = 0xB41D6E00,
    HEAD_FIRST_CAP = 2048,
    SAY_EVERY_MS = 1000,
    TLS_HANDSHAKE = 22,     // the first byte of a client that speaks TLS (RFC 8446 5.1)
    SILENT_MS = 60000,      // for the first byte of the first head
    REQUEST_MS = 10000,     // for the rest of it, and for the client to read our answer
    HALF_CLOSED_MS = 60000, // between two bytes of a relay of which one direction has ended
    LINGER_MS = 2000,
    RETIRE_QUIET_MS = 1000,
    HEAVY_LEN = 32 * 1024, // bytes of a step
    READY_TURN_US = 10000, // of a pass of the loop, for relays that move much
};

struct bridge {
    uint32_t magic;
    enum bridge_state state;
    struct bridge_context *context; // borrowed
    TAILQ_ENTRY(bridge) link;       // in live or dead
    struct turn_entry ready;
    struct tcp_stream client;
    struct uplink *uplink; // owned; NULL before REACH and after RELAY
    uint8_t *head;         // owned; what the client has sent first; NULL once it is on its way
    size_t head_len;       // bytes
    size_t head_cap;       // bytes
    size_t request_len;    // bytes of it that are the head proper
    struct relay relay;    // zeroed where there is none
    struct buffer *answer; // borrowed from the pool
    bool goes_on;          // after the answer the client may ask again
    bool is_connect;       // begun with CONNECT
    bool is_retiring;      // no more requests are to come this way
    bool has_client_end;
    bool has_said_end;
    size_t dropped_len;
    int64_t since_ms; // monotonic; of the state
    struct deadline deadline;
};

// wait is what a state waits for, beside its deadline.
enum wait {
    WAIT_UPSTREAM, // the way to the proxy, which wakes us
    WAIT_READ,     // bytes of the client
    WAIT_WRITE,    // the client to take bytes
    WAIT_RELAY,    // both, as the relay says
};

// state_row is all that there is to know of a state.
struct state_row {
    bool (*step)(struct bridge *bridge); // does one thing; true when there may be another
    enum wait wait;
    int64_t limit_ms;                      // how long it may last; 0: see due_ms
    void (*on_due)(struct bridge *bridge); // what is done then
    uint8_t next;                          // legal next states, a bit each
};

static const struct state_row states[BRIDGE_DEAD + 1];
static void drive(struct bridge *bridge);

static void on_wake(void *owner)
{
    struct bridge *bridge = owner;
    ASSERT(bridge->magic == BRIDGE_MAGIC);
    drive(bridge);
}

// on_uplink is on_wake for a way to the proxy. One that moves much waits until others of its connection had their turn.
static void on_uplink(void *owner)
{
    struct bridge *bridge = owner;
    ASSERT(bridge->magic == BRIDGE_MAGIC);
    if (bridge->state == BRIDGE_RELAY && uplink_is_shared(bridge->uplink) &&
        bridge->relay.duplex.step_len >= HEAVY_LEN && !uplink_is_lost(bridge->uplink))
        turn_enqueue(&bridge->context->ready, &bridge->ready, bridge);
    else
        drive(bridge);
}

static struct ev_loop *loop_of(const struct bridge *bridge)
{
    return bridge->context->route.loop;
}

static void enter(struct bridge *bridge, enum bridge_state state)
{
    ASSERT((states[bridge->state].next & 1 << state) != 0);
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

// drop_uplink ends the connection to the proxy.
static void drop_uplink(struct bridge *bridge, bool is_reset)
{
    duplex_deinit(&bridge->relay.duplex);
    uplink_destroy(bridge->uplink, is_reset);
    bridge->uplink = NULL;
}

// finish ends both sides; a reset on one is a reset on the other.
static void finish(struct bridge *bridge, bool is_reset)
{
    struct bridge_context *context = bridge->context;
    if (bridge->state == BRIDGE_DEAD)
        return;
    drop_uplink(bridge, is_reset);
    buffer_pool_give(&context->buffers, &bridge->answer);
    drop_head(bridge);
    stream_close(&bridge->client.stream, is_reset);
    deadline_stop(&bridge->deadline, loop_of(bridge));
    enter(bridge, BRIDGE_DEAD);
    TAILQ_REMOVE(&context->live, bridge, link);
    TAILQ_INSERT_TAIL(&context->dead, bridge, link);
    context->live_count--;
}

// send_answer puts an answer of our own on its way.
static void send_answer(struct bridge *bridge, const struct text *text)
{
    struct buffer_pool *pool = &bridge->context->buffers;
    drop_uplink(bridge, true);
    drop_head(bridge);
    buffer_pool_give(pool, &bridge->answer);
    bridge->answer = buffer_pool_take(pool);
    bridge->goes_on = false;
    if (bridge->answer == NULL) {
        finish(bridge, true);
        return;
    }
    (void)buffer_append(bridge->answer, text_slice(text));
    enter(bridge, BRIDGE_ANSWER);
}

// say logs a failure, and of which proxy; while they come often, one a second. Of several proxies that is the last one that
// was tried.
static void say(struct bridge *bridge, enum cause cause, const char *detail)
{
    struct bridge_context *context = bridge->context;
    const struct cause_info *info = cause_info(cause);
    const int64_t now_ms = monotonic_ms();
    char host[TARGET_TEXT_CAP];
    char proxy[TARGET_TEXT_CAP + 32] = "";
    context->unsaid++;
    if (now_ms - context->said_ms < SAY_EVERY_MS)
        return;
    const struct target *last = bridge->uplink == NULL ? NULL : uplink_proxy(bridge->uplink);
    if (last != NULL)
        (void)snprintf(proxy, sizeof proxy, "https://%s:%u: ", target_format_host(last, host),
                       last->port);
    log_error(LOG_CONNECTION_FAILED, "%s%s: %s%s%s%s; %s%s", proxy, info->name, info->phrase,
              detail[0] == '\0' ? "" : " (", detail, detail[0] == '\0' ? "" : ")", info->advice,
              context->unsaid > 1 ? " (and before that, several times)" : "");
    context->said_ms = now_ms;
    context->unsaid = 0;
}

// answer_failure tells the client, and the log, what is wrong.
static void answer_failure(struct bridge *bridge, struct failure failure)
{
    char data[REPLY_CAP];
    struct text text;
    text_init(&text, data, sizeof data);
    reply_failure(failure.cause, failure.detail, failure.alert, &text);
    say(bridge, failure.cause, failure.detail);
    send_answer(bridge, &text);
}

// refuse answers a request that does not get to the proxy; see reply_refusal.
static void refuse(struct bridge *bridge, uint16_t status, const char *error, const char *what,
                   const char *why)
{
    char data[REPLY_CAP];
    struct text text;
    text_init(&text, data, sizeof data);
    reply_refusal(status, error, what, why, &text);
    send_answer(bridge, &text);
}

// answer_origin_form answers a client that takes us for a web server, and names the address at which it has reached us.
static void answer_origin_form(struct bridge *bridge, const struct message_head *head)
{
    char data[REPLY_CAP];
    char endpoint[ENDPOINT_TEXT_CAP];
    struct text text;
    text_init(&text, data, sizeof data);
    struct endpoint local = {0};
    if (!socket_name(tcp_stream_fd(&bridge->client), SOCKET_LOCAL, &local.address, &local.port))
        local = (struct endpoint){.address = {.family = IP_V4, .bytes = {127, 0, 0, 1}}};
    (void)endpoint_format(&local, endpoint);
    const bool is_head = slice_equal(head->method_text, SLICE_LITERAL("HEAD"));
    const bool is_get = is_head || slice_equal(head->method_text, SLICE_LITERAL("GET"));
    if (is_get && slice_equal(head->target, SLICE_LITERAL("/proxy.pac")))
        reply_pac(endpoint, !is_head, &text);
    else
        reply_about(endpoint, &text);
    send_answer(bridge, &text);
}

// reach begins to connect to the proxy.
static void reach(struct bridge *bridge)
{
    const struct slice all = slice_of(bridge->head, bridge->head_len);
    const struct slice head = slice_first(all, bridge->is_connect ? bridge->request_len : 0);
    bridge->uplink =
        uplink_create(&bridge->context->pool, head, head.len < all.len, on_uplink, bridge);
    if (bridge->uplink == NULL)
        finish(bridge, true);
    else
        enter(bridge, BRIDGE_REACH);
}

// take_head looks at the first head: what is for the proxy, and what for us.
static void take_head(struct bridge *bridge, const struct message_head *head)
{
    bridge->request_len = head->len;
    bridge->is_connect = head->method == METHOD_CONNECT;
    const bool is_origin_form = head->method != METHOD_CONNECT && head->target.data[0] == '/';
    if (is_origin_form)
        answer_origin_form(bridge, head);
    else if (bridge->context->is_draining)
        refuse(bridge, 503, "proxy_internal_error", "stopping", "");
    else if (bridge->context->live_count > bridge->context->live_max)
        refuse(bridge, 503, "connection_limit_reached", "too many connections", "");
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
    struct message_head head;
    const char *why = "";
    const enum err error = fill_head(bridge);
    if (error == ERR_AGAIN)
        return false;
    if (error != ERR_OK) {
        finish(bridge, error != ERR_EOF);
        return false;
    }
    if (bridge->head[0] == TLS_HANDSHAKE) {
        answer_failure(bridge, (struct failure){CAUSE_TLS_TO_SIDECAR, "", 0});
        return true;
    }
    switch (
        request_head_parse(slice_of(bridge->head, bridge->head_len), HEAD_MAX_LEN, &head, &why)) {
    case HEAD_OK:
        take_head(bridge, &head);
        return true;
    case HEAD_BAD:
        refuse(bridge, 400, "http_request_error", "bad request, ", why);
        return true;
    case HEAD_TOO_LARGE:
        refuse(bridge, 431, "http_request_error", "request head too large", "");
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
    const size_t head_len = uplink_is_shared(bridge->uplink) ? 0 : bridge->request_len;
    const enum err error =
        relay_open(&bridge->relay, &bridge->client.stream, uplink_stream(bridge->uplink),
                   &bridge->context->buffers, slice_first(all, head_len),
                   slice_from(all, bridge->request_len), monotonic_ms());
    drop_head(bridge);
    if (error != ERR_OK) {
        finish(bridge, true);
        return false;
    }
    enter(bridge, BRIDGE_RELAY);
    return true;
}

// take_refusal reads a whole answer that refuses, and puts it on its way. The client may ask again where nothing has followed
// its head, and the answer says where it ends. False: more is to come.
static bool take_refusal(struct bridge *bridge)
{
    struct buffer_pool *pool = &bridge->context->buffers;
    struct stream *stream = uplink_stream(bridge->uplink);
    struct message_head head;
    const char *why = "";
    enum err error = ERR_OK;
    if (bridge->answer == NULL)
        bridge->answer = buffer_pool_take(pool);
    while (error == ERR_OK) {
        size_t len = 0;
        const size_t room = bridge->answer == NULL ? 0 : buffer_room(bridge->answer);
        error = room == 0
                    ? ERR_LIMIT
                    : stream_read(stream, bridge->answer->data + bridge->answer->end, room, &len);
        if (error == ERR_OK)
            buffer_produce(bridge->answer, len);
    }
    if (error == ERR_AGAIN) {
        stream_want(stream, true, false);
        return false;
    }
    if (error != ERR_EOF ||
        response_head_parse(buffer_unread(bridge->answer), false, &head, &why) != HEAD_OK) {
        finish(bridge, true);
        return false;
    }
    bridge->goes_on = head.is_persistent && head.has_length &&
                      bridge->head_len == bridge->request_len && !bridge->is_retiring;
    drop_uplink(bridge, false);
    drop_head(bridge);
    enter(bridge, BRIDGE_ANSWER);
    return true;
}

static bool step_reach(struct bridge *bridge)
{
    enum upstream_state state = uplink_step(bridge->uplink);
    if (state == UPSTREAM_READY)
        return uplink_is_refusal(bridge->uplink) ? take_refusal(bridge) : begin_relay(bridge);
    // A client that has ended its side waits for no other round. One that still reads is answered.
    if (state == UPSTREAM_WAIT && tcp_stream_has_peer_end(&bridge->client))
        state = uplink_give_up(bridge->uplink);
    if (state == UPSTREAM_FAILED)
        answer_failure(bridge, uplink_failure(bridge->uplink));
    return state == UPSTREAM_FAILED;
}

static bool step_relay(struct bridge *bridge)
{
    if (uplink_is_lost(bridge->uplink)) {
        finish(bridge, true);
        return false;
    }
    switch (relay_step(&bridge->relay, monotonic_ms())) {
    case RELAY_WAITS:
        return false;
    case RELAY_MORE:
        turn_enqueue(&bridge->context->ready, &bridge->ready, bridge);
        return false;
    case RELAY_FINISHED:
        bridge->has_client_end = bridge->relay.duplex.up.has_end && !bridge->is_retiring;
        drop_uplink(bridge, false);
        enter(bridge, BRIDGE_CLOSING);
        return true;
    case RELAY_UNANSWERED:
        answer_failure(bridge, uplink_failure(bridge->uplink));
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
    enter(bridge, bridge->goes_on && !bridge->is_retiring ? BRIDGE_READ_HEAD : BRIDGE_CLOSING);
    return true;
}

static bool step_closing(struct bridge *bridge)
{
    struct stream *client = &bridge->client.stream;
    const bool is_said = bridge->has_said_end || stream_finish(client) == ERR_OK;
    bridge->has_said_end = true;
    if (is_said && !bridge->has_client_end &&
        linger_drop(client, &bridge->context->buffers, &bridge->dropped_len) == ERR_AGAIN)
        return false;
    finish(bridge, false);
    return false;
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
    const bool may_end = bridge->is_retiring && relay->is_answered && !relay->duplex.up.has_end &&
                         !is_tunnel(bridge);
    return may_end ? relay->duplex.up_ms + RETIRE_QUIET_MS : INT64_MAX;
}

// idle_ends_ms tells how long the relay may go on without a byte.
static int64_t idle_ends_ms(const struct bridge *bridge)
{
    const struct duplex *duplex = &bridge->relay.duplex;
    return duplex->active_ms +
           (duplex_is_half_closed(duplex) ? HALF_CLOSED_MS : bridge->context->idle_ms);
}

// due_ms tells when the state must end; INT64_MAX: it has its deadlines elsewhere.
static int64_t due_ms(const struct bridge *bridge)
{
    const int64_t limit_ms = states[bridge->state].limit_ms;
    if (bridge->state == BRIDGE_REACH)
        return bridge->since_ms + bridge->context->idle_ms; // upstream has deadlines of its own
    if (bridge->state == BRIDGE_RELAY)
        return deadline_sooner(idle_ends_ms(bridge), retires_at_ms(bridge));
    if (bridge->state == BRIDGE_READ_HEAD && bridge->head_len == 0)
        return bridge->since_ms + SILENT_MS;
    return limit_ms == 0 ? INT64_MAX : bridge->since_ms + limit_ms;
}

static void on_head_due(struct bridge *bridge)
{
    if (bridge->head_len > 0)
        refuse(bridge, 408, "http_request_error", "the request head did not arrive in time", "");
    else
        finish(bridge, false);
}

static void on_relay_due(struct bridge *bridge)
{
    if (idle_ends_ms(bridge) <= monotonic_ms())
        finish(bridge, true);
    else
        bridge->relay.duplex.up.has_end = true; // as if the client had ended it
}

static void on_due(struct bridge *bridge)
{
    finish(bridge, false);
}

static const struct state_row states[] = {
    [BRIDGE_READ_HEAD] = {step_read_head, WAIT_READ, REQUEST_MS, on_head_due,
                          1 << BRIDGE_REACH | 1 << BRIDGE_ANSWER | 1 << BRIDGE_DEAD},
    [BRIDGE_REACH] = {step_reach, WAIT_UPSTREAM, 0, on_due,
                      1 << BRIDGE_RELAY | 1 << BRIDGE_ANSWER | 1 << BRIDGE_DEAD},
    [BRIDGE_RELAY] = {step_relay, WAIT_RELAY, 0, on_relay_due,
                      1 << BRIDGE_ANSWER | 1 << BRIDGE_CLOSING | 1 << BRIDGE_DEAD},
    [BRIDGE_ANSWER] = {step_answer, WAIT_WRITE, REQUEST_MS, on_due,
                       1 << BRIDGE_READ_HEAD | 1 << BRIDGE_CLOSING | 1 << BRIDGE_DEAD},
    [BRIDGE_CLOSING] = {step_closing, WAIT_READ, LINGER_MS, on_due, 1 << BRIDGE_DEAD},
    [BRIDGE_DEAD] = {0},
};

static void set_deadline(struct bridge *bridge)
{
    deadline_set(&bridge->deadline, loop_of(bridge), due_ms(bridge), monotonic_ms());
}

// update_interest works out, from the state alone, what to wait for.
static void update_interest(struct bridge *bridge)
{
    const enum wait wait = states[bridge->state].wait;
    if (wait == WAIT_RELAY)
        duplex_update_interest(&bridge->relay.duplex);
    else
        stream_want(&bridge->client.stream, wait == WAIT_READ, wait == WAIT_WRITE);
    set_deadline(bridge);
}

static void drive(struct bridge *bridge)
{
    while (bridge->state != BRIDGE_DEAD && states[bridge->state].step(bridge)) {
    }
    if (bridge->state != BRIDGE_DEAD)
        update_interest(bridge);
    if (bridge->uplink != NULL)
        uplink_flush(bridge->uplink);
}

static void on_deadline(void *owner)
{
    struct bridge *bridge = owner;
    ASSERT(bridge->magic == BRIDGE_MAGIC);
    if (due_ms(bridge) <= monotonic_ms())
        states[bridge->state].on_due(bridge);
    drive(bridge);
}

void bridge_accept(struct bridge_context *context, int fd)
{
    struct bridge *bridge = calloc(1, sizeof *bridge);
    struct tcp_stream unowned;
    struct tcp_stream *client = bridge == NULL ? &unowned : &bridge->client;
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
    deadline_init(&bridge->deadline, on_deadline, bridge);
    TAILQ_INSERT_TAIL(&context->live, bridge, link);
    context->live_count++;
    drive(bridge);
}

static void free_dead(struct bridge_context *context)
{
    struct bridge *bridge = NULL;
    while ((bridge = TAILQ_FIRST(&context->dead)) != NULL) {
        TAILQ_REMOVE(&context->dead, bridge, link);
        turn_leave(&bridge->ready);
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

void bridge_context_start(struct bridge_context *context)
{
    TAILQ_INIT(&context->live);
    TAILQ_INIT(&context->dead);
    context->said_ms = INT64_MIN / 2;
    context->pool.route = &context->route;
    connection_pool_start(&context->pool);
    turn_init(&context->ready, context->route.loop, 0, READY_TURN_US, on_wake);
    ev_prepare_init(&context->reap, on_reap);
    context->reap.data = context;
    ev_prepare_start(context->route.loop, &context->reap);
}

void bridge_context_stop(struct bridge_context *context)
{
    free_dead(context);
    ASSERT(context->live_count == 0);
    connection_pool_stop(&context->pool);
    turn_stop(&context->ready);
    ev_prepare_stop(context->route.loop, &context->reap);
    buffer_pool_deinit(&context->buffers);
}

void bridge_retire(struct bridge_context *context)
{
    struct bridge *bridge = NULL;
    connection_pool_retire(&context->pool);
    TAILQ_FOREACH(bridge, &context->live, link)
    {
        if (bridge->state == BRIDGE_READ_HEAD)
            continue;
        bridge->is_retiring = true;
        set_deadline(bridge);
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
