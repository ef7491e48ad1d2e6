// Every question of a request to today's trust and policy: before DNS, after it, before the 200, and while the
// tunnel lives. What was asked under an older snapshot is asked again.
#include "proxy/session/exchange_internal.h"

// is_expired: its right ends with the earliest certificate of the chain, by the wall clock.
static bool is_expired(const struct peer *peer)
{
    return wall_clock_ms() / 1000 > peer->not_after_s;
}

bool exchange_has_right(struct exchange *exchange)
{
    struct peer *peer = exchange->peer;
    enum reason reason = peer->judge_again(peer->owner);
    if (reason == REASON_NONE && is_expired(peer))
        reason = REASON_EXPIRED;
    exchange->generation = peer->snapshot->generation;
    if (reason == REASON_NONE)
        return true;
    exchange->may_keep = false;
    const struct decision denial = {.action = ACTION_DENY, .reason = reason};
    exchange_rule(exchange, &denial);
    exchange_refuse_decided(exchange, 403, "no longer let in");
    return false;
}

// is_admitted_target takes the first decision: all that policy can say before DNS.
static bool is_admitted_target(struct exchange *exchange)
{
    const struct peer *peer = exchange->peer;
    struct decision decision;
    policy_decide_target(peer->snapshot->policy, peer->client, &peer->address, exchange->target,
                         &decision);
    exchange_rule(exchange, &decision);
    if (decision.action == ACTION_ALLOW)
        return true;
    exchange_refuse_decided(exchange, 403, NULL);
    return false;
}

// has_room_for_records takes the room for both records, before anything is waited for: no record, no tunnel. Where
// the configuration says that records may be dropped it is not needed.
static bool has_room_for_records(struct exchange *exchange)
{
    const struct peer *peer = exchange->peer;
    const bool must_have = peer->snapshot->audit_on_full == AUDIT_REFUSE;
    if (must_have && audit_log_is_failing(peer->context->audit))
        return false;
    return quota_take_record(&exchange->quota, peer) || !must_have;
}

// has_quota takes the client's tunnel before DNS is asked, so that those who wait for it count.
static bool has_quota(struct exchange *exchange)
{
    struct limit_refusal refusal;
    if (quota_take(&exchange->quota, exchange->peer, &refusal))
        return true;
    exchange_refuse_limited(exchange, &refusal);
    return false;
}

bool exchange_is_admitted(struct exchange *exchange)
{
    const struct peer *peer = exchange->peer;
    const struct session_context *context = peer->context;
    if (context->is_draining) {
        exchange_refuse_error(exchange, 503, REASON_DRAINING, NULL);
        return false;
    }
    if (!has_room_for_records(exchange)) {
        exchange_refuse_error(exchange, 503, REASON_AUDIT_FULL, NULL);
        return false;
    }
    return exchange_has_right(exchange) && is_admitted_target(exchange) && has_quota(exchange);
}

bool exchange_is_still_admitted(struct exchange *exchange)
{
    if (exchange->generation == exchange->peer->context->snapshot->generation)
        return true;
    return exchange_has_right(exchange) && is_admitted_target(exchange) && has_quota(exchange);
}

bool exchange_admits_addresses(struct exchange *exchange)
{
    const struct peer *peer = exchange->peer;
    struct decision decision;
    if (!search_judge(exchange->search, peer->snapshot->policy, peer->client, &peer->address,
                      &decision))
        return false;
    exchange_rule(exchange, &decision);
    if (decision.action != ACTION_ALLOW) {
        const bool is_denied = decision.action == ACTION_DENY;
        exchange_refuse_decided(exchange, is_denied ? 403 : 502, NULL);
        return false;
    }
    struct limit_refusal refusal;
    if (!quota_begin(&exchange->quota, peer, &refusal)) {
        exchange_refuse_limited(exchange, &refusal);
        return false;
    }
    exchange_submit_decision(exchange);
    return true;
}

// judge_dialled judges the address that is connected, or was, under the peer's snapshot.
static bool judge_dialled(struct exchange *exchange, const struct ip_addr *address)
{
    const struct peer *peer = exchange->peer;
    struct decision decision;
    search_judge_one(peer->snapshot->policy, peer->client, &peer->address, exchange->target,
                     address, &decision);
    return decision.action == ACTION_ALLOW;
}

// reason_today tells what has become of the right that was there before the dialling, in the word for its end.
static enum reason reason_today(struct exchange *exchange)
{
    const struct peer *peer = exchange->peer;
    enum reason reason = REASON_NONE;
    if (exchange->generation != peer->context->snapshot->generation) {
        const struct ip_addr address = search_last_dialled(exchange->search);
        reason = peer->judge_again(peer->owner);
        exchange->generation = peer->context->snapshot->generation;
        if (reason != REASON_NONE)
            reason = reason_of_end(reason);
        else if (!judge_dialled(exchange, &address))
            reason = REASON_POLICY_CHANGED;
    }
    if (reason == REASON_NONE && is_expired(peer))
        reason = REASON_EXPIRED;
    return reason;
}

bool exchange_is_still_right(struct exchange *exchange)
{
    const enum reason reason = reason_today(exchange);
    if (reason == REASON_NONE)
        return true;
    exchange->may_keep = false;
    exchange_refuse_late(exchange, 403, reason, NULL);
    return false;
}

void exchange_judge_again(struct exchange *exchange)
{
    if (!exchange_is_tunnel(exchange))
        return;
    exchange->generation = exchange->peer->snapshot->generation;
    if (!judge_dialled(exchange, &exchange->upstream))
        exchange_end(exchange, REASON_POLICY_CHANGED);
}
