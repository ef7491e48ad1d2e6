// The two translations: what the client says becomes HTTP/1.1 as it is read; what is answered becomes frames as it is
// written.
#include <stdlib.h>

#include "proxy/http/head.h"
#include "proxy/http2/http2_parts.h"

static struct http2_stream *stream_of(struct stream *stream)
{
    return (struct http2_stream *)stream;
}

// ---- what the client says -----------------------------------------------------------------------

static bool is_chunked(const struct http2_stream *stream)
{
    return stream->body == REQUEST_BODY_CHUNKED && !stream->is_connect;
}

// set_text takes over text that is to be read before anything else.
static void set_text(struct http2_stream *stream, char *text, size_t len)
{
    free(stream->text);
    stream->text = text;
    stream->text_len = len;
    stream->text_at = 0;
}

enum err http2_stream_take_head(struct http2_stream *stream, bool has_end)
{
    const size_t cap = stream->fields.size + REQUEST_FIELDS_EXTRA;
    char *data = malloc(cap);
    struct text head;
    if (data == NULL)
        return ERR_MEMORY;
    text_init(&head, data, cap);
    stream->has_head = true;
    stream->has_end = has_end;
    const char *why = NULL;
    const enum err error =
        request_fields_write_head(&stream->fields, has_end, &head, &stream->body, &why);
    stream->misfit = error == ERR_OK ? NULL : why;
    stream->is_connect = slice_starts_with(text_slice(&head), SLICE_LITERAL("CONNECT "));
    stream->is_for_head = slice_starts_with(text_slice(&head), SLICE_LITERAL("HEAD "));
    stream->announced = request_fields_length(&stream->fields);
    request_fields_deinit(&stream->fields);
    set_text(stream, data, error == ERR_OK ? head.len : 0);
    return error;
}

size_t http2_stream_content_left(const struct http2_stream *stream)
{
    return stream->content_len - stream->content_at;
}

// make_room makes room for `len` more bytes of content.
static bool make_room(struct http2_stream *stream, size_t len)
{
    enum { FIRST_CAP = 1024 };
    bytes_drop_front(stream->content, stream->content_len, stream->content_at);
    stream->content_len -= stream->content_at;
    stream->content_at = 0;
    size_t cap = stream->content_cap == 0 ? FIRST_CAP : stream->content_cap;
    while (cap < stream->content_len + len)
        cap *= 2;
    if (cap == stream->content_cap)
        return true;
    uint8_t *content = realloc(stream->content, cap);
    if (content == NULL)
        return false;
    stream->content = content;
    stream->content_cap = cap;
    return true;
}

enum err http2_stream_take_content(struct http2_stream *stream, struct slice bytes)
{
    if (stream->body == REQUEST_BODY_LENGTH && !stream->is_connect) {
        if (bytes.len > stream->announced)
            return ERR_INPUT;
        stream->announced -= bytes.len;
    }
    if (!make_room(stream, bytes.len))
        return ERR_MEMORY;
    const bool fits = bytes_copy(stream->content + stream->content_len,
                                 stream->content_cap - stream->content_len, bytes);
    ASSERT(fits);
    stream->content_len += bytes.len;
    return ERR_OK;
}

enum err http2_stream_take_end(struct http2_stream *stream)
{
    stream->has_end = true;
    return stream->body == REQUEST_BODY_LENGTH && !stream->is_connect && stream->announced > 0
               ? ERR_INPUT
               : ERR_OK;
}

// read_some copies from the front of `bytes`.
static size_t read_some(struct slice bytes, uint8_t *out, size_t cap)
{
    const struct slice some = slice_first(bytes, cap);
    const bool fits = bytes_copy(out, cap, some);
    ASSERT(fits);
    return some.len;
}

static size_t read_text(struct http2_stream *stream, uint8_t *out, size_t cap)
{
    const struct slice rest =
        slice_of(stream->text + stream->text_at, stream->text_len - stream->text_at);
    const size_t len = read_some(rest, out, cap);
    stream->text_at += len;
    if (stream->text_at == stream->text_len)
        set_text(stream, NULL, 0);
    return len;
}

static size_t read_content(struct http2_stream *stream, uint8_t *out, size_t cap)
{
    const struct slice rest =
        slice_of(stream->content + stream->content_at, http2_stream_content_left(stream));
    const size_t len = read_some(rest, out, cap);
    stream->content_at += len;
    http2_session_consumed(stream->session, stream, len);
    if (http2_stream_content_left(stream) == 0) {
        free(stream->content);
        stream->content = NULL;
        stream->content_len = stream->content_at = stream->content_cap = 0;
    }
    return len;
}

// begin_chunk makes what is there the next chunk, or ends the body. ERR_AGAIN: nothing is there.
static enum err begin_chunk(struct http2_stream *stream)
{
    const size_t len = http2_stream_content_left(stream);
    if (stream->has_said_last || (len == 0 && !stream->has_end))
        return ERR_AGAIN;
    const size_t cap = len > 0 ? BODY_CHUNK_OVERHEAD : stream->fields.size + REQUEST_FIELDS_EXTRA;
    char *data = malloc(cap);
    struct text text;
    const char *why = NULL;
    if (data == NULL)
        return ERR_MEMORY;
    text_init(&text, data, cap);
    text_append_string(&text, stream->is_in_chunks ? "\r\n" : "");
    text_append_format(&text, "%zx\r\n", len);
    if (len == 0) {
        stream->has_said_last = true;
        const enum err error = request_fields_write_trailer(&stream->fields, &text, &why);
        text_append_string(&text, "\r\n");
        request_fields_deinit(&stream->fields);
        if (error != ERR_OK) {
            free(data);
            return error;
        }
    }
    stream->is_in_chunks = true;
    stream->chunk_left = len;
    set_text(stream, data, text.len);
    return ERR_OK;
}

static enum err read_op(struct stream *base, void *out, size_t cap, size_t *out_len)
{
    struct http2_stream *stream = stream_of(base);
    *out_len = 0;
    if (stream->is_reset)
        return ERR_SYSTEM;
    if (stream->text == NULL && is_chunked(stream) && stream->chunk_left == 0)
        TRY(begin_chunk(stream));
    if (stream->text != NULL) {
        *out_len = read_text(stream, out, cap);
        return ERR_OK;
    }
    const size_t left = http2_stream_content_left(stream);
    if (left > 0) {
        const bool is_in_chunk = is_chunked(stream) && stream->chunk_left < cap;
        *out_len = read_content(stream, out, is_in_chunk ? stream->chunk_left : cap);
        stream->chunk_left -= is_chunked(stream) ? *out_len : 0;
        return ERR_OK;
    }
    // The end of a request is no end of the client, except in a tunnel.
    return stream->is_connect && stream->has_end ? ERR_EOF : ERR_AGAIN;
}

bool http2_stream_can_read(const struct http2_stream *stream)
{
    return stream->is_reset || stream->text != NULL || http2_stream_content_left(stream) > 0 ||
           (stream->has_end &&
            (stream->is_connect || (is_chunked(stream) && !stream->has_said_last)));
}

// ---- what is answered ---------------------------------------------------------------------------

// write_head sends one head: an interim one, or the final one.
static enum err write_head(struct http2_stream *stream, struct slice bytes, size_t *out_len)
{
    struct message_head head;
    const char *why = NULL;
    if (response_head_parse(bytes, stream->is_for_head, &head, &why) != HEAD_OK)
        return ERR_INPUT;
    const bool is_interim = head.status < 200;
    const bool is_tunnel = stream->is_connect && head.status < 300;
    const enum body_kind body = is_tunnel ? BODY_TO_END : head.body;
    if (!is_interim) {
        stream->answer = is_tunnel ? HTTP2_ANSWER_TUNNEL : HTTP2_ANSWER_BODY;
        if (body == BODY_NONE)
            stream->answer = HTTP2_ANSWER_DONE;
        body_reader_init(&stream->answer_body, body, head.length);
    }
    TRY(http2_session_submit_head(stream->session, stream, &head,
                                  !is_interim && body == BODY_NONE));
    *out_len = head.len;
    return ERR_OK;
}

// send sends content, and END_STREAM with it where `is_last`. It gives how many bytes were taken.
static size_t send(struct http2_stream *stream, struct slice content, bool is_last)
{
    stream->pending = content;
    stream->says_end = is_last;
    http2_session_send(stream->session, stream);
    const size_t left = stream->pending.len;
    stream->pending = (struct slice){0};
    return content.len - left;
}

static enum err write_tunnel(struct http2_stream *stream, struct slice bytes, size_t *out_len)
{
    *out_len = send(stream, bytes, false);
    return *out_len == 0 ? ERR_AGAIN : ERR_OK;
}

static enum err end_body(struct http2_stream *stream, struct slice trailer)
{
    stream->answer = HTTP2_ANSWER_DONE;
    if (trailer.len > 0)
        return http2_session_submit_trailer(stream->session, stream, trailer);
    (void)send(stream, (struct slice){0}, true);
    return ERR_OK;
}

// write_body takes the framing of HTTP/1.1 off. What cannot be sent now is read once more.
static enum err write_body(struct http2_stream *stream, struct slice bytes, size_t *out_len)
{
    const struct body_reader before = stream->answer_body;
    struct slice content = {0};
    const char *why = NULL;
    const enum body_result result =
        body_reader_next(&stream->answer_body, bytes, out_len, &content, &why);
    if (result == BODY_BAD)
        return ERR_INPUT;
    if (result == BODY_DONE)
        return end_body(stream, content);
    const size_t sent = result == BODY_DATA ? send(stream, content, false) : 0;
    if (sent < content.len) {
        const struct slice some = slice_first(bytes, *out_len - content.len + sent);
        stream->answer_body = before;
        *out_len = 0;
        if (sent > 0)
            (void)body_reader_next(&stream->answer_body, some, out_len, &content, &why);
    }
    size_t used = 0;
    if (body_reader_next(&stream->answer_body, (struct slice){0}, &used, &content, &why) ==
        BODY_DONE)
        return end_body(stream, content);
    return *out_len == 0 ? ERR_AGAIN : ERR_OK;
}

static enum err write_op(struct stream *base, struct slice bytes, size_t *out_len)
{
    struct http2_stream *stream = stream_of(base);
    *out_len = 0;
    if (stream->is_reset || stream->id == 0)
        return ERR_SYSTEM;
    switch (stream->answer) {
    case HTTP2_ANSWER_HEAD:
        return write_head(stream, bytes, out_len);
    case HTTP2_ANSWER_BODY:
        return write_body(stream, bytes, out_len);
    case HTTP2_ANSWER_TUNNEL:
        return write_tunnel(stream, bytes, out_len);
    case HTTP2_ANSWER_DONE:
        return ERR_INPUT;
    }
    return ERR_INPUT;
}

// flush_op: what has been taken is the session's to send.
static enum err flush_op(struct stream *base)
{
    return stream_of(base)->is_reset ? ERR_SYSTEM : ERR_OK;
}

static enum err finish_op(struct stream *base)
{
    struct http2_stream *stream = stream_of(base);
    if (stream->is_reset)
        return ERR_SYSTEM;
    if (stream->answer == HTTP2_ANSWER_HEAD)
        return ERR_INPUT;
    stream->answer = HTTP2_ANSWER_DONE;
    if (!stream->has_said_end)
        (void)send(stream, (struct slice){0}, true);
    return stream->has_said_end ? ERR_OK : ERR_AGAIN;
}

static void want_op(struct stream *base, bool read, bool write)
{
    struct http2_stream *stream = stream_of(base);
    stream->wants_read = read;
    stream->wants_write = write;
    http2_session_note(stream->session, stream);
}

static void close_op(struct stream *base, bool is_reset)
{
    struct http2_stream *stream = stream_of(base);
    if (!stream->is_closed)
        http2_session_end(stream->session, stream, is_reset);
    stream->is_closed = true;
}

const struct stream_ops http2_stream_ops = {
    .read = read_op,
    .write = write_op,
    .flush = flush_op,
    .finish = finish_op,
    .want = want_op,
    .close = close_op,
};

void http2_stream_deinit(struct http2_stream *stream)
{
    request_fields_deinit(&stream->fields);
    set_text(stream, NULL, 0);
    free(stream->content);
    stream->content = NULL;
}
