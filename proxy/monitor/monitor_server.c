// A connection is read until its head is there, then its call belongs to the owner, then the answer goes out. Our end is
// said first, and what the client still sends is dropped for a while, so that no reset destroys the answer.
#include "proxy/monitor/monitor_server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "auth/base/array.h"
#include "proxy/loop/acceptor.h"
#include "proxy/net/sockaddr.h"
#include "proxy/net/tcp_stream.h"
#include "proxy/tls/tls_server.h"

enum {
    CALL_MAGIC = 0x300171CA,
    BODY_MAX = 64 * 1024 * 1024,
    FIRST_BODY_CAP = 16 * 1024,
    PIECE_LEN = 8 * 1024,
    DROP_CAP = 4096,
    DROPPED_MAX = 64 * 1024, // bytes that a client may send after its request
    SOURCE_BYTES = 8,        // of an address that tell sources apart; IPv6: /64
};

static const ev_tstamp request_s = 10.;
static const ev_tstamp answer_s = 60.;
static const ev_tstamp linger_s = 2.;

enum call_state {
    CALL_GREETING, // TLS, until the client's certificate is judged, if it shows one
    CALL_READING,  // its head is not complete
    CALL_OPEN,     // the owner has it
    CALL_WRITING,  // the answer is on its way
    CALL_CLOSING,  // our end is said; the client's is awaited
};

TAILQ_HEAD(call_list, monitor_call);

struct monitor_server {
    struct ev_loop *loop;                  // borrowed
    const struct admin_settings *settings; // borrowed
    struct monitor_events events;
    struct buffer_pool pool; // of TLS
    int fd;                  // owned
    struct acceptor acceptor;
    struct call_list calls;
    size_t call_count;
};

struct monitor_call {
    uint32_t magic;
    enum call_state state;
    struct monitor_server *server; // borrowed; NULL: it is gone, and so is the connection
    struct ev_loop *loop;          // borrowed
    TAILQ_ENTRY(monitor_call) link;
    struct tcp_stream tcp;
    struct tls_stream *tls; // owned; NULL: in the clear
    struct stream *stream;  // one of the two
    ev_timer timer;
    struct monitor_source source;
    uint16_t port;
    struct trust_verdict verdict; // of its certificate; owned
    struct monitor_request request;
    char head[MONITOR_HEAD_MAX];
    size_t head_len;
    struct text text; // what comes next of the body
    char piece[PIECE_LEN];
    bool is_cut; // the body is not whole
    char *body;  // owned
    size_t body_len;
    size_t body_cap;
    char start[1024]; // the head of the answer
    size_t start_len;
    size_t sent_len; // of head and body together
    size_t dropped_len;
};

static void destroy(struct monitor_call *call)
{
    stream_close(call->stream, false);
    tls_stream_destroy(call->tls);
    ev_timer_stop(call->loop, &call->timer);
    if (call->server != NULL) {
        TAILQ_REMOVE(&call->server->calls, call, link);
        call->server->call_count--;
    }
    identity_destroy(call->verdict.identity);
    identity_destroy(call->verdict.presented);
    free(call->body);
    call->magic = 0;
    free(call);
}

// enter begins a state, with its time.
static void enter(struct monitor_call *call, enum call_state state, ev_tstamp patience_s)
{
    call->state = state;
    ev_timer_stop(call->loop, &call->timer);
    ev_timer_set(&call->timer, patience_s, 0.);
    if (patience_s > 0.)
        ev_timer_start(call->loop, &call->timer);
}

// take adds bytes to the body.
static void take(void *arg, struct slice bytes)
{
    struct monitor_call *call = arg;
    ASSERT(call->magic == CALL_MAGIC && call->state == CALL_OPEN);
    const size_t needed = call->body_len + bytes.len;
    if (call->is_cut)
        return;
    char *body =
        needed > BODY_MAX ? NULL : array_fit(call->body, needed, &call->body_cap, FIRST_BODY_CAP);
    if (body == NULL) {
        call->is_cut = true;
        return;
    }
    call->body = body;
    (void)bytes_copy(call->body + call->body_len, call->body_cap - call->body_len, bytes);
    call->body_len += bytes.len;
}

static const char *phrase_of(uint16_t status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 431:
        return "Request Header Fields Too Large";
    default:
        return "Service Unavailable";
    }
}

// make_start writes the head of the answer.
static void make_start(struct monitor_call *call, uint16_t status, const char *content_type,
                       const char *policy)
{
    struct text text;
    text_init(&text, call->start, sizeof call->start);
    text_append_format(
        &text,
        "HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s"
        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
        "Cross-Origin-Resource-Policy: same-origin\r\nReferrer-Policy: no-referrer\r\n"
        "Content-Security-Policy: %s\r\nConnection: close\r\n\r\n",
        status, phrase_of(status), content_type, call->body_len,
        status == 405 ? "Allow: GET, HEAD\r\n" : "",
        policy == NULL ? "default-src 'none'; frame-ancestors 'none'" : policy);
    ASSERT(!text.is_cut);
    call->start_len = text.len;
}

// next_bytes gives what is to be sent next; empty at the end.
static struct slice next_bytes(const struct monitor_call *call)
{
    if (call->sent_len < call->start_len)
        return slice_from(slice_of(call->start, call->start_len), call->sent_len);
    return call->request.is_head
               ? (struct slice){0}
               : slice_from(slice_of(call->body, call->body_len), call->sent_len - call->start_len);
}

// drop reads what the client sends after its request. ERR_AGAIN, or its end.
static enum err drop(struct monitor_call *call)
{
    char data[DROP_CAP];
    size_t len = 0;
    enum err error = ERR_OK;
    while (error == ERR_OK && call->dropped_len < DROPPED_MAX) {
        error = stream_read(call->stream, data, sizeof data, &len);
        call->dropped_len += len;
    }
    return error;
}

// close_step waits for the client's end; may destroy the call.
static void close_step(struct monitor_call *call)
{
    if (drop(call) == ERR_AGAIN)
        stream_want(call->stream, true, false);
    else
        destroy(call);
}

// write_step sends as much as the socket takes; may destroy the call.
static void write_step(struct monitor_call *call)
{
    struct stream *stream = call->stream;
    enum err error = ERR_OK;
    struct slice bytes = next_bytes(call);
    while (error == ERR_OK && bytes.len > 0) {
        size_t len = 0;
        error = stream_push(stream, bytes, &len);
        call->sent_len += len;
        bytes = next_bytes(call);
    }
    if (error == ERR_OK)
        error = stream_finish(stream);
    if (error == ERR_AGAIN) {
        stream_want(stream, false, true);
    } else if (error == ERR_OK) {
        enter(call, CALL_CLOSING, linger_s);
        close_step(call);
    } else {
        destroy(call);
    }
}

void monitor_call_end(struct monitor_call *call, uint16_t status, const char *content_type,
                      const char *policy)
{
    ASSERT(call->magic == CALL_MAGIC && call->state == CALL_OPEN);
    text_flush(&call->text);
    if (call->is_cut || call->text.is_cut) {
        status = 503;
        content_type = "text/plain; charset=utf-8";
        policy = NULL;
        call->body_len = 0;
    }
    if (call->server == NULL) {
        destroy(call);
        return;
    }
    make_start(call, status, content_type, policy);
    enter(call, CALL_WRITING, answer_s);
    write_step(call);
}

// refuse answers with a sentence.
static void refuse(struct monitor_call *call, uint16_t status, const char *why)
{
    enter(call, CALL_OPEN, 0.);
    text_append_format(&call->text, "%s\n", why);
    monitor_call_end(call, status, "text/plain; charset=utf-8", NULL);
}

// take_head looks at a complete head.
static void take_head(struct monitor_call *call, const struct message_head *head)
{
    struct monitor_server *server = call->server;
    const struct monitor_refusal refusal =
        monitor_request_decide(server->settings, &call->source, head, &call->request);
    stream_want(call->stream, false, false);
    call->request.is_head = slice_equal(head->method_text, SLICE_LITERAL("HEAD"));
    if (refusal.status != 0) {
        refuse(call, refusal.status, refusal.why);
        return;
    }
    enter(call, CALL_OPEN, 0.);
    server->events.on_call(server->events.arg, call);
}

static void read_step(struct monitor_call *call)
{
    struct message_head head;
    const char *why = "";
    size_t len = 0;
    const enum err error = stream_read(call->stream, call->head + call->head_len,
                                       sizeof call->head - call->head_len, &len);
    call->head_len += len;
    if (error == ERR_AGAIN)
        return;
    if (error != ERR_OK) {
        destroy(call);
        return;
    }
    switch (
        request_head_parse(slice_of(call->head, call->head_len), sizeof call->head, &head, &why)) {
    case HEAD_OK:
        take_head(call, &head);
        break;
    case HEAD_MORE:
        if (call->head_len == sizeof call->head)
            refuse(call, 431, "the request is too long");
        break;
    case HEAD_BAD:
        refuse(call, 400, why);
        break;
    case HEAD_TOO_LARGE:
        refuse(call, 431, why);
        break;
    }
}

// tell_failure tells the owner of a handshake that came to nothing. One who has said nothing is no client.
static void tell_failure(const struct monitor_call *call)
{
    const struct monitor_events *events = &call->server->events;
    if (call->tls->has_begun)
        events->on_failure(events->arg, &(struct monitor_failure){.address = &call->source.address,
                                                                  .port = call->port,
                                                                  .tls = call->tls,
                                                                  .verdict = &call->verdict});
}

// greet goes on with the handshake; may destroy the call.
static void greet(struct monitor_call *call)
{
    const enum err error = tls_stream_handshake(call->tls);
    if (error == ERR_AGAIN) {
        stream_want(call->stream, true, false);
    } else if (error == ERR_OK) {
        call->state = CALL_READING; // its time goes on
        stream_want(call->stream, true, false);
        read_step(call);
    } else {
        (void)!stream_flush(call->stream); // the alert, as far as it goes out at once
        tell_failure(call);
        destroy(call);
    }
}

// on_verify asks the owner about the client's certificate.
static enum err on_verify(void *arg, const STACK_OF(CRYPTO_BUFFER) *chain,
                          enum tls_alert *out_alert)
{
    struct monitor_call *call = arg;
    ASSERT(call->magic == CALL_MAGIC);
    const struct monitor_events *events = &call->server->events;
    const enum err error = events->judge(events->arg, chain, &call->verdict, out_alert);
    call->source.is_trusted = error == ERR_OK;
    return error;
}

static void on_ready(void *owner)
{
    struct monitor_call *call = owner;
    ASSERT(call->magic == CALL_MAGIC);
    switch (call->state) {
    case CALL_GREETING:
        greet(call);
        break;
    case CALL_READING:
        read_step(call);
        break;
    case CALL_OPEN:
        break;
    case CALL_WRITING:
        write_step(call);
        break;
    case CALL_CLOSING:
        close_step(call);
        break;
    }
}

// on_timer drops one who is too slow. An open call has no timer.
static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct monitor_call *call = timer->data;
    ASSERT(call->magic == CALL_MAGIC);
    if (call->state == CALL_GREETING)
        tell_failure(call);
    destroy(call);
}

static bool is_same_source(const struct ip_addr *a, const struct ip_addr *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, SOURCE_BYTES) == 0;
}

static size_t count_of_source(const struct monitor_server *server, const struct ip_addr *address)
{
    size_t count = 0;
    const struct monitor_call *call = NULL;
    TAILQ_FOREACH(call, &server->calls, link)
    {
        count += is_same_source(&call->source.address, address);
    }
    return count;
}

// find_dispensable finds the connection that may go where another needs its place: one without a whole request, or with its
// whole answer. Of the source with the most connections, so that nobody takes the places of others by coming often; and of
// these the one that has waited longest. NULL: all are being answered.
static struct monitor_call *find_dispensable(const struct monitor_server *server)
{
    struct monitor_call *found = NULL;
    struct monitor_call *call = NULL;
    size_t most = 0;
    TAILQ_FOREACH(call, &server->calls, link)
    {
        if (call->state == CALL_OPEN || call->state == CALL_WRITING)
            continue;
        const size_t count = count_of_source(server, &call->source.address);
        if (count > most) {
            most = count;
            found = call;
        }
    }
    return found;
}

static bool has_room(void *arg)
{
    const struct monitor_server *server = arg;
    return server->call_count < MONITOR_CALLS_MAX || find_dispensable(server) != NULL;
}

// begin_call takes over a connected socket, for which there is room. Those who may see nothing are not answered.
static void begin_call(void *arg, int fd)
{
    struct monitor_server *server = arg;
    struct ip_addr address = {0};
    uint16_t port = 0;
    const bool is_unix = server->settings->socket_path != NULL;
    const bool is_known = is_unix || socket_name(fd, SOCKET_PEER, &address, &port);
    address = ip_addr_canonical(&address);
    const struct monitor_source source = monitor_source_of(server->settings, &address);
    const bool may_speak = is_known && monitor_may_speak(server->settings, &source);
    struct monitor_call *call = may_speak ? calloc(1, sizeof *call) : NULL;
    if (is_known && !may_speak)
        server->events.on_stranger(server->events.arg, &source.address);
    if (call == NULL) {
        (void)close(fd);
        return;
    }
    if (server->call_count >= MONITOR_CALLS_MAX)
        destroy(find_dispensable(server));
    call->magic = CALL_MAGIC;
    call->server = server;
    call->loop = server->loop;
    call->source = source;
    call->port = port;
    text_init_sink(&call->text, call->piece, sizeof call->piece, take, call);
    tcp_stream_init(&call->tcp, server->loop, fd);
    call->stream = &call->tcp.stream;
    call->tcp.stream.on_ready = on_ready;
    call->tcp.stream.owner = call;
    ev_timer_init(&call->timer, on_timer, 0., 0.);
    call->timer.data = call;
    TAILQ_INSERT_TAIL(&server->calls, call, link);
    server->call_count++;
    if (server->settings->tls == NULL) {
        enter(call, CALL_READING, request_s);
        stream_want(call->stream, true, false);
        return;
    }
    call->tls =
        tls_stream_create(server->settings->tls, &call->tcp.stream, &server->pool, on_verify, call);
    if (call->tls == NULL) {
        destroy(call);
        return;
    }
    call->stream = &call->tls->stream;
    enter(call, CALL_GREETING, request_s);
    greet(call);
}

struct monitor_server *monitor_server_create(struct ev_loop *loop, int fd,
                                             const struct admin_settings *settings,
                                             const struct monitor_events *events)
{
    struct monitor_server *server = calloc(1, sizeof *server);
    if (server == NULL)
        return NULL;
    server->loop = loop;
    server->settings = settings;
    server->events = *events;
    TAILQ_INIT(&server->calls);
    server->fd = fd;
    const struct acceptor_events accepting = {
        .has_room = has_room, .on_accept = begin_call, .arg = server};
    acceptor_start(&server->acceptor, loop, fd, &accepting);
    return server;
}

void monitor_server_configure(struct monitor_server *server, const struct admin_settings *settings)
{
    server->settings = settings;
}

int monitor_server_fd(const struct monitor_server *server)
{
    return server->fd;
}

void monitor_server_destroy(struct monitor_server *server)
{
    if (server == NULL)
        return;
    while (!TAILQ_EMPTY(&server->calls)) {
        struct monitor_call *call = TAILQ_FIRST(&server->calls);
        if (call->state != CALL_OPEN) {
            destroy(call);
            continue;
        }
        TAILQ_REMOVE(&server->calls, call, link);
        call->server = NULL;
        stream_close(call->stream, false);
        tls_stream_destroy(call->tls);
        call->tls = NULL;
        call->stream = &call->tcp.stream;
    }
    buffer_pool_deinit(&server->pool);
    acceptor_stop(&server->acceptor);
    (void)close(server->fd);
    free(server);
}

const struct monitor_request *monitor_call_request(const struct monitor_call *call)
{
    return &call->request;
}

struct text *monitor_call_text(struct monitor_call *call)
{
    return &call->text;
}
