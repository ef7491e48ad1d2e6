// The memory of both records was taken with the exchange, so that recording cannot fail. Refused requests above their
// rate have neither: they are counted.
#include "proxy/session/records.h"

#include "proxy/session/consent.h"
#include "proxy/session/tally.h"

// count_request counts one in place of its two records.
static void count_request(const struct peer *peer, enum reason reason)
{
    const struct refusal_subject subject = {
        .client = peer_client_name(peer),
        .source = &peer->address,
        .port = peer->port,
        .reason = reason,
        .listener = peer->listener->name,
    };
    peer->context->counters.counted++;
    (void)refusals_note(peer->context->refused_requests, &subject, peer->context->now_ms);
}

void records_count_unmade(const struct peer *peer)
{
    peer->context->counters.exchanges++;
    peer->context->counters.decided[ACTION_ERROR][REASON_NO_MEMORY]++;
    count_request(peer, REASON_NO_MEMORY);
}

static void count_refusal(struct exchange *exchange)
{
    audit_record_destroy(exchange->records.decision);
    audit_record_destroy(exchange->records.close);
    exchange->records.decision = NULL;
    exchange->records.close = NULL;
    exchange->records.is_counted = true;
    quota_give_record(&exchange->route.quota, exchange->peer->context);
    count_request(exchange->peer, exchange->verdict.reason);
}

// decision_cap gives how much room the `decision` needs at most, by what is known of the client now.
static size_t decision_cap(const struct exchange *exchange)
{
    const struct peer *peer = exchange->peer;
    size_t cap = AUDIT_DECISION_EXTRA_CAP + peer->json_len;
    if (peer->edge != NULL)
        cap += peer->edge->json_len + AUDIT_VIA_CLIENT_EXTRA;
    if (exchange->presented != NULL)
        cap += AUDIT_PRESENTED_MAX + AUDIT_VIA_CLIENT_EXTRA;
    return cap;
}

// widen_decision gives the `decision` record room for `cap` bytes. Nothing has been written into it yet.
static enum err widen_decision(struct exchange *exchange, size_t cap)
{
    struct audit_record *wider = audit_record_create(cap);
    if (wider == NULL)
        return ERR_MEMORY;
    audit_record_destroy(exchange->records.decision);
    exchange->records.decision = wider;
    return ERR_OK;
}

enum err records_fit_decision(struct exchange *exchange)
{
    const struct audit_record *record = exchange->records.decision;
    const size_t cap = decision_cap(exchange);
    if (record == NULL || record->cap >= cap)
        return ERR_OK;
    return widen_decision(exchange, cap);
}

// submit_decision formats the record, and queues it. One that there is no room for is lost, and counted.
static void submit_decision(struct exchange *exchange)
{
    struct peer *peer = exchange->peer;
    const bool fits = records_fit_decision(exchange) == ERR_OK;
    struct audit_record *record = exchange->records.decision;
    exchange->records.decision = NULL;
    if (!fits || !quota_take_record(&exchange->route.quota, peer)) {
        quota_give_record(&exchange->route.quota, peer->context);
        audit_record_destroy(record);
        audit_log_note_lost(peer->context->audit, 1);
        exchange->records.is_unrecorded = true;
        return;
    }
    const struct decision ruled = verdict_decision(&exchange->verdict);
    const struct search *search = exchange->route.search;
    const struct target asked = {.kind = TARGET_ADDRESS,
                                 .port = exchange->request->url.target.port,
                                 .address = exchange->request->asked};
    struct audit_consent consent;
    const size_t known_count = search == NULL ? 0 : search->candidate_count;
    // A name that a parent resolves was judged without an address: an empty list.
    const size_t judged_count = known_count > 0 && search_is_by_name(search) ? 0 : known_count;
    const struct audit_decision decision = {
        .now_ms = wall_clock_ms(),
        .id = exchange->id,
        .listener = peer->listener->name,
        .session = peer->id,
        .is_http2 = exchange->channel->is_http2,
        .stream = exchange->channel->stream_id,
        .client_json = slice_of(peer->json, peer->json_len),
        .via_client_json = peer->edge == NULL ? (struct slice){0}
                                              : slice_of(peer->edge->json, peer->edge->json_len),
        .presented = exchange->presented,
        .is_passed_on = exchange->records.is_passed_on,
        .tls_version = tls_stream_version_name(peer_connected(peer)->tls),
        .tls_cipher = tls_stream_cipher_name(peer_connected(peer)->tls),
        .tls_group = tls_stream_group_name(peer_connected(peer)->tls),
        .is_resumed = peer->is_resumed,
        .method = exchange->request->method,
        .target = exchange->request->has_target ? &exchange->request->url.target : NULL,
        .asked = exchange->request->is_routed ? &asked : NULL,
        .decision = &ruled,
        .judged = known_count == 0 ? NULL : search->candidates,
        .judged_count = judged_count,
        .aliases = search == NULL ? (struct slice){0}
                                  : slice_of(search->aliases.text, search->aliases.len),
        .detail = exchange->verdict.detail,
        .via = search == NULL ? NULL : search->via,
        .consent = consent_read(exchange, &consent) ? &consent : NULL,
        .config = exchange->verdict.config,
    };
    audit_decision_format(&decision, record);
    audit_log_submit_decision(peer->context->audit, record,
                              quota_hand_record(&exchange->route.quota));
}

void records_submit_decision(struct exchange *exchange)
{
    if (exchange->records.decision == NULL)
        return;
    tally_decision(exchange);
    if (exchange->verdict.action == ACTION_ALLOW || quota_take_refusal(exchange->peer))
        submit_decision(exchange);
    else
        count_refusal(exchange);
}

// would_end tells for what a tunnel that was only observed would have ended.
static enum reason would_end(const struct exchange *exchange)
{
    const struct inspection *inspection = exchange->route.tunnel.inspection;
    const struct peer *peer = exchange->peer;
    if (inspection == NULL || !inspection->only_observes)
        return REASON_NONE;
    const bool is_unseen =
        inspection->gate.state == GATE_FIRST || inspection->gate.seen.kind == INNER_NOTHING;
    if (is_unseen && inner_holds_down(&inspection->gate.rules) &&
        exchange->timing.since_ms + peer->snapshot->timeouts.inner_ms <= peer->context->now_ms)
        return REASON_INNER_TIMEOUT;
    return inspection->would_end;
}

// parent_cap gives the room that the `close` has for a parent.
static size_t parent_cap(const struct exchange *exchange)
{
    return route_parent_name(&exchange->route) == NULL ? 0 : AUDIT_PARENT_CAP;
}

// widen gives the `close` record room for `cap` bytes. Nothing has been written into it yet.
static enum err widen(struct exchange *exchange, size_t cap)
{
    struct audit_record *wider = audit_record_create(cap);
    if (wider == NULL)
        return ERR_MEMORY;
    audit_record_destroy(exchange->records.close);
    exchange->records.close = wider;
    return ERR_OK;
}

enum err records_reserve_guest(struct exchange *exchange, const struct peer *guest)
{
    return widen_decision(exchange, AUDIT_DECISION_EXTRA_CAP + guest->json_len +
                                        guest->edge->json_len + AUDIT_VIA_CLIENT_EXTRA);
}

enum err records_reserve_presented(struct exchange *exchange)
{
    return records_fit_decision(exchange);
}

enum err records_reserve_parent(struct exchange *exchange)
{
    return widen(exchange, exchange->records.close->cap + AUDIT_PARENT_CAP);
}

enum err records_reserve_inside(struct exchange *exchange)
{
    const size_t cap = AUDIT_CLOSE_CAP + parent_cap(exchange) + INNER_JSON_CAP;
    return exchange->records.close->cap >= cap ? ERR_OK : widen(exchange, cap);
}

bool records_reserve_detail(struct exchange *exchange)
{
    const struct audit_record *record = exchange->records.close;
    return record != NULL && widen(exchange, record->cap + AUDIT_DETAIL_CAP) == ERR_OK;
}

void records_fit_close(struct exchange *exchange)
{
    enum { SLACK = 96 }; // for a would_end to come
    struct audit_record *record = exchange->records.close;
    const size_t least = AUDIT_CLOSE_CAP + parent_cap(exchange);
    char data[INNER_JSON_CAP];
    struct text text;
    if (record == NULL || record->cap != least + INNER_JSON_CAP)
        return;
    text_init(&text, data, sizeof data);
    inner_append_json(&exchange->route.tunnel.inspection->gate.seen, &exchange->request->url.target,
                      would_end(exchange), &text);
    if (text.len + SLACK < INNER_JSON_CAP)
        exchange->records.close = audit_record_shrink(record, least + text.len + SLACK);
}

void records_submit_close(struct exchange *exchange)
{
    struct audit_record *record = exchange->records.close;
    if (record == NULL)
        return;
    exchange->records.close = NULL;
    if (exchange->records.is_unrecorded) { // a close never stands alone
        audit_record_destroy(record);
        audit_log_note_lost(exchange->peer->context->audit, 1);
        return;
    }
    uint64_t bytes_up = 0;
    uint64_t bytes_down = 0;
    const struct inspection *inspection = exchange->route.tunnel.inspection;
    const struct target target = exchange_target(exchange);
    route_bytes(&exchange->route, &bytes_up, &bytes_down);
    const struct audit_close close = {
        .now_ms = wall_clock_ms(),
        .id = exchange->id,
        .upstream = exchange->route.upstream.family == IP_NONE ? NULL : &exchange->route.upstream,
        .upstream_port = target.port,
        .attempts = exchange->route.attempts,
        .status = exchange->ending.status,
        .bytes_up = bytes_up,
        .bytes_down = bytes_down,
        .resolve_ms = exchange->timing.resolve_ms,
        .connect_ms = exchange->timing.connect_ms,
        .total_ms = exchange->peer->context->now_ms - exchange->timing.begun_ms,
        .reason = exchange->ending.reason,
        .detail = exchange->ending.detail,
        .inner = inspection == NULL ? NULL : &inspection->gate.seen,
        .target = &target,
        .would_end = would_end(exchange),
        .parent = route_parent_name(&exchange->route),
        .proxy = exchange->route.proxy,
        .is_proxy_http2 = exchange->route.is_proxy_http2,
        .answered = exchange->ending.answered,
    };
    audit_close_format(&close, record);
    audit_log_submit(exchange->peer->context->audit, record);
}
