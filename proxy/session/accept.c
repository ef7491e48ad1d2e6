// Takes room in the ledger and in the table of sources, or records which limit stands in the way.
#include "proxy/session/accept.h"

#include <stdlib.h>
#include <unistd.h>

#include "proxy/limits/ledger.h"
#include "proxy/limits/sources.h"
#include "proxy/session/arrival.h"
#include "proxy/session/handshake.h"
#include "proxy/session/session.h"
#include "proxy/session/tally.h"

static void turn_away(const struct peer *peer, enum reason reason)
{
    char id[17];
    peer->context->counters.turned_away++;
    session_context_make_id(peer->context, id);
    tally_refusal(peer, id, reason, NULL);
    peer_record_refusal(peer, &(struct audit_refusal){
                                  .id = id, .reason = reason, .detail = peer_limit_detail(reason)});
}

// admit takes room for one session, and a place among the handshakes of its source. One that a balancer passes on
// (`is_arrival`) has a source once its header is there. REASON_NONE, or why there is no room.
static enum reason admit(const struct peer *peer, bool is_arrival, struct source_turn *out)
{
    struct session_context *context = peer->context;
    enum reason reason = REASON_NONE;
    *out = (struct source_turn){0};
    if (!is_arrival)
        reason = sources_begin(context->sources, &peer->address, context->now_ms, out);
    if (reason != REASON_NONE)
        return reason;
    reason = ledger_take_session(context->ledger);
    if (reason == REASON_LIMIT_SESSIONS && sessions_make_room(context, NULL))
        reason = ledger_take_session(context->ledger);
    if (reason != REASON_NONE && out->is_counted)
        sources_end(context->sources, &peer->address);
    return reason;
}

// make_room_for_arrival ends the one that has waited longest for its header, where many do: a balancer sends it at once.
static void make_room_for_arrival(struct session_context *context)
{
    if (context->state_counts[SESSION_PROXY_HEADER] < ARRIVALS_MAX)
        return;
    struct session *oldest = TAILQ_FIRST(&context->by_state[SESSION_PROXY_HEADER]);
    arrival_refuse(oldest, REASON_LIMIT_PROXY_HEADERS,
                   "too many connections wait for their PROXY header: this one longest");
    session_kill(oldest, true);
}

// create makes a session of a socket, which is closed where there is no memory.
static struct session *create(const struct peer *peer, bool is_arrival, int fd)
{
    struct session_context *context = peer->context;
    struct session *session = calloc(1, sizeof *session);
    struct arrival *arrival = is_arrival ? arrival_create() : NULL;
    if (session == NULL || (is_arrival && arrival == NULL)) {
        arrival_destroy(arrival);
        free(session);
        tcp_stream_discard(context->loop, fd, true);
        return NULL;
    }
    session->arrival = arrival;
    session->state = is_arrival ? SESSION_PROXY_HEADER : SESSION_HANDSHAKE;
    tcp_stream_init(&session->tcp, context->loop, fd);
    session->magic = SESSION_MAGIC;
    session->peer = *peer;
    session_context_make_id(context, session->peer.id);
    session->peer.tls = tls_stream_create(peer->listener->sites[0].tls, &session->tcp.stream,
                                          &context->buffers, session_on_verify, session);
    if (session->peer.tls == NULL) {
        stream_close(&session->tcp.stream, true);
        arrival_destroy(arrival);
        free(session);
        return NULL;
    }
    channel_init(&session->channel, &session->peer, &session->peer.tls->stream);
    session->peer.snapshot = snapshot_ref(context->snapshot);
    return session;
}

void session_accept(struct session_context *context, const struct listener_config *listener, int fd,
                    const struct ip_addr *address, uint16_t port)
{
    const struct peer peer = {
        .context = context,
        .listener = listener,
        .trust = listener->sites[0].trust,
        .address = *address,
        .port = port,
        .not_after_s = NEVER_S, // until a certificate is verified
    };
    struct source_turn turn;
    const bool is_arrival = listener_config_is_balancer(listener, address);
    if (is_arrival)
        make_room_for_arrival(context);
    const enum reason reason = admit(&peer, is_arrival, &turn);
    if (reason != REASON_NONE) {
        turn_away(&peer, reason);
        (void)close(fd);
        return;
    }
    if (turn.wait_ms > 0)
        context->counters.slowed++;
    struct session *session = create(&peer, is_arrival, fd);
    if (session == NULL) {
        if (turn.is_counted)
            sources_end(context->sources, address);
        ledger_give_session(context->ledger);
        return;
    }
    session->peer.tls->select = session_on_select;
    tls_stream_allow_resumption(session->peer.tls, context->tickets, session_on_resume);
    session->is_first = true;
    session->is_half_open = turn.is_counted;
    session->since_ms = context->now_ms + turn.wait_ms;
    session_start(session);
}
