// A list of spare buffers, last in, first out, so that the warm one is lent first.
#include "proxy/net/buffer.h"

#include <stdlib.h>

#include "auth/base/err.h"

// What a spare one begins with. Its borrower writes over it.
struct spare {
    struct spare *next;
};

static void *take(struct spares *spares, size_t size)
{
    struct spare *spare = spares->first;
    if (spare != NULL) {
        spares->first = spare->next;
        spares->spare_count--;
    } else {
        spare = malloc(size);
        if (spare == NULL)
            return NULL;
    }
    spares->lent_count++;
    return spare;
}

// give takes one back, and keeps it unless `most` are kept already.
static void give(struct spares *spares, void *back, size_t most)
{
    struct spare *spare = back;
    ASSERT(spares->lent_count > 0);
    spares->lent_count--;
    if (spares->spare_count >= most) {
        free(spare);
        return;
    }
    spare->next = spares->first;
    spares->first = spare;
    spares->spare_count++;
}

// keep frees all spare ones but `count`.
static void keep(struct spares *spares, size_t count)
{
    while (spares->spare_count > count) {
        struct spare *next = spares->first->next;
        free(spares->first);
        spares->first = next;
        spares->spare_count--;
    }
}

void buffer_pool_deinit(struct buffer_pool *pool)
{
    ASSERT(pool->buffers.lent_count == 0 && pool->pieces.lent_count == 0);
    keep(&pool->buffers, 0);
    keep(&pool->pieces, 0);
}

void buffer_pool_trim(struct buffer_pool *pool, size_t most)
{
    keep(&pool->buffers, most);
    keep(&pool->pieces, most);
}

struct buffer *buffer_pool_take(struct buffer_pool *pool)
{
    struct buffer *buffer = take(&pool->buffers, sizeof *buffer);
    if (buffer == NULL)
        return NULL;
    buffer->start = 0;
    buffer->end = 0;
    return buffer;
}

void buffer_pool_give(struct buffer_pool *pool, struct buffer **buffer)
{
    struct buffer *back = *buffer;
    *buffer = NULL;
    if (back != NULL)
        give(&pool->buffers, back, BUFFER_POOL_KEEP);
}

void buffer_pool_give_if_empty(struct buffer_pool *pool, struct buffer **buffer)
{
    if (*buffer != NULL && buffer_len(*buffer) == 0)
        buffer_pool_give(pool, buffer);
}

struct piece *buffer_pool_take_piece(struct buffer_pool *pool)
{
    struct piece *piece = take(&pool->pieces, sizeof *piece);
    if (piece == NULL)
        return NULL;
    piece->next = NULL;
    piece->start = 0;
    piece->end = 0;
    return piece;
}

void buffer_pool_give_piece(struct buffer_pool *pool, struct piece *piece)
{
    give(&pool->pieces, piece, BUFFER_POOL_KEEP_PIECES);
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
