// linger: reads and drops what a peer still sends, so that it gets to read our last words.
//
// The kernel answers unread data with a reset when a socket is closed, and a reset destroys what the peer has not read.
#pragma once

#include "proxy/net/buffer.h"
#include "proxy/net/stream.h"

// linger_drop reads what is there now and adds the bytes to `*dropped_len`. ERR_AGAIN: that was all for now. Everything
// else is the end of the wait: ERR_EOF, ERR_LIMIT after 256 KiB in total, ERR_MEMORY, or the stream's error.
enum err linger_drop(struct stream *stream, struct buffer_pool *pool, size_t *dropped_len) MUST_USE;
