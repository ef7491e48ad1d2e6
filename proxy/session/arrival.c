// The ledger and the table of sources count; here their word is turned into a record.
#include "proxy/session/arrival.h"

#include "proxy/limits/ledger.h"
#include "proxy/limits/sources.h"
#include "proxy/session/session.h"

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
    audit_log_submit_refusal(context->audit, audit_refusal_create(&refusal), 1);
}

bool arrival_admit(struct session_context *context, struct arrival *arrival)
{
    struct source_turn turn;
    enum reason reason = sources_begin(context->sources, arrival->address, context->now_ms, &turn);
    arrival->is_half_open = turn.is_counted;
    arrival->wait_ms = turn.wait_ms;
    if (reason == REASON_NONE) {
        reason = ledger_take_session(context->ledger);
        if (reason == REASON_LIMIT_SESSIONS && sessions_make_room(context, NULL))
            reason = ledger_take_session(context->ledger);
        if (reason != REASON_NONE && arrival->is_half_open)
            sources_end(context->sources, arrival->address);
    }
    if (reason != REASON_NONE)
        record(context, arrival, reason);
    else if (turn.wait_ms > 0)
        context->counters.slowed++;
    return reason == REASON_NONE;
}

void arrival_end_handshake(struct session_context *context, const struct ip_addr *address)
{
    sources_end(context->sources, address);
}

void arrival_note_failure(struct session_context *context, const struct ip_addr *address,
                          enum reason reason)
{
    if (reason != REASON_CLIENT_ABORTED && reason != REASON_NO_MEMORY &&
        reason != REASON_LIMIT_SESSIONS)
        sources_note_failure(context->sources, address, context->now_ms);
}

void arrival_give_session(struct session_context *context)
{
    ledger_give_session(context->ledger);
}
