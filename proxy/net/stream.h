// stream: bytes to and from one peer, over plain TCP or TLS. Its user does not know which.
//
// No operation blocks, calls back or frees. What it cannot do now it does when it is called again after `on_ready`. A
// stream remembers readiness: an operation that would only meet EAGAIN makes no system call. So callers may try as often
// as they like.
//
// ERR_EOF from stream_read is the peer's orderly end (TLS: close_notify; TCP: FIN). With stream_is_truncated it is a FIN
// where TLS demands close_notify. ERR_SYSTEM is a reset, ERR_INPUT a TLS error. stream_finish ends our direction in an
// orderly way; the other direction goes on.
#pragma once

#include "auth/base/err.h"
#include "auth/base/slice.h"

struct stream;

struct stream_ops {
    enum err (*read)(struct stream *stream, void *out, size_t cap, size_t *out_len);
    enum err (*write)(struct stream *stream, struct slice bytes, size_t *out_len);
    enum err (*flush)(struct stream *stream);
    enum err (*finish)(struct stream *stream);
    void (*want)(struct stream *stream, bool read, bool write);
    bool (*is_truncated)(const struct stream *stream); // NULL: never
    void (*close)(struct stream *stream, bool is_reset);
};

struct stream {
    const struct stream_ops *ops;  // static memory
    void (*on_ready)(void *owner); // called from the loop when something may be possible
    void *owner;                   // borrowed; argument of on_ready
};

// stream_read reads what has arrived, up to `cap` bytes. ERR_OK with `*out_len` > 0, ERR_AGAIN, ERR_EOF, ERR_SYSTEM,
// ERR_INPUT or ERR_MEMORY.
static inline enum err MUST_USE stream_read(struct stream *stream, void *out, size_t cap,
                                            size_t *out_len)
{
    return stream->ops->read(stream, out, cap, out_len);
}

// stream_write takes as many of `bytes` as it can: ERR_OK with `*out_len` > 0, ERR_AGAIN with 0, ERR_SYSTEM, ERR_INPUT or
// ERR_MEMORY. The stream may hold these bytes until stream_flush. After ERR_AGAIN a successful flush makes room. Over TLS
// each call begins a record.
static inline enum err MUST_USE stream_write(struct stream *stream, struct slice bytes,
                                             size_t *out_len)
{
    return stream->ops->write(stream, bytes, out_len);
}

// stream_flush sends what stream_write has taken. ERR_OK when nothing is left, ERR_AGAIN, or an error.
static inline enum err MUST_USE stream_flush(struct stream *stream)
{
    return stream->ops->flush(stream);
}

// stream_push writes like stream_write, and flushes first if that makes room. ERR_AGAIN: wait for the event.
static inline enum err MUST_USE stream_push(struct stream *stream, struct slice bytes,
                                            size_t *out_len)
{
    const enum err error = stream_write(stream, bytes, out_len);
    if (error != ERR_AGAIN)
        return error;
    TRY(stream_flush(stream));
    return stream_write(stream, bytes, out_len);
}

// stream_finish ends our direction: it flushes, then sends close_notify and FIN. ERR_OK when done, ERR_AGAIN to be called
// again, or an error. May be repeated.
static inline enum err MUST_USE stream_finish(struct stream *stream)
{
    return stream->ops->finish(stream);
}

// stream_want sets when on_ready is called: when there are bytes to read, or room to write. Bytes that the stream itself
// still holds count as a wish to write.
static inline void stream_want(struct stream *stream, bool read, bool write)
{
    stream->ops->want(stream, read, write);
}

// stream_is_truncated tells whether ERR_EOF came without the close_notify that TLS demands.
static inline bool stream_is_truncated(const struct stream *stream)
{
    return stream->ops->is_truncated != NULL && stream->ops->is_truncated(stream);
}

// stream_close closes the descriptor at once. With `is_reset` the peer sees a reset instead of an orderly end. on_ready is
// not called again. May be repeated.
static inline void stream_close(struct stream *stream, bool is_reset)
{
    stream->ops->close(stream, is_reset);
}
