// line: the connection to a target: a socket of our own, or a way through a parent.
//
// Its users read and write `stream`, whichever it is. Knows no requests.
#pragma once

#include "proxy/net/tcp_stream.h"
#include "proxy/session/channel.h"
#include "proxy/uplink/uplink.h"

// Embedded. Zeroed: there is none. Its users may read `stream`.
struct line {
    struct stream
        *stream; // borrowed from one of the two; NULL: there is none, or it has been closed
    struct tcp_stream tcp;
    struct uplink *uplink; // owned; NULL: it is the socket
};

// line_open_socket takes over a connected socket. Events wake the owner of the channel's stream, here and below.
void line_open_socket(struct line *line, struct channel *channel, int fd);

// line_open_uplink takes over a way that is ready, and of which the head of the answer has been read.
void line_open_uplink(struct line *line, struct uplink *uplink);

// line_move makes `to`, which has none, what `from` is, which then has none. Nothing of `from` may be used any more.
void line_move(struct line *from, struct line *to, struct channel *channel);

// line_await_bytes: see tcp_stream_await_bytes.
void line_await_bytes(struct line *line);

// line_flush sends soon what has been written. To be called after the stream was used.
void line_flush(struct line *line);

// line_is_lost tells whether the connection that it shares has ended in the middle of it.
bool line_is_lost(const struct line *line);

// line_take_fd gives the socket to the caller; -1: it is none, or it is none that can be given.
int line_take_fd(struct line *line);

// line_close ends it. A zeroed one is allowed. Idempotent.
void line_close(struct line *line, bool is_reset);
