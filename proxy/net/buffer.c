// A list of spare buffers, last in, first out, so that the warm one is lent first.
#include "proxy/net/buffer.h"

#include <stdlib.h>

#include "auth/base/err.h"

// keep frees all spare buffers but `count`.
static void keep(struct buffer_pool *pool, size_t count)
{
    while (pool->spare_count > count) {
        struct buffer *next = pool->spare->next;
        free(pool->spare);
        pool->spare = next;
        pool->spare_count--;
    }
    while (pool->spare_piece_count > count) {
        struct piece *next = pool->spare_piece->next;
        free(pool->spare_piece);
        pool->spare_piece = next;
        pool->spare_piece_count--;
    }
}

void buffer_pool_deinit(struct buffer_pool *pool)
{
    ASSERT(pool->lent_count == 0 && pool->lent_piece_count == 0);
    keep(pool, 0);
}

void buffer_pool_trim(struct buffer_pool *pool)
{
    keep(pool, BUFFER_POOL_FEW);
}

struct buffer *buffer_pool_take(struct buffer_pool *pool)
{
    struct buffer *buffer = pool->spare;
    if (buffer != NULL) {
        pool->spare = buffer->next;
        pool->spare_count--;
    } else {
        buffer = malloc(sizeof *buffer);
        if (buffer == NULL)
            return NULL;
    }
    pool->lent_count++;
    buffer->next = NULL;
    buffer->start = 0;
    buffer->end = 0;
    return buffer;
}

void buffer_pool_give(struct buffer_pool *pool, struct buffer **buffer)
{
    struct buffer *back = *buffer;
    *buffer = NULL;
    if (back == NULL)
        return;
    ASSERT(pool->lent_count > 0);
    pool->lent_count--;
    if (pool->spare_count >= BUFFER_POOL_KEEP) {
        free(back);
        return;
    }
    back->next = pool->spare;
    pool->spare = back;
    pool->spare_count++;
}

void buffer_pool_give_if_empty(struct buffer_pool *pool, struct buffer **buffer)
{
    if (*buffer != NULL && buffer_len(*buffer) == 0)
        buffer_pool_give(pool, buffer);
}

struct piece *buffer_pool_take_piece(struct buffer_pool *pool)
{
    struct piece *piece = pool->spare_piece;
    if (piece != NULL) {
        pool->spare_piece = piece->next;
        pool->spare_piece_count--;
    } else {
        piece = malloc(sizeof *piece);
        if (piece == NULL)
            return NULL;
    }
    pool->lent_piece_count++;
    piece->next = NULL;
    piece->start = 0;
    piece->end = 0;
    return piece;
}

void buffer_pool_give_piece(struct buffer_pool *pool, struct piece *piece)
{
    ASSERT(pool->lent_piece_count > 0);
    pool->lent_piece_count--;
    if (pool->spare_piece_count >= BUFFER_POOL_KEEP_PIECES) {
        free(piece);
        return;
    }
    piece->next = pool->spare_piece;
    pool->spare_piece = piece;
    pool->spare_piece_count++;
}

void buffer_consume(struct buffer *buffer, size_t count)
{
    ASSERT(count <= buffer_len(buffer));
    buffer->start += (uint32_t)count;
    if (buffer->start == buffer->end) {
        buffer->start = 0;
        buffer->end = 0;
    }
}

void buffer_produce(struct buffer *buffer, size_t count)
{
    ASSERT(count <= buffer_room(buffer));
    buffer->end += (uint32_t)count;
}

bool buffer_append(struct buffer *buffer, struct slice bytes)
{
    if (!bytes_copy(buffer->data + buffer->end, buffer_room(buffer), bytes))
        return false;
    buffer->end += (uint32_t)bytes.len;
    return true;
}
