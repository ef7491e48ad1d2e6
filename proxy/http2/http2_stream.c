// What is read is made by the upload; what is written becomes frames: HEADERS for each head, DATA for content without the
// framing of HTTP/1.1.
#include "proxy/http2/http2_stream.h"

#include "proxy/http2/http2_session.h"

enum { BULK_LEN = 8 * 1024 }; // bytes that are read at once

static struct http2_stream *stream_of(struct stream *stream)
{
    return (struct http2_stream *)stream;
}

enum err http2_stream_read(struct stream *base, void *out, size_t cap, size_t *out_len)
{
    struct http2_stream *stream = stream_of(base);
    size_t content = 0;
    *out_len = 0;
    if (stream->is_reset)
        return ERR_SYSTEM;
    if (http2_session_gathers(stream))
        return ERR_AGAIN;
    TRY(http2_upload_read(&stream->upload, out, cap, out_len, &content));
    stream->is_bulk = http2_upload_is_tunnel(&stream->upload) && content >= BULK_LEN;
    if (content > 0)
        http2_session_consumed(stream->session, stream, content);
    return ERR_OK;
}

// ---- what is answered ---------------------------------------------------------------------------

// write_head sends one head: an interim one, or the final one.
static enum err write_head(struct http2_stream *stream, struct slice bytes, size_t *out_len)
{
    struct message_head head;
    const char *why = NULL;
    if (response_head_parse_own(bytes, stream->upload.is_for_head, &head, &why) != HEAD_OK)
        return ERR_INPUT;
    const bool is_interim = head.status < 200;
    const bool is_tunnel = stream->upload.is_connect && head.status < 300;
    const enum body_kind body = is_tunnel ? BODY_TO_END : head.body;
    if (!is_interim) {
        stream->has_head = true;
        stream->is_answered = body == BODY_NONE;
        body_reader_init(&stream->answer, body, head.length);
    }
    TRY(http2_session_submit_head(stream->session, stream, &head,
                                  !is_interim && body == BODY_NONE));
    *out_len = head.len;
    return ERR_OK;
}

size_t http2_stream_send(struct http2_stream *stream, struct slice content, bool is_last)
{
    stream->pending = content;
    stream->says_end = is_last;
    http2_session_send(stream->session, stream);
    const size_t left = stream->pending.len;
    stream->pending = (struct slice){0};
    return content.len - left;
}

static enum err end_body(struct http2_stream *stream, struct slice trailer)
{
    stream->is_answered = true;
    if (trailer.len > 0)
        return http2_session_submit_trailer(stream->session, stream, trailer);
    (void)http2_stream_send(stream, (struct slice){0}, true);
    return ERR_OK;
}

// write_body takes the framing of HTTP/1.1 off. What cannot be sent now is read once more.
static enum err write_body(struct http2_stream *stream, struct slice bytes, size_t *out_len)
{
    const struct body_reader before = stream->answer;
    struct slice content = {0};
    const char *why = NULL;
    const enum body_result result =
        body_reader_next(&stream->answer, bytes, out_len, &content, &why);
    if (result == BODY_BAD)
        return ERR_INPUT;
    if (result == BODY_DONE)
        return end_body(stream, content);
    const size_t sent = result == BODY_DATA ? http2_stream_send(stream, content, false) : 0;
    if (sent < content.len) {
        const struct slice some = slice_first(bytes, *out_len - content.len + sent);
        stream->answer = before;
        *out_len = 0;
        if (sent > 0)
            (void)body_reader_next(&stream->answer, some, out_len, &content, &why);
    }
    size_t used = 0;
    if (body_reader_next(&stream->answer, (struct slice){0}, &used, &content, &why) == BODY_DONE)
        return end_body(stream, content);
    return *out_len == 0 ? ERR_AGAIN : ERR_OK;
}

static enum err write_op(struct stream *base, struct slice bytes, size_t *out_len)
{
    struct http2_stream *stream = stream_of(base);
    *out_len = 0;
    if (stream->is_reset || stream->id == 0)
        return ERR_SYSTEM;
    if (stream->is_answered)
        return ERR_INPUT;
    return stream->has_head ? write_body(stream, bytes, out_len)
                            : write_head(stream, bytes, out_len);
}

// http2_stream_flush: what has been taken is the session's to send.
enum err http2_stream_flush(struct stream *base)
{
    return stream_of(base)->is_reset ? ERR_SYSTEM : ERR_OK;
}

static enum err finish_op(struct stream *base)
{
    struct http2_stream *stream = stream_of(base);
    if (stream->is_reset)
        return ERR_SYSTEM;
    if (!stream->has_head)
        return ERR_INPUT;
    stream->is_answered = true;
    if (!stream->has_said_end)
        (void)http2_stream_send(stream, (struct slice){0}, true);
    return stream->has_said_end ? ERR_OK : ERR_AGAIN;
}

void http2_stream_want(struct stream *base, bool read, bool write)
{
    struct http2_stream *stream = stream_of(base);
    stream->wants_read = read;
    stream->wants_write = write;
    http2_session_note(stream->session, stream);
}

void http2_stream_close(struct stream *base, bool is_reset)
{
    struct http2_stream *stream = stream_of(base);
    if (!stream->is_closed) // what has no end is reset: the engine would ask for the rest of it
        http2_session_end(stream->session, stream, is_reset || !stream->has_said_end);
    stream->is_closed = true;
}

const struct stream_ops http2_stream_ops = {
    .read = http2_stream_read,
    .write = write_op,
    .flush = http2_stream_flush,
    .finish = finish_op,
    .want = http2_stream_want,
    .close = http2_stream_close,
};
