// The audit's two records of a request: `decision` before the first packet, `close` after everything. Their
// memory was taken with the exchange, so that recording cannot fail. Refused requests above their rate have neither:
// they are counted.
#include "proxy/session/exchange_internal.h"

// count_refusal counts the request in place of its two records.
static void count_refusal(struct exchange *exchange)
{
    const struct peer *peer = exchange->peer;
    const struct refusal_subject subject = {
        .client = peer->client == NULL ? NULL : peer->client->name,
        .source = &peer->address,
        .port = peer->port,
        .reason = exchange->ruling.reason,
        .listener = peer->listener->name,
    };
    audit_record_destroy(exchange->decision_record);
    audit_record_destroy(exchange->close_record);
    exchange->decision_record = NULL;
    exchange->close_record = NULL;
    exchange->is_counted = true;
    quota_give_record(&exchange->quota, peer->context);
    peer->context->counters.counted++;
    (void)refusals_note(peer->context->refused_requests, &subject, peer->context->now_ms);
}

// submit_decision formats the record, and queues it.
static void submit_decision(struct exchange *exchange)
{
    struct peer *peer = exchange->peer;
    struct audit_record *record = exchange->decision_record;
    exchange->decision_record = NULL;
    if (!quota_take_record(&exchange->quota, peer)) {
        audit_record_destroy(record);
        audit_log_note_lost(peer->context->audit, 1);
        exchange->is_unrecorded = true;
        return;
    }
    const struct decision ruled = ruling_decision(&exchange->ruling);
    const struct candidate *judged = NULL;
    size_t judged_count = 0;
    struct slice aliases = {0};
    if (exchange->search != NULL) {
        judged = search_candidates(exchange->search, &judged_count);
        aliases =
            slice_of(search_aliases(exchange->search)->text, search_aliases(exchange->search)->len);
    }
    const struct audit_decision decision = {
        .now_ms = wall_clock_ms(),
        .id = exchange->id,
        .listener = peer->listener->name,
        .client_json = slice_of(peer->json, peer->json_len),
        .tls_version = peer->tls_version,
        .tls_cipher = peer->tls_cipher,
        .is_resumed = peer->is_resumed,
        .method = exchange->method,
        .target = exchange->has_target ? exchange->target : NULL,
        .decision = &ruled,
        .judged = judged_count == 0 ? NULL : judged,
        .judged_count = judged_count,
        .aliases = aliases,
        .config = exchange->ruling.config,
    };
    audit_decision_format(&decision, record);
    audit_log_submit_decision(peer->context->audit, record, quota_hand_record(&exchange->quota));
}

void exchange_submit_decision(struct exchange *exchange)
{
    if (exchange->decision_record == NULL)
        return;
    if (exchange->ruling.action == ACTION_ALLOW || quota_take_refusal(exchange->peer))
        submit_decision(exchange);
    else
        count_refusal(exchange);
}

void exchange_submit_close(struct exchange *exchange)
{
    struct audit_record *record = exchange->close_record;
    if (record == NULL)
        return;
    exchange->close_record = NULL;
    if (exchange->is_unrecorded) { // a close never stands alone
        audit_record_destroy(record);
        audit_log_note_lost(exchange->peer->context->audit, 1);
        return;
    }
    const struct audit_close close = {
        .now_ms = wall_clock_ms(),
        .id = exchange->id,
        .upstream = exchange->upstream.family == IP_NONE ? NULL : &exchange->upstream,
        .upstream_port = exchange->has_target ? exchange->target->port : 0,
        .attempts = exchange->attempts,
        .status = exchange->status,
        .bytes_up = exchange->bytes_up + exchange->tunnel.duplex.up.passed,
        .bytes_down = exchange->bytes_down + exchange->tunnel.duplex.down.passed,
        .resolve_ms = exchange->resolve_ms,
        .connect_ms = exchange->connect_ms,
        .total_ms = exchange->peer->context->now_ms - exchange->begun_ms,
        .reason = exchange->reason,
    };
    audit_close_format(&close, record);
    audit_log_submit(exchange->peer->context->audit, record);
}
