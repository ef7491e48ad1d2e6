// Over HTTP/2 streams are answered after the step in which their heads have come, so they never have to be told anything.
#include "proxy/session/refusing.h"

#include "proxy/http/answer.h"
#include "proxy/http/head.h"
#include "proxy/http2/http2_session.h"
#include "proxy/http2/http2_stream.h"

// answer_on writes why the client was refused. What finds no room is lost: the client reads nothing, or has gone.
static void answer_on(const struct session *session, struct stream *stream)
{
    char data[ANSWER_CAP];
    struct text text;
    text_init(&text, data, sizeof data);
    const struct answer answer = {
        .status = 403,
        .reason = session->refusal.reason,
        .help = session->refusal.detail,
        .id = session->refusal.id,
    };
    answer_format(&answer, &text);
    struct slice rest = text_slice(&text);
    size_t len = 0;
    while (rest.len > 0 && stream_write(stream, rest, &len) == ERR_OK)
        rest = slice_from(rest, len);
}

static enum session_step step_http1(struct session *session)
{
    struct channel *channel = &session->channel;
    struct message_head head;
    const char *why = "";
    const enum err error = channel_fill(channel);
    if (request_head_parse(channel_unread(channel), HEAD_CONNECT_MAX_LEN, &head, &why) !=
        HEAD_MORE) {
        answer_on(session, channel->stream);
        channel_empty(channel);
        return SESSION_STEP_CLOSE;
    }
    if (error == ERR_OK)
        return SESSION_STEP_AGAIN;
    if (error == ERR_AGAIN && !session->peer.context->is_draining)
        return SESSION_STEP_WAIT;
    return error == ERR_EOF || error == ERR_AGAIN ? SESSION_STEP_CLOSE : SESSION_STEP_RESET;
}

// ---- HTTP/2 -------------------------------------------------------------------------------------

static void on_ready(void *owner)
{
    (void)owner;
}

static bool on_request(void *owner, struct http2_stream *stream, bool is_too_many)
{
    stream->stream.on_ready = on_ready;
    stream->stream.owner = owner;
    return !is_too_many;
}

// answer_all answers the requests whose heads have come. False: there is none.
static bool answer_all(struct session *session)
{
    struct http2_stream *next = NULL;
    bool has_answered = false;
    for (struct http2_stream *at = TAILQ_FIRST(&session->refusing->live); at != NULL; at = next) {
        next = TAILQ_NEXT(at, link);
        if (!at->upload.has_head)
            continue;
        answer_on(session, &at->stream);
        stream_close(&at->stream, false);
        http2_stream_destroy(at);
        has_answered = true;
    }
    return has_answered;
}

static enum http2_status step(struct session *session)
{
    return http2_session_step(session->refusing, session->peer.context->now_ms);
}

static enum session_step step_http2(struct session *session)
{
    static const struct http2_events events = {.ops = &http2_stream_ops, .on_request = on_request};
    struct peer *peer = &session->peer;
    if (session->refusing == NULL)
        session->refusing = http2_session_create(&peer->listener->http2, session->channel.stream,
                                                 &peer->context->buffers, &events, session);
    if (session->refusing == NULL)
        return SESSION_STEP_RESET;
    const enum http2_status status = step(session);
    if (answer_all(session)) {
        http2_session_drain(session->refusing, true);
        return step(session) == HTTP2_BROKEN ? SESSION_STEP_RESET : SESSION_STEP_CLOSE;
    }
    switch (status) {
    case HTTP2_MORE:
        return SESSION_STEP_MORE;
    case HTTP2_WAITS:
        return peer->context->is_draining ? SESSION_STEP_CLOSE : SESSION_STEP_WAIT;
    case HTTP2_FINISHED:
    case HTTP2_WRONG:
        return SESSION_STEP_CLOSE;
    case HTTP2_BROKEN:
        break;
    }
    return SESSION_STEP_RESET;
}

enum session_step refusing_step(struct session *session)
{
    return tls_stream_is_http2(session->peer.tls) ? step_http2(session) : step_http1(session);
}

void refusing_deinit(struct session *session)
{
    while (session->refusing != NULL && !TAILQ_EMPTY(&session->refusing->live))
        http2_stream_destroy(TAILQ_FIRST(&session->refusing->live));
    http2_session_destroy(session->refusing);
    session->refusing = NULL;
}
