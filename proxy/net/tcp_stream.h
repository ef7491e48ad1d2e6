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
    // a write found a reset; the kernel reports it once, and a read would then find a FIN
    bool is_reset;
    struct ev_loop *loop; // borrowed
    ev_io io;
};

// tcp_stream_init takes over the connected non-blocking socket `fd`. It watches nothing until stream_want.
void tcp_stream_init(struct tcp_stream *tcp, struct ev_loop *loop, int fd);

// tcp_stream_discard closes a connected socket of which no stream will be made; with a reset where `is_reset`.
void tcp_stream_discard(struct ev_loop *loop, int fd, bool is_reset);

// tcp_stream_peek copies what has arrived, up to `cap` bytes, and leaves it to be read: for a reader that must not take more
// than belongs to it. ERR_OK with `*out_len` > 0, ERR_AGAIN, ERR_EOF or ERR_SYSTEM.
enum err tcp_stream_peek(struct tcp_stream *tcp, void *out, size_t cap, size_t *out_len) MUST_USE;

// tcp_stream_send_first sends bytes, few enough for the buffer of any socket, over a connected one that nothing was sent over
// yet: before a stream is made of it. ERR_SYSTEM where the peer has reset it.
enum err tcp_stream_send_first(int fd, struct slice bytes) MUST_USE;

// tcp_stream_is_silent tells whether nothing has come over a connected socket that no stream was made of: no byte, no end, no
// reset. One system call.
bool tcp_stream_is_silent(int fd);

// tcp_stream_fd gives the descriptor, or -1 when closed.
int tcp_stream_fd(const struct tcp_stream *tcp);

// tcp_stream_await_bytes has the stream read nothing before the loop has told that there is something: right after a connect
// a read would find nothing.
void tcp_stream_await_bytes(struct tcp_stream *tcp);

// tcp_stream_acknowledge makes the kernel acknowledge at once what has arrived. Call it when the peer has sent something
// that we do not answer: with Nagle's algorithm on, the peer sends no more before the acknowledgement, and the kernel
// delays that by up to 40 ms (RFC 1122 4.2.3.2). One system call; a failure changes nothing.
void tcp_stream_acknowledge(const struct tcp_stream *tcp);

// tcp_stream_limit_unsent makes the stream take no more while `len` bytes or more wait to be sent: for bytes of many
// sources, so that a small one does not wait for megabytes of the others. One system call; a failure changes nothing.
void tcp_stream_limit_unsent(const struct tcp_stream *tcp, int len);

// tcp_stream_is_unwatched tells whether the stream is open and wants nothing. The loop then reports nothing about it, not
// even a reset by the peer.
bool tcp_stream_is_unwatched(const struct tcp_stream *tcp);

// tcp_stream_has_failed asks the kernel whether the connection has been reset. One system call.
bool tcp_stream_has_failed(const struct tcp_stream *tcp);

// tcp_stream_has_peer_end asks the kernel whether the peer has ended its side, or the connection has been reset, even if
// there are unread bytes. One system call.
bool tcp_stream_has_peer_end(const struct tcp_stream *tcp);

// tcp_stream_take_fd gives the descriptor of an open stream to the caller, who owns it. The stream is closed; the peer sees
// nothing of that.
int tcp_stream_take_fd(struct tcp_stream *tcp);
