// A piece goes back to the pool when it has been read, so a stream that is read at once holds none.
#include "proxy/http2/http2_content.h"

static bool add_piece(struct http2_content *content)
{
    struct piece *piece = buffer_pool_take_piece(content->pool);
    if (piece == NULL)
        return false;
    if (content->last == NULL)
        content->first = piece;
    else
        content->last->next = piece;
    content->last = piece;
    return true;
}

static void drop_first(struct http2_content *content)
{
    struct piece *piece = content->first;
    content->first = piece->next;
    if (content->first == NULL)
        content->last = NULL;
    buffer_pool_give_piece(content->pool, piece);
}

enum err http2_content_add(struct http2_content *content, struct slice bytes)
{
    while (bytes.len > 0) {
        if ((content->last == NULL || content->last->end == PIECE_CAP) && !add_piece(content))
            return ERR_MEMORY;
        struct piece *piece = content->last;
        const struct slice some = slice_first(bytes, PIECE_CAP - piece->end);
        const bool fits = bytes_copy(piece->data + piece->end, PIECE_CAP - piece->end, some);
        ASSERT(fits);
        piece->end += (uint32_t)some.len;
        content->len += some.len;
        bytes = slice_from(bytes, some.len);
    }
    return ERR_OK;
}

struct slice http2_content_first(const struct http2_content *content)
{
    const struct piece *piece = content->first;
    return piece == NULL ? (struct slice){0}
                         : slice_of(piece->data + piece->start, piece->end - piece->start);
}

size_t http2_content_read(struct http2_content *content, uint8_t *out, size_t cap)
{
    size_t len = 0;
    while (len < cap && content->first != NULL) {
        const struct slice some = slice_first(http2_content_first(content), cap - len);
        const bool fits = bytes_copy(out + len, cap - len, some);
        ASSERT(fits);
        len += some.len;
        content->first->start += (uint32_t)some.len;
        if (content->first->start == content->first->end)
            drop_first(content);
    }
    content->len -= len;
    return len;
}

void http2_content_drop(struct http2_content *content)
{
    while (content->first != NULL)
        drop_first(content);
    content->len = 0;
}
