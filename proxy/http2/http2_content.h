// http2_content: bytes that a stream has been sent and that nobody has read yet, in pieces of the worker's pool.
#pragma once

#include "auth/base/err.h"
#include "proxy/net/buffer.h"

// Zeroed but for `pool`: there is none. Fields may be read.
struct http2_content {
    struct buffer_pool *pool; // borrowed
    struct piece *first;      // the list owns its pieces
    struct piece *last;
    size_t len; // bytes
};

// http2_content_add copies `bytes` after what is there. ERR_MEMORY: some of them were added.
enum err http2_content_add(struct http2_content *content, struct slice bytes) MUST_USE;

// http2_content_first gives what is there, as far as it stands in one piece: the first 16 KiB where nothing was read.
struct slice http2_content_first(const struct http2_content *content);

// http2_content_read moves up to `cap` bytes from the front to `out`. It gives how many.
size_t http2_content_read(struct http2_content *content, uint8_t *out, size_t cap);

// http2_content_drop drops all.
void http2_content_drop(struct http2_content *content);
