// http2_stream: one request of an HTTP/2 connection, as a stream that reads and writes HTTP/1.1. See http2_session.h.
#pragma once

#include <sys/queue.h>

#include "proxy/http/body.h"
#include "proxy/http2/request_fields.h"
#include "proxy/net/stream.h"

struct http2_session;
struct http2_stream;
TAILQ_HEAD(http2_streams, http2_stream);

// Why we end a stream before it has ended, as the client is told (RFC 9113 7).
enum http2_end {
    HTTP2_END_CANCEL,  // we end it
    HTTP2_END_TARGET,  // the target has reset its connection: CONNECT_ERROR
    HTTP2_END_REFUSED, // nothing has been done: the client may try again
};

// How far the answer has been written.
enum http2_answer {
    HTTP2_ANSWER_HEAD, // a head comes next, final or interim
    HTTP2_ANSWER_BODY,
    HTTP2_ANSWER_TUNNEL, // bytes are bytes
    HTTP2_ANSWER_DONE,
};

struct http2_stream {
    struct stream stream; // first
    const char *misfit;   // what is wrong with the head; static memory; NULL: nothing
    enum http2_end end;   // for the owner to set before stream_close with a reset
    // Private to proxy/http2.
    struct http2_session *session;
    TAILQ_ENTRY(http2_stream) link;       // of all live streams
    TAILQ_ENTRY(http2_stream) ready_link; // of those to be told
    int32_t id;                           // 0: the engine has closed it
    // What the client says.
    struct request_fields fields; // of the head, then of the trailer
    enum request_body body;
    char *text; // owned; HTTP/1.1 that comes before the content: the head; at the end the trailer
    size_t text_len;  // bytes
    size_t text_at;   // bytes that have been read
    uint8_t *content; // owned; not read yet
    size_t content_len;
    size_t content_at;
    size_t content_cap;
    uint64_t announced; // bytes of the content still to come; with REQUEST_BODY_LENGTH
    uint32_t window;    // bytes that the client may send before they are read
    size_t window_used; // bytes that have been read since it was set
    size_t chunk_left;  // bytes of the chunk that is being read
    // What the owner says.
    enum http2_answer answer;
    struct body_reader answer_body;
    struct slice pending; // being sent; borrowed for a call
    bool is_connect;
    bool is_for_head; // of HEAD: no body follows
    bool has_head;    // the request's fields are complete
    bool has_end;     // the client has ended its direction
    bool is_reset;    // the client, or the engine, has reset it
    bool says_end;    // END_STREAM goes out after `pending`
    bool has_said_end;
    bool is_blocked;    // for want of a window
    bool has_trailer;   // fields come after `pending`
    bool has_said_last; // the last chunk has been given to the reader
    bool is_in_chunks;  // a chunk has been
    bool is_ready;      // in the list of those to be told
    bool wants_read;
    bool wants_write;
    bool is_closed; // by its owner
};

// http2_stream_destroy ends the stream, with a reset where it has not been closed, and frees it. NULL is allowed.
void http2_stream_destroy(struct http2_stream *stream);
