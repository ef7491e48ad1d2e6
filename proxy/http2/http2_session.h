// http2_session: one HTTP/2 connection of a client, over a stream (RFC 9113). Each request comes out as a stream of its
// own that reads and writes HTTP/1.1, so that nothing above knows of frames.
//
// The request head and, of a plain request, the body are read as HTTP/1.1 would bring them; the answer is written as
// HTTP/1.1 and goes out as HEADERS and DATA. After the 200 to a CONNECT bytes are bytes. Knows no policy and no sockets:
// its owner says when to step it, and what a request comes to. nghttp2 does frames, HPACK and windows.
#pragma once

#include <sys/queue.h>

#include "auth/base/err.h"
#include "proxy/http2/http2_budget.h"
#include "proxy/http2/http2_options.h"
#include "proxy/http2/http2_stream.h"
#include "proxy/net/buffer.h"

struct http2_events {
    // A request has come: its head can be read, or `misfit` says what is wrong with it. The owner sets the stream's
    // on_ready and owner, and closes the stream in the end. False: no more are taken, and it is refused.
    bool (*on_request)(void *owner, struct http2_stream *stream);
};

// How a step has ended.
enum http2_status {
    HTTP2_WAITS,    // for an event
    HTTP2_MORE,     // there is more to do; call again soon
    HTTP2_FINISHED, // the client has ended the connection, and nothing is left to say
    HTTP2_BROKEN,   // the connection below is broken
    HTTP2_WRONG,    // the client broke the protocol, or flooded us: GOAWAY goes out; see `why`
};

struct http2_session {
    struct stream *below;      // borrowed
    struct buffer_pool *pool;  // borrowed
    const struct http2_events *events; // static memory
    void *owner;               // borrowed; argument of the events
    struct http2_options options;
    struct nghttp2_session *engine; // owned
    struct buffer *out;        // borrowed from the pool; frames for `below`
    struct http2_streams ready; // streams to be told
    struct http2_streams live;  // all that are not closed
    uint32_t ready_count;
    uint32_t live_count;
    const char *why;           // with HTTP2_WRONG; static memory
    uint64_t grown;            // bytes of windows beyond the first size, of all streams
    struct http2_budget budget;
    int64_t now_ms;            // monotonic; of this step
    int64_t heard_ms;          // monotonic; when bytes of the client came last
    uint32_t own_resets;       // that wait to be sent, and were not provoked by the client
    bool is_flood;             // with HTTP2_WRONG
    bool is_full;              // `out` had no room
    bool is_broken;            // without memory, or given up
    bool has_end;              // the client has ended its direction
};

// http2_session_create begins a connection, with our SETTINGS. All pointers are borrowed until destroy. NULL without
// memory.
struct http2_session *http2_session_create(const struct http2_options *options,
                                           struct stream *below, struct buffer_pool *pool,
                                           const struct http2_events *events,
                                           void *owner) MUST_USE;

// http2_session_destroy frees it. All streams must be closed. NULL is allowed.
void http2_session_destroy(struct http2_session *session);

// http2_session_step takes `early`, bytes that have been read from `below` before, and what has come since, tells the
// streams, and sends what they have written.
enum http2_status http2_session_step(struct http2_session *session, struct slice early,
                                     int64_t now_ms);

// http2_session_update_interest tells the stream below what to wait for.
void http2_session_update_interest(const struct http2_session *session);

// http2_session_ping asks the client whether it is there (RFC 9113 6.7). http2_session_break takes the connection for
// broken: the next step says so.
void http2_session_ping(struct http2_session *session);
void http2_session_break(struct http2_session *session);

// http2_session_drain says that no further request will be taken (GOAWAY, RFC 9113 6.8): first as a notice, then, with
// `is_final`, for good. The streams go on.
void http2_session_drain(struct http2_session *session, bool is_final);
