// http2_session: one HTTP/2 connection, over a stream (RFC 9113). Each request comes out as a stream of its own that reads
// and writes HTTP/1.1, so that nothing above knows of frames.
//
// This is the side of a proxy, whose peer is a client with requests. The other side, with requests of ours, is made by
// http2_client.h; it shares what moves frames.
//
// The request head and, of a plain request, the body are read as HTTP/1.1 would bring them; the answer is written as
// HTTP/1.1 and goes out as HEADERS and DATA. After the 200 to a CONNECT bytes are bytes. Knows no policy and no sockets:
// its owner says when to step it, and what a request comes to. nghttp2 does frames, HPACK and windows.
#pragma once

#include <sys/queue.h>

#include "auth/base/err.h"
#include "proxy/http/body.h"
#include "proxy/http/head.h"
#include "proxy/http2/http2_budget.h"
#include "proxy/http2/http2_options.h"
#include "proxy/http2/http2_silence.h"
#include "proxy/http2/http2_upload.h"
#include "proxy/net/buffer.h"
#include "proxy/net/stream.h"

struct http2_session;
struct http2_stream;
TAILQ_HEAD(http2_streams, http2_stream);

// Why we end a stream before it has ended, as the client is told (RFC 9113 7).
enum http2_end {
    HTTP2_END_CANCEL,  // we end it
    HTTP2_END_TARGET,  // the target's connection has failed: CONNECT_ERROR, or INTERNAL_ERROR
    HTTP2_END_REFUSED, // nothing has been done: the client may try again
};

// Where a stream waits for its owner to be told.
enum http2_queue {
    HTTP2_QUEUE_NONE,
    HTTP2_QUEUE_READY,     // it is told at the end of the step
    HTTP2_QUEUE_GATHERING, // it is told once more has come, or nothing more comes
};

// Why a stream was reset that its owner has not ended.
enum http2_loss {
    HTTP2_LOSS_PEER,    // the other side has reset it, or its connection is lost
    HTTP2_LOSS_MISUSE,  // the other side has used it wrongly (RFC 9113 5.4.2)
    HTTP2_LOSS_MEMORY,  // there is no memory for it
    HTTP2_LOSS_REFUSED, // the proxy has reset ours, and has done nothing: it may be tried again
};

// http2_stream is one request. Made and freed by the session; read and written by its operations (http2_stream.h).
struct http2_stream {
    struct stream stream;   // first
    enum http2_end end;     // for the owner to set before stream_close with a reset
    enum http2_queue queue; // private to proxy/http2, as what follows `upload`
    struct http2_upload upload;
    // Private to proxy/http2.
    struct http2_session *session;  // borrowed
    TAILQ_ENTRY(http2_stream) link; // of all live streams
    TAILQ_ENTRY(http2_stream) queue_link;
    TAILQ_ENTRY(http2_stream) blocked_link;
    int32_t id;                // 0: the engine has closed it
    uint32_t window;           // bytes that the client may send before they are read
    size_t window_used;        // bytes that have been read since it was set
    struct body_reader answer; // of the answer's body
    struct slice pending;      // being sent; borrowed for a call
    bool has_head;        // ours has been written: of the final answer, or of a client's request
    bool is_answered;     // the answer is complete
    enum http2_loss loss; // with `is_reset`; may be read
    bool is_reset;        // not by its owner; may be read
    bool says_end;        // END_STREAM goes out after `pending`
    bool has_trailer;     // and fields come before it
    bool has_said_end;
    bool is_blocked; // for want of a window, or of room in `out`
    bool is_bulk;    // a tunnel that was read much of at once
    bool wants_read;
    bool wants_write;
    bool is_closed; // by its owner
};

struct http2_events {
    const struct stream_ops *ops; // of the streams: http2_stream_ops
    // A request has begun. Its stream is ready once its head can be read, or `upload.misfit` says what is wrong with the
    // head. The owner sets the stream's on_ready and owner, wants to read, and destroys the stream in the end. False: it is
    // refused, and the stream is gone; so it must be where `is_too_many`. NULL: the side is a client's.
    bool (*on_request)(void *owner, struct http2_stream *stream, bool is_too_many);
    // There was no memory for the stream of a request, which is refused. NULL: nobody wants to know.
    void (*on_missed)(void *owner, int32_t id);
    // Of a client's side: HEADERS of the proxy have come, whose fields `stream` has. ERR_INPUT: they are malformed.
    enum err (*take_answer)(struct http2_stream *stream, bool has_end);
};

// What the other side has done that ends its connection.
enum http2_fault {
    HTTP2_FAULT_PROTOCOL, // it broke the protocol
    HTTP2_FAULT_FLOOD,    // see http2_budget.h
    HTTP2_FAULT_SETTINGS, // it did not acknowledge our SETTINGS
};

// How a step has ended.
enum http2_status {
    HTTP2_WAITS,    // for an event
    HTTP2_MORE,     // there is more to do; call again soon
    HTTP2_FINISHED, // the client has ended the connection, and nothing is left to say
    HTTP2_BROKEN,   // the connection below is broken
    HTTP2_WRONG,    // it is the client's fault: GOAWAY goes out; see `fault` and `why`
};

// It is one struct because all of it is of one connection and lives as long as the engine.
struct http2_session {
    struct stream *below;              // borrowed
    struct buffer_pool *pool;          // borrowed
    const struct http2_events *events; // static memory
    void *owner;                       // borrowed; argument of the events
    struct http2_options options;
    struct nghttp2_session *engine; // owned
    struct buffer *out;             // borrowed from the pool; frames for `below`
    struct http2_streams queues[HTTP2_QUEUE_GATHERING + 1]; // streams to be told, by queue
    struct http2_streams live;                              // all that are not destroyed
    struct http2_streams blocked; // want to send; the one that has waited longest is first
    uint32_t ready_count;
    uint32_t live_count;
    uint32_t open_count;    // of `live`: those that the engine has not closed
    enum http2_fault fault; // with HTTP2_WRONG
    const char *why;        // likewise; static memory
    size_t uncredited;      // bytes of content that came before the client has taken our SETTINGS
    uint64_t grown;         // bytes of windows beyond the first size, of all streams
    struct http2_budget budget;
    int64_t now_ms; // monotonic; of this step
    struct http2_silence silence;
    int64_t late_until_ms;  // monotonic; see take_late
    int32_t last_id;        // of the streams that the client has opened
    int32_t before_last_id; // of the one before
    bool is_settled;        // the client has taken our SETTINGS
    bool is_full;           // `out` had no room
    bool is_broken;         // without memory, or given up
    bool has_end;           // the client has ended its direction
    bool may_wake;          // there may be room for those that are blocked
    bool gathers;           // more is about to come: bulk waits for it
    uint32_t gathered;      // steps that it has waited
    bool is_leaving;        // the proxy has said GOAWAY; of a client's side
    uint32_t vain_count;    // streams that we have reset before they were answered; likewise
};

// http2_session_create begins a connection, with our SETTINGS. All pointers are borrowed until destroy. NULL without
// memory.
struct http2_session *http2_session_create(const struct http2_options *options,
                                           struct stream *below, struct buffer_pool *pool,
                                           const struct http2_events *events, void *owner) MUST_USE;

// http2_session_destroy frees it. Each stream that an owner has taken must be destroyed. NULL is allowed.
void http2_session_destroy(struct http2_session *session);

// http2_session_step takes what has come, tells the streams, and sends what they have written.
enum http2_status http2_session_step(struct http2_session *session, int64_t now_ms);

// http2_session_flush sends what there is to be sent, as far as there is room. It reads nothing and tells no stream.
void http2_session_flush(struct http2_session *session);

// http2_session_update_interest tells the stream below what to wait for.
void http2_session_update_interest(const struct http2_session *session);

// http2_session_check_settings ends a connection whose client has not acknowledged our SETTINGS by now (RFC 9113 6.5.3).
void http2_session_check_settings(struct http2_session *session);

// http2_session_end_silence does what is due at the end of a silence (http2_silence.h): it asks the other side whether it is
// there (PING, RFC 9113 6.7). Where that was done, the connection counts as broken: the next step says so.
void http2_session_end_silence(struct http2_session *session);

// http2_session_drain says that no further request will be taken (GOAWAY, RFC 9113 6.8): first as a notice, then, with
// `is_final`, for good. The streams go on.
void http2_session_drain(struct http2_session *session, bool is_final);

// http2_stream_destroy ends the stream, with a reset where it has not been closed, and frees it. NULL is allowed.
void http2_stream_destroy(struct http2_stream *stream);

// ---- for the operations of streams --------------------------------------------------------------

// http2_session_add_stream makes a stream, open in the engine once its id is set. NULL without memory.
struct http2_stream *http2_session_add_stream(struct http2_session *session) MUST_USE;

// http2_session_submit_connect sends the HEADERS of a CONNECT, without the fields that belong to the connection of the
// local client. ERR_MEMORY, ERR_INPUT.
enum err http2_session_submit_connect(struct http2_session *session, struct http2_stream *stream,
                                      const struct message_head *head) MUST_USE;

// http2_session_room tells how many more streams may be opened now; 0 once the peer has said GOAWAY.
uint32_t http2_session_room(const struct http2_session *session);

// http2_session_consumed gives the client credit for content that has been read.
void http2_session_consumed(struct http2_session *session, struct http2_stream *stream, size_t len);

// http2_session_submit_head sends a head. ERR_MEMORY, ERR_INPUT.
enum err http2_session_submit_head(struct http2_session *session, struct http2_stream *stream,
                                   const struct message_head *head, bool has_end) MUST_USE;

// http2_session_submit_trailer ends the answer with trailer fields, whole lines. ERR_MEMORY, ERR_INPUT.
enum err http2_session_submit_trailer(struct http2_session *session, struct http2_stream *stream,
                                      struct slice trailer) MUST_USE;

// http2_session_send sends the stream's `pending` as far as it can, and its end; what is left stays in `pending`.
void http2_session_send(struct http2_session *session, struct http2_stream *stream);

// http2_session_note puts the stream among those to be told, where what it wants is there.
void http2_session_note(struct http2_session *session, struct http2_stream *stream);

// http2_session_gathers tells whether what has come for the stream waits for more of it, and is not read yet: a tunnel that
// moves much is read in large pieces, as long as more is about to come, and no longer than a few steps.
bool http2_session_gathers(const struct http2_stream *stream);

// http2_session_end ends the stream for the client, with a reset where `is_reset`, or where the client goes on.
void http2_session_end(struct http2_session *session, struct http2_stream *stream, bool is_reset);
