#include "tests/unit/store/store_peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/proxy/loop_rig.h"

bool store_peer_word(const struct resp *command, const char *word)
{
    return slice_equal(command->items[0].text, slice_of_string(word));
}

static void end_conn(struct store_peer_conn *conn)
{
    if (conn->tcp.is_open)
        stream_close(&conn->tcp.stream, false);
    resp_reader_destroy(conn->reader);
    conn->reader = NULL;
}

static void say(struct store_peer_conn *conn, const char *bytes)
{
    struct slice rest = slice_of_string(bytes);
    while (rest.len > 0) {
        size_t len = 0;
        if (stream_push(&conn->tcp.stream, rest, &len) != ERR_OK)
            return; // the other side has gone
        rest = slice_from(rest, len);
    }
}

static void note_words(struct store_peer *peer, const struct resp *command)
{
    size_t len = strlen(peer->words);
    for (size_t i = 0; i < command->count; i++) {
        const struct slice word = command->items[i].text;
        if (len + word.len + 2 >= sizeof peer->words)
            return;
        assert_true(string_copy(peer->words + len, sizeof peer->words - len, word));
        len += word.len;
        peer->words[len++] = i + 1 < command->count ? ' ' : ';';
        peer->words[len] = '\0';
    }
}

static void take_commands(struct store_peer_conn *conn)
{
    struct resp *command = NULL;
    const char *why = NULL;
    while (conn->reader != NULL && resp_reader_next(conn->reader, &command, &why) == RESP_OK) {
        assert_int_equal(command->kind, RESP_ARRAY);
        assert_true(command->count > 0);
        note_words(conn->peer, command);
        const char *bytes = conn->peer->answer(conn->peer->arg, command);
        resp_free(command);
        if (bytes != NULL && conn->tcp.is_open)
            say(conn, bytes);
    }
}

static void on_ready(void *owner)
{
    struct store_peer_conn *conn = owner;
    uint8_t bytes[16384];
    size_t len = 0;
    enum err error = ERR_OK;
    while (error == ERR_OK && conn->tcp.is_open) {
        error = stream_read(&conn->tcp.stream, bytes, sizeof bytes, &len);
        if (error != ERR_OK)
            break;
        resp_reader_feed(conn->reader, slice_of(bytes, len));
        take_commands(conn);
    }
    if (error == ERR_AGAIN) {
        stream_want(&conn->tcp.stream, true, false);
        return;
    }
    conn->peer->has_ended = true;
    conn->peer->is_reset |= error == ERR_SYSTEM;
    end_conn(conn);
}

static void on_accept(struct ev_loop *loop, ev_io *io, int events)
{
    (void)events;
    struct store_peer *peer = io->data;
    const int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    struct store_peer_conn *conn = &peer->conns[peer->accept_count++ % STORE_PEER_CONNS];
    end_conn(conn);
    *conn = (struct store_peer_conn){.peer = peer, .reader = resp_reader_create()};
    assert_non_null(conn->reader);
    tcp_stream_init(&conn->tcp, loop, fd);
    conn->tcp.stream.on_ready = on_ready;
    conn->tcp.stream.owner = conn;
    stream_want(&conn->tcp.stream, true, false);
}

void store_peer_start(struct store_peer *peer, struct ev_loop *loop, store_peer_answer *answer,
                      void *arg)
{
    const struct ip_addr address = loop_rig_ip("127.0.0.1");
    const int fd = loop_rig_listen(&address, &peer->port, 16);
    peer->loop = loop;
    peer->answer = answer;
    peer->arg = arg;
    ev_io_init(&peer->io, on_accept, fd, EV_READ);
    peer->io.data = peer;
    ev_io_start(loop, &peer->io);
}

void store_peer_say(struct store_peer *peer, const char *bytes)
{
    for (size_t i = 0; i < STORE_PEER_CONNS; i++) {
        if (peer->conns[i].tcp.is_open)
            say(&peer->conns[i], bytes);
    }
}

void store_peer_hang_up(struct store_peer *peer)
{
    for (size_t i = 0; i < STORE_PEER_CONNS; i++)
        end_conn(&peer->conns[i]);
}

void store_peer_stop(struct store_peer *peer)
{
    store_peer_hang_up(peer);
    if (peer->loop == NULL)
        return;
    ev_io_stop(peer->loop, &peer->io);
    (void)close(peer->io.fd);
    peer->loop = NULL;
}
