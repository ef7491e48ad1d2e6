// channel: the way to a client for one request after the other: a stream, and what has been read from it and belongs to no
// flow yet. In HTTP/1.1 a session has one, in HTTP/2 each request has its own.
#pragma once

#include "proxy/http/head.h"
#include "proxy/session/peer.h"

enum { INBOX_FIRST_CAP = 2048 };

// Zeroed: there is none. Fields may be read; the functions below write them.
struct channel {
    struct peer *peer;          // borrowed; who is at the other end
    struct stream *stream;      // borrowed
    uint8_t *head;              // owned; of the request under way; NULL once it needs no repeating
    size_t head_len;            // bytes
    uint8_t *inbox;             // owned; what has been read and belongs to no flow yet
    size_t inbox_len;           // bytes
    size_t inbox_cap;           // bytes
    void (*drive)(void *owner); // goes on with the request; `owner` is that of the stream
    bool is_http2;
    bool owes_ack;      // the handshake ended with a message that nothing of ours has answered
    uint32_t stream_id; // of HTTP/2; 0: the connection itself
    bool awaits_hello; // the inbox is for the first flight inside a tunnel, and no longer for heads
    bool has_end; // the client has ended its direction; also set by who reads the stream itself
};

// channel_init begins an empty one. Both are borrowed until channel_deinit, which frees what has been read.
void channel_init(struct channel *channel, struct peer *peer, struct stream *stream);
void channel_deinit(struct channel *channel);

// channel_drive goes on with the request: after it was ended from outside, or when its turn has come. It may free the
// channel.
static inline void channel_drive(struct channel *channel)
{
    channel->drive(channel->stream->owner);
}

// channel_fill reads what is there into the inbox. ERR_OK when at least a byte came, ERR_AGAIN,
// ERR_LIMIT when the inbox is full, ERR_EOF, or the stream's error.
enum err channel_fill(struct channel *channel) MUST_USE;

// channel_unread gives the bytes of the inbox, valid until it changes.
struct slice channel_unread(const struct channel *channel);

// channel_empty drops what is in the inbox, which somebody has taken, and gives its memory back.
void channel_empty(struct channel *channel);

// channel_take_head moves the head at the front of the inbox into `head`, where its slices point to from then on. It
// stays until channel_drop_head. ERR_MEMORY: nothing changes.
enum err channel_take_head(struct channel *channel, struct message_head *head) MUST_USE;

// channel_drop_head frees the head when it will not be sent again. Idempotent.
void channel_drop_head(struct channel *channel);

// channel_consume drops the first `len` bytes of the inbox, and gives the memory back that is no longer needed.
void channel_consume(struct channel *channel, size_t len);

// channel_put_back puts bytes that were read too far in front of the inbox's own. At most HEAD_MAX_LEN bytes in all;
// ERR_LIMIT, ERR_MEMORY.
enum err channel_put_back(struct channel *channel, struct slice bytes) MUST_USE;

// channel_end_reason tells how the client has ended its direction.
enum reason channel_end_reason(const struct channel *channel);

// channel_has_room tells whether reading on makes sense.
bool channel_has_room(const struct channel *channel);
