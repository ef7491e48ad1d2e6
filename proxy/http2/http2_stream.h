// http2_stream: what the operations of a stream over HTTP/2 are. See http2_session.h. A request's stream of a client, for
// whom we are the proxy, reads and writes HTTP/1.1. http2_client.h has the other side, which shares what is declared here.
#pragma once

#include "proxy/net/stream.h"

struct http2_stream;

extern const struct stream_ops http2_stream_ops;

// ---- for proxy/http2 ----------------------------------------------------------------------------

// http2_stream_send sends content, and END_STREAM with it where `is_last`. It gives how many bytes were taken.
size_t http2_stream_send(struct http2_stream *stream, struct slice content, bool is_last);

// Operations that both sides share; see proxy/net/stream.h.
enum err http2_stream_read(struct stream *base, void *out, size_t cap, size_t *out_len) MUST_USE;
enum err http2_stream_flush(struct stream *base) MUST_USE;
void http2_stream_want(struct stream *base, bool read, bool write);
void http2_stream_close(struct stream *base, bool is_reset);
