// http2_client: our side of an HTTP/2 connection to a proxy: each CONNECT becomes a stream of its own (RFC 9113 8.5), which
// is used like a connection to a proxy that speaks HTTP/1.1.
//
// The head of the CONNECT is written first, in one piece, then bytes. The head of the answer is read first, then bytes, or
// the content of a refusal, up to ERR_EOF. The connection itself is a http2_session: it is stepped, asked and destroyed as one. The proxy is not trusted: what waits to be read is bounded by the windows, and floods end the connection.
#pragma once

#include "proxy/http2/http2_session.h"

// http2_client_create begins a connection, with our SETTINGS. `options->streams` is the most that we open, whatever the
// proxy allows. All pointers are borrowed until http2_session_destroy. NULL without memory.
struct http2_session *http2_client_create(const struct http2_options *options, struct stream *below,
                                          struct buffer_pool *pool) MUST_USE;

// http2_client_open makes a stream. The owner sets its on_ready and owner. `says_close`: an answer that refuses shall say
// that the connection of HTTP/1.1 ends after it. Ended by stream_close and freed by http2_stream_destroy. NULL without
// memory.
struct http2_stream *http2_client_open(struct http2_session *session, bool says_close) MUST_USE;
