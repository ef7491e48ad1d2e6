// The ledger and the table of sources count; what they say is turned into a record.
#include "proxy/session/accept.h"

#include <stdlib.h>
#include <unistd.h>

#include "proxy/limits/ledger.h"
#include "proxy/limits/sources.h"
#include "proxy/session/handshake.h"
#include "proxy/session/session.h"

struct arrival {
    const struct listener_config *listener; // borrowed
    const struct ip_addr *address;          // borrowed; canonical
    uint16_t port;
    struct source_turn turn; // whether it counts among its source's handshakes, and when it begins
};

static const char *detail_of(enum reason reason)
{
    if (reason == REASON_LIMIT_SESSIONS)
        return "the proxy has as many connections as it may (limits.sessions)";
    if (reason == REASON_LIMIT_MEMORY)
        return "the proxy uses as much memory as it may (limits.memory)";
    return "too many handshakes of this source are under way (limits.source.half_open)";
}

static void record(struct session_context *context, const struct arrival *arrival,
                   enum reason reason)
{
    char id[17];
    context->counters.turned_away++;
    session_context_make_id(context, id);
    const struct refusal_subject subject = {.source = arrival->address,
                                            .port = arrival->port,
                                            .reason = reason,
                                            .listener = arrival->listener->name};
    if (!refusals_note(context->refusals, &subject, context->now_ms))
        return;
    const struct audit_refusal refusal = {
        .now_ms = wall_clock_ms(),
        .id = id,
        .listener = arrival->listener->name,
        .address = *arrival->address,
        .port = arrival->port,
        .reason = reason,
        .detail = detail_of(reason),
        .count = 1,
    };
    audit_log_submit_bounded(context->audit, AUDIT_KIND_REFUSAL, audit_refusal_create(&refusal), 1);
}

// give_back gives back what admit has taken.
static void give_back(struct session_context *context, const struct arrival *arrival)
{
    if (arrival->turn.is_counted)
        sources_end(context->sources, arrival->address);
    ledger_give_session(context->ledger);
}

// admit takes room for one session, and a place among the handshakes of its source. False: it is recorded why not.
static bool admit(struct session_context *context, struct arrival *arrival)
{
    enum reason reason =
        sources_begin(context->sources, arrival->address, context->now_ms, &arrival->turn);
    if (reason == REASON_NONE) {
        reason = ledger_take_session(context->ledger);
        if (reason == REASON_LIMIT_SESSIONS && sessions_make_room(context, NULL))
            reason = ledger_take_session(context->ledger);
        if (reason != REASON_NONE && arrival->turn.is_counted)
            sources_end(context->sources, arrival->address);
    }
    if (reason != REASON_NONE)
        record(context, arrival, reason);
    else if (arrival->turn.wait_ms > 0)
        context->counters.slowed++;
    return reason == REASON_NONE;
}

// create makes a session of a socket, which is closed where there is no memory.
static struct session *create(struct session_context *context,
                              const struct listener_config *listener, int fd)
{
    struct session *session = calloc(1, sizeof *session);
    struct tcp_stream unowned;
    struct tcp_stream *tcp = session == NULL ? &unowned : &session->tcp;
    tcp_stream_init(tcp, context->loop, fd);
    if (session != NULL) {
        session->magic = SESSION_MAGIC;
        session->peer.tls = tls_stream_create(listener->tls, &tcp->stream, &context->buffers,
                                              session_on_verify, session);
    }
    if (session != NULL && session->peer.tls != NULL)
        return session;
    stream_close(&tcp->stream, true);
    free(session);
    return NULL;
}

void session_accept(struct session_context *context, const struct listener_config *listener, int fd,
                    const struct ip_addr *peer, uint16_t peer_port)
{
    struct arrival arrival = {.listener = listener, .address = peer, .port = peer_port};
    if (!admit(context, &arrival)) {
        (void)close(fd);
        return;
    }
    struct session *session = create(context, listener, fd);
    if (session == NULL) {
        give_back(context, &arrival);
        return;
    }
    struct tls_stream *tls = session->peer.tls;
    tls_stream_select_by_name(tls, session_on_select);
    tls_stream_allow_resumption(tls, context->tickets, session_on_resume);
    session->is_first = true;
    session->is_half_open = arrival.turn.is_counted;
    session->since_ms = context->now_ms + arrival.turn.wait_ms;
    session->peer = (struct peer){
        .context = context,
        .snapshot = snapshot_ref(context->snapshot),
        .listener = listener,
        .trust = listener->trust,
        .tls = tls,
        .stream = tls_stream_stream(tls),
        .address = *peer,
        .port = peer_port,
        .not_after_s = NEVER_S, // until a certificate is verified
    };
    session_start(session);
}
