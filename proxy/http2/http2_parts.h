// http2_parts: what the stream and the session of HTTP/2 ask of each other. Private to proxy/http2.
#pragma once

#include "proxy/http/head.h"
#include "proxy/http2/http2_session.h"

extern const struct stream_ops http2_stream_ops;

// ---- the stream, as the session's frames come ---------------------------------------------------

// http2_stream_take_head makes the head of the fields that have come. ERR_INPUT: see `misfit`; ERR_MEMORY.
enum err http2_stream_take_head(struct http2_stream *stream, bool has_end) MUST_USE;

// http2_stream_take_content keeps content until it is read. ERR_INPUT: it is more than was announced; ERR_MEMORY.
enum err http2_stream_take_content(struct http2_stream *stream, struct slice bytes) MUST_USE;

// http2_stream_take_end notes END_STREAM. ERR_INPUT: less has come than was announced.
enum err http2_stream_take_end(struct http2_stream *stream) MUST_USE;

// http2_stream_content_left gives the bytes of content that wait to be read.
size_t http2_stream_content_left(const struct http2_stream *stream);

// http2_stream_can_read tells whether reading gives bytes, an end or an error.
bool http2_stream_can_read(const struct http2_stream *stream);

// http2_stream_deinit frees what the stream owns.
void http2_stream_deinit(struct http2_stream *stream);

// ---- the session, as the stream's owner reads and writes ----------------------------------------

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

// http2_session_end ends the stream for the client, with a reset where `is_reset`, or where the client goes on.
void http2_session_end(struct http2_session *session, struct http2_stream *stream, bool is_reset);
