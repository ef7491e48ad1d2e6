// linger: reads and drops what a peer still sends, so that the peer can read our last bytes.
//
// When a socket is closed with unread data, the kernel sends a reset, and a reset destroys what the peer has not read yet.
#pragma once

#include "proxy/net/buffer.h"
#include "proxy/net/stream.h"

// linger_drop reads what has arrived and adds its length to `*dropped_len`. ERR_AGAIN: nothing more for now. Any other
// result ends the wait: ERR_EOF, ERR_LIMIT after 256 KiB in total, ERR_MEMORY, or the stream's error.
enum err linger_drop(struct stream *stream, struct buffer_pool *pool, size_t *dropped_len) MUST_USE;
