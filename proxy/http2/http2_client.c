// The head that is written becomes HEADERS; then bytes are bytes.
#include "proxy/http2/http2_client.h"

#include "proxy/http2/http2_stream.h"

// write_head sends the HEADERS of a CONNECT.
static enum err write_head(struct http2_stream *stream, struct slice bytes, size_t *out_len)
{
    struct message_head head;
    const char *why = NULL;
    if (request_head_parse_introduced(bytes, HEAD_MAX_LEN, &head, &why) != HEAD_OK ||
        head.method != METHOD_CONNECT)
        return ERR_INPUT;
    TRY(http2_session_submit_connect(stream->session, stream, &head));
    stream->has_head = true;
    *out_len = head.len;
    return ERR_OK;
}

static enum err write_op(struct stream *base, struct slice bytes, size_t *out_len)
{
    struct http2_stream *stream = (struct http2_stream *)base;
    *out_len = 0;
    if (stream->is_reset)
        return ERR_SYSTEM;
    if (!stream->has_head)
        return write_head(stream, bytes, out_len);
    if (stream->id == 0)
        return ERR_SYSTEM;
    *out_len = http2_stream_send(stream, bytes, false);
    return *out_len > 0 ? ERR_OK : ERR_AGAIN;
}

static enum err finish_op(struct stream *base)
{
    struct http2_stream *stream = (struct http2_stream *)base;
    if (stream->is_reset)
        return ERR_SYSTEM;
    if (stream->id != 0 && !stream->has_said_end)
        (void)http2_stream_send(stream, (struct slice){0}, true);
    return stream->has_said_end || stream->id == 0 ? ERR_OK : ERR_AGAIN;
}

static const struct stream_ops client_ops = {
    .read = http2_stream_read,
    .write = write_op,
    .flush = http2_stream_flush,
    .finish = finish_op,
    .want = http2_stream_want,
    .close = http2_stream_close,
};

static enum err take_answer(struct http2_stream *stream, bool has_end)
{
    struct http2_upload *upload = &stream->upload;
    if (!upload->has_head)
        return http2_upload_take_answer(upload, has_end);
    // Trailer fields of a refusal say nothing; a tunnel has none (RFC 9113 8.5).
    request_fields_deinit(&upload->fields);
    if (!has_end || upload->status < 300)
        return ERR_INPUT;
    return http2_upload_take_end(upload);
}

struct http2_session *http2_client_create(const struct http2_options *options, struct stream *below,
                                          struct buffer_pool *pool)
{
    static const struct http2_events events = {.ops = &client_ops, .take_answer = take_answer};
    return http2_session_create(options, below, pool, &events, NULL);
}

struct http2_stream *http2_client_open(struct http2_session *session, bool says_close)
{
    struct http2_stream *stream = http2_session_add_stream(session);
    if (stream != NULL)
        stream->upload.says_close = says_close;
    return stream;
}
