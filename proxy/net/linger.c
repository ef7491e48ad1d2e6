// One buffer of the pool takes all of it.
#include "proxy/net/linger.h"

enum { LINGER_MAX_LEN = 256 * 1024 };

enum err linger_drop(struct stream *stream, struct buffer_pool *pool, size_t *dropped_len)
{
    struct buffer *scratch = buffer_pool_take(pool);
    enum err error = scratch == NULL ? ERR_MEMORY : ERR_OK;
    while (error == ERR_OK) {
        size_t len = 0;
        error = stream_read(stream, scratch->data, BUFFER_CAP, &len);
        *dropped_len += len;
        if (*dropped_len > LINGER_MAX_LEN)
            error = ERR_LIMIT;
    }
    buffer_pool_give(pool, &scratch);
    return error;
}
