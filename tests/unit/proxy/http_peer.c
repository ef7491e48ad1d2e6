// Each connection reads requests and writes the answer that has its turn; nothing is understood but where a request ends.
#include "tests/unit/proxy/http_peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/proxy/loop_rig.h"

static struct stream *stream_of(struct http_peer_conn *conn)
{
    return conn->tls != NULL ? &conn->tls->stream : &conn->tcp.stream;
}

static void end_conn(struct http_peer_conn *conn, bool is_reset)
{
    if (!conn->tcp.is_open)
        return;
    if (!is_reset && stream_finish(stream_of(conn)) == ERR_AGAIN)
        return;
    ev_timer_stop(conn->peer->loop, &conn->more);
    stream_close(stream_of(conn), is_reset);
    tls_stream_destroy(conn->tls);
    conn->tls = NULL;
}

// request_end gives where the first request ends, or 0.
static size_t request_end(const struct http_peer_conn *conn)
{
    const char *end = strstr(conn->request, "\r\n\r\n");
    const char *length = strcasestr(conn->request, "\r\ncontent-length: ");
    if (end == NULL)
        return 0;
    const size_t head = (size_t)(end - conn->request) + 4;
    const size_t body = length != NULL && length < end ? strtoul(length + 18, NULL, 10) : 0;
    return conn->request_len >= head + body ? head + body : 0;
}

static void take_request(struct http_peer_conn *conn, size_t len)
{
    struct http_peer *peer = conn->peer;
    const size_t turn = peer->request_count++;
    assert_true(string_copy(peer->request, sizeof peer->request, slice_of(conn->request, len)));
    bytes_drop_front((uint8_t *)conn->request, conn->request_len + 1, len);
    conn->request_len -= len;
    assert_true(peer->answer_count > 0);
    conn->answer = &peer->answers[turn < peer->answer_count ? turn : peer->answer_count - 1];
    conn->sent = 0;
}

// read_some reads what has come; false: nothing, or the end.
static bool read_some(struct http_peer_conn *conn)
{
    size_t len = 0;
    if (conn->request_len == sizeof conn->request - 1)
        conn->request_len = 0; // a large one: only its last bytes count
    const size_t room = sizeof conn->request - 1 - conn->request_len;
    const enum err error =
        stream_read(stream_of(conn), conn->request + conn->request_len, room, &len);
    conn->request_len += len;
    conn->request[conn->request_len] = '\0';
    if (error != ERR_OK && error != ERR_AGAIN)
        end_conn(conn, true);
    return error == ERR_OK;
}

// write_some writes what is left of the answer. True: it is written.
static bool write_some(struct http_peer_conn *conn)
{
    const struct http_peer_answer *answer = conn->answer;
    const size_t whole = answer->bytes.len * (answer->repeats + 1);
    enum err error = ERR_OK;
    while (error == ERR_OK && conn->sent < whole) {
        size_t len = 0;
        struct slice rest = slice_from(answer->bytes, conn->sent % answer->bytes.len);
        if (answer->is_slow)
            rest = slice_first(rest, 1);
        error = stream_push(stream_of(conn), rest, &len);
        conn->sent += len;
        if (answer->is_slow && error == ERR_OK)
            break;
    }
    if (error == ERR_OK)
        error = stream_flush(stream_of(conn));
    if (error == ERR_AGAIN)
        return false;
    if (error != ERR_OK)
        end_conn(conn, true);
    if (conn->tcp.is_open && conn->sent < whole)
        ev_timer_start(conn->peer->loop, &conn->more);
    return conn->tcp.is_open && conn->sent == whole;
}

static bool shake(struct http_peer_conn *conn)
{
    if (conn->tls == NULL || conn->is_shaken)
        return true;
    const enum err error = tls_stream_handshake(conn->tls);
    conn->is_shaken = error == ERR_OK;
    if (error == ERR_AGAIN)
        stream_want(stream_of(conn), true, false);
    else if (error != ERR_OK)
        end_conn(conn, false);
    return conn->is_shaken;
}

static void drive(struct http_peer_conn *conn)
{
    if (!conn->tcp.is_open || !shake(conn))
        return;
    while (conn->tcp.is_open && read_some(conn)) {
    }
    while (conn->tcp.is_open) {
        const size_t len = conn->answer == NULL ? request_end(conn) : 0;
        if (len > 0)
            take_request(conn, len);
        if (conn->answer == NULL || !write_some(conn))
            break;
        const struct http_peer_answer *answer = conn->answer;
        conn->answer = NULL;
        if (answer->ends || answer->resets)
            end_conn(conn, answer->resets);
    }
    if (conn->tcp.is_open)
        stream_want(stream_of(conn), true, conn->answer != NULL && !ev_is_active(&conn->more));
}

static void on_ready(void *owner)
{
    drive(owner);
}

static void on_more(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    drive(timer->data);
}

static enum err judge(void *arg, const STACK_OF(CRYPTO_BUFFER) *chain, enum tls_alert *out_alert)
{
    (void)arg;
    (void)chain;
    *out_alert = TLS_ALERT_UNKNOWN_CA;
    return ERR_OK;
}

static void on_accept(struct ev_loop *loop, ev_io *io, int events)
{
    (void)events;
    struct http_peer *peer = io->data;
    const int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(fd >= 0);
    struct http_peer_conn *conn = NULL;
    for (size_t i = 0; i < HTTP_PEER_CONNS && conn == NULL; i++) {
        if (!peer->conns[i].tcp.is_open)
            conn = &peer->conns[i];
    }
    assert_non_null(conn);
    peer->accept_count++;
    *conn = (struct http_peer_conn){.peer = peer};
    ev_timer_init(&conn->more, on_more, 0., 0.);
    conn->more.data = conn;
    tcp_stream_init(&conn->tcp, loop, fd);
    conn->tcp.stream.on_ready = on_ready;
    conn->tcp.stream.owner = conn;
    if (peer->tls != NULL) {
        conn->tls = tls_stream_create(peer->tls, &conn->tcp.stream, &peer->pool, judge, conn);
        assert_non_null(conn->tls);
        conn->tls->stream.on_ready = on_ready;
        conn->tls->stream.owner = conn;
    }
    if (peer->answer_count > 0 && peer->answers[0].is_eager)
        conn->answer = &peer->answers[0];
    drive(conn);
}

void http_peer_start(struct http_peer *peer, struct ev_loop *loop)
{
    const struct ip_addr addr = loop_rig_ip("127.0.0.1");
    peer->loop = loop;
    const int fd = loop_rig_listen(&addr, &peer->port, 16);
    ev_io_init(&peer->io, on_accept, fd, EV_READ);
    peer->io.data = peer;
    ev_io_start(loop, &peer->io);
}

struct http_peer_answer *http_peer_say(struct http_peer *peer, struct slice bytes)
{
    assert_true(peer->answer_count < HTTP_PEER_ANSWERS);
    struct http_peer_answer *answer = &peer->answers[peer->answer_count++];
    *answer = (struct http_peer_answer){.bytes = bytes};
    return answer;
}

void http_peer_hang_up(struct http_peer *peer)
{
    for (size_t i = 0; i < HTTP_PEER_CONNS; i++)
        end_conn(&peer->conns[i], true);
}

void http_peer_stop(struct http_peer *peer)
{
    http_peer_hang_up(peer);
    ev_io_stop(peer->loop, &peer->io);
    assert_int_equal(close(peer->io.fd), 0);
    tls_context_unref(peer->tls);
    buffer_pool_deinit(&peer->pool);
}
