// tcp_stream: a stream over a connected TCP socket.
#pragma once

#include <ev.h>

#include "proxy/net/stream.h"

// Embedded by its owner; the fields are private to tcp_stream.c.
struct tcp_stream {
    struct stream stream; // first
    uint32_t magic;
    bool is_open;
    bool can_read;  // the socket has not said EAGAIN since the last event
    bool can_write; // likewise
    bool is_finished;
    bool is_reset; // a write was told so; the system tells it once, and reading would find a FIN
    struct ev_loop *loop; // borrowed
    ev_io io;
};

// tcp_stream_init takes over the connected non-blocking socket `fd`. Nothing is wanted yet.
void tcp_stream_init(struct tcp_stream *tcp, struct ev_loop *loop, int fd);

// tcp_stream_discard closes a connected socket of which no stream will be made; with a reset where `is_reset`.
void tcp_stream_discard(struct ev_loop *loop, int fd, bool is_reset);

// tcp_stream_fd gives the descriptor, or -1 when closed.
int tcp_stream_fd(const struct tcp_stream *tcp);

// tcp_stream_acknowledge acknowledges at once what has come. To be called where the peer has said something that
// nothing of ours answers: one with Nagle's algorithm on says no more before it is acknowledged, and the kernel would
// wait up to 40 ms for bytes to send it with (RFC 1122 4.2.3.2). One system call; a failure changes nothing.
void tcp_stream_acknowledge(const struct tcp_stream *tcp);

// tcp_stream_is_unwatched tells whether the stream is open and nothing is wanted from it: the loop tells nothing of it then,
// not even that the peer has reset the connection.
bool tcp_stream_is_unwatched(const struct tcp_stream *tcp);

// tcp_stream_has_failed asks the kernel whether the connection has been reset; one system call.
bool tcp_stream_has_failed(const struct tcp_stream *tcp);

// tcp_stream_has_peer_end asks the kernel whether the peer has ended its side or the connection has been reset, also
// where bytes are unread; one system call.
bool tcp_stream_has_peer_end(const struct tcp_stream *tcp);

// tcp_stream_take_fd hands the descriptor of an open stream over; the caller owns it, and the stream is
// closed without a word to the peer.
int tcp_stream_take_fd(struct tcp_stream *tcp);
