// pipe: the stream below a connection whose other side is the fuzzer's input, in pieces.
#pragma once

#include "proxy/net/stream.h"

// A stream in memory that takes everything.
struct pipe {
    struct stream stream; // first
    struct slice first;   // is read before `rest`
    struct slice rest;
    size_t piece_len; // bytes of `rest` that are read at once
};

static enum err pipe_read(struct stream *stream, void *out, size_t cap, size_t *out_len)
{
    struct pipe *pipe = (struct pipe *)stream;
    const bool is_first = pipe->first.len > 0;
    struct slice *from = is_first ? &pipe->first : &pipe->rest;
    const struct slice piece =
        slice_first(is_first ? *from : slice_first(*from, pipe->piece_len), cap);
    *out_len = piece.len;
    *from = slice_from(*from, piece.len);
    if (piece.len == 0)
        return ERR_EOF;
    return bytes_copy(out, cap, piece) ? ERR_OK : ERR_SYSTEM;
}

static enum err pipe_write(struct stream *stream, struct slice bytes, size_t *out_len)
{
    (void)stream;
    *out_len = bytes.len;
    return ERR_OK;
}

static enum err pipe_flush(struct stream *stream)
{
    (void)stream;
    return ERR_OK;
}

static void pipe_want(struct stream *stream, bool read, bool write)
{
    (void)stream, (void)read, (void)write;
}

static void pipe_close(struct stream *stream, bool is_reset)
{
    (void)stream, (void)is_reset;
}

static const struct stream_ops pipe_ops = {
    .read = pipe_read,
    .write = pipe_write,
    .flush = pipe_flush,
    .finish = pipe_flush,
    .want = pipe_want,
    .close = pipe_close,
};

// pipe_of gives one that is read in pieces of `piece_len` bytes.
static inline struct pipe pipe_of(struct slice rest, size_t piece_len)
{
    return (struct pipe){.stream = {.ops = &pipe_ops}, .rest = rest, .piece_len = piece_len};
}
