// buffer: memory for bytes in flight. A flow borrows it from its worker's pool and gives it back when it is empty, so an
// idle tunnel holds none.
//
// Each worker has one pool, used on its thread only. Used buffers stay in the pool. The pool grows only when more bytes
// are in flight than ever before on that worker. It has small ones, too, for those who hold bytes in many places.
#pragma once

#include "auth/base/slice.h"

enum {
    // Bytes: what a flow reads at once, and the overhead of eight TLS records.
    BUFFER_CAP = 128 * 1024,
};

struct buffer {
    uint32_t start; // first unread byte
    uint32_t end;   // one after the last byte
    uint8_t data[BUFFER_CAP];
};

enum { PIECE_CAP = 16 * 1024 };

// A small buffer. Its fields are its borrower's; `next` is NULL when it is lent.
struct piece {
    struct piece *next;
    uint32_t start; // first unread byte
    uint32_t end;   // one after the last byte
    uint8_t data[PIECE_CAP];
};

// Those of one size. Private to buffer.c, but for the counts.
struct spares {
    struct spare *first; // owned
    size_t spare_count;
    size_t lent_count;
};

// Zeroed: it has none.
struct buffer_pool {
    struct spares buffers;
    struct spares pieces;
};

// Spare ones kept; more are freed when given back. Few are kept of either size once a crowd has gone.
enum { BUFFER_POOL_FEW = 4, BUFFER_POOL_KEEP = 32, BUFFER_POOL_KEEP_PIECES = 8 };

// buffer_pool_deinit frees the spare buffers. All lent ones must be back.
void buffer_pool_deinit(struct buffer_pool *pool);

// buffer_pool_trim frees the spare buffers except `most` of either size.
void buffer_pool_trim(struct buffer_pool *pool, size_t most);

// buffer_pool_take_piece lends an empty piece. NULL without memory. buffer_pool_give_piece takes it back.
struct piece *buffer_pool_take_piece(struct buffer_pool *pool);
void buffer_pool_give_piece(struct buffer_pool *pool, struct piece *piece);

// buffer_pool_take lends an empty buffer. NULL without memory.
struct buffer *buffer_pool_take(struct buffer_pool *pool);

// buffer_pool_give takes `*buffer` back and clears the caller's pointer. `*buffer` may be NULL.
void buffer_pool_give(struct buffer_pool *pool, struct buffer **buffer);

// buffer_pool_give_if_empty takes `*buffer` back if everything in it has been read.
void buffer_pool_give_if_empty(struct buffer_pool *pool, struct buffer **buffer);

// buffer_len gives the number of unread bytes; 0 for NULL.
static inline size_t buffer_len(const struct buffer *buffer)
{
    return buffer == NULL ? 0 : buffer->end - buffer->start;
}

// buffer_room gives the number of bytes that can be added.
static inline size_t buffer_room(const struct buffer *buffer)
{
    return BUFFER_CAP - buffer->end;
}

// buffer_unread gives the unread bytes, valid until the buffer changes.
static inline struct slice buffer_unread(const struct buffer *buffer)
{
    return buffer == NULL ? (struct slice){0}
                          : slice_of(buffer->data + buffer->start, buffer->end - buffer->start);
}

// buffer_consume drops `count` unread bytes from the front.
void buffer_consume(struct buffer *buffer, size_t count);

// buffer_produce adds `count` bytes that the caller has written after the end.
void buffer_produce(struct buffer *buffer, size_t count);

// buffer_append copies `bytes` after the end. False if they do not fit: then nothing is copied.
bool buffer_append(struct buffer *buffer, struct slice bytes);
