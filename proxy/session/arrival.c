// What has come is looked at before it is read: then it is known how much of it is the header's.
#include "proxy/session/arrival.h"

#include <stdlib.h>

#include "proxy/limits/sources.h"
#include "proxy/net/proxy_header.h"
#include "proxy/session/tally.h"

struct arrival {
    struct source_turn turn; // once the client is known
    size_t len;              // bytes that have been read
    uint8_t bytes[PROXY_HEADER_MAX_LEN];
};

struct arrival *arrival_create(void)
{
    struct arrival *arrival = malloc(sizeof *arrival);
    if (arrival != NULL)
        arrival->len = 0;
    return arrival;
}

void arrival_destroy(struct arrival *arrival)
{
    free(arrival);
}

void arrival_refuse(struct session *session, enum reason reason, const char *detail)
{
    struct session_context *context = session->peer.context;
    context->counters.handshakes_refused++;
    session_context_make_id(context, session->refusal.id);
    tally_refusal(&session->peer, session->refusal.id, reason, NULL);
    peer_record_refusal(
        &session->peer,
        &(struct audit_refusal){.id = session->refusal.id, .reason = reason, .detail = detail});
}

static enum session_step refuse(struct session *session, enum reason reason, const char *detail)
{
    arrival_refuse(session, reason, detail);
    return SESSION_STEP_END;
}

// take reads bytes that were looked at, after those that have been read.
static enum err take(struct session *session, size_t count)
{
    struct arrival *arrival = session->arrival;
    size_t len = 0;
    if (count == 0)
        return ERR_OK;
    const enum err error =
        stream_read(&session->tcp.stream, arrival->bytes + arrival->len, count, &len);
    arrival->len += len;
    return error == ERR_OK && len < count ? ERR_SYSTEM : error;
}

// sender_left ends one whose sender has gone. One that said nothing was a probe.
static enum session_step sender_left(struct session *session)
{
    if (session->arrival->len > 0)
        return refuse(session, REASON_PROXY_HEADER_BAD,
                      "the sender ended the connection within the PROXY header");
    session->peer.context->counters.silent++;
    return SESSION_STEP_END;
}

// make_known makes the client that the header tells of the peer, and takes a place among the handshakes of its source.
static enum session_step make_known(struct session *session, const struct proxy_header *header)
{
    struct peer *peer = &session->peer;
    const struct session_context *context = peer->context;
    struct source_turn *turn = &session->arrival->turn;
    peer->via = peer->address;
    peer->is_unannounced = header->is_unknown;
    if (!header->is_unknown) {
        peer->address = header->source;
        peer->port = header->port;
    }
    const enum reason reason =
        sources_begin(context->sources, &peer->address, context->now_ms, turn);
    return reason == REASON_NONE ? SESSION_STEP_SHAKE
                                 : refuse(session, reason, peer_limit_detail(reason));
}

enum session_step arrival_step(struct session *session)
{
    struct arrival *arrival = session->arrival;
    struct proxy_header header;
    const char *why = "";
    size_t len = 0;
    const enum err error = tcp_stream_peek(&session->tcp, arrival->bytes + arrival->len,
                                           sizeof arrival->bytes - arrival->len, &len);
    if (error == ERR_AGAIN)
        return SESSION_STEP_WAIT;
    if (error != ERR_OK)
        return sender_left(session);
    switch (proxy_header_parse(slice_of(arrival->bytes, arrival->len + len), &header, &why)) {
    case PROXY_HEADER_MORE:
        return take(session, len) == ERR_OK ? SESSION_STEP_AGAIN : sender_left(session);
    case PROXY_HEADER_BAD:
        break;
    case PROXY_HEADER_OK:
        return take(session, header.len - arrival->len) == ERR_OK ? make_known(session, &header)
                                                                  : sender_left(session);
    }
    return refuse(session, REASON_PROXY_HEADER_BAD, why);
}

int64_t arrival_ends_ms(const struct session *session)
{
    return session->since_ms + session->peer.listener->proxy_protocol.wait_ms;
}

void arrival_leave_for_handshake(struct session *session)
{
    const struct source_turn turn = session->arrival->turn;
    arrival_destroy(session->arrival);
    session->arrival = NULL;
    if (turn.wait_ms > 0)
        session->peer.context->counters.slowed++;
    session->is_half_open = turn.is_counted;
    session->since_ms += turn.wait_ms;
}
