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
    exchange->decision = (struct decision){.action = ACTION_DENY, .reason = reason};
    exchange_refuse_decided(exchange, 403, "no longer let in");
    return false;
}

// is_admitted_target takes the first decision: all that policy can say before DNS.
static bool is_admitted_target(struct exchange *exchange)
{
    const struct peer *peer = exchange->peer;
    policy_decide_target(peer->snapshot->policy, peer->client, &peer->address, exchange->target,
                         &exchange->decision);
    if (exchange->decision.action == ACTION_ALLOW)
        return true;
    exchange_refuse_decided(exchange, 403, NULL);
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
    if (peer->snapshot->audit_on_full == AUDIT_REFUSE && audit_log_is_full(context->audit)) {
        exchange_refuse_error(exchange, 503, REASON_AUDIT_FULL, NULL);
        return false;
    }
    return exchange_has_right(exchange) && is_admitted_target(exchange);
}

bool exchange_is_still_admitted(struct exchange *exchange)
{
    if (exchange->generation == exchange->peer->context->snapshot->generation)
        return true;
    return exchange_has_right(exchange) && is_admitted_target(exchange);
}

bool exchange_admits_addresses(struct exchange *exchange)
{
    const struct peer *peer = exchange->peer;
    const bool is_final = search_judge(exchange->search, peer->snapshot->policy, peer->client,
                                       &peer->address, &exchange->decision);
    if (!is_final)
        return false;
    if (exchange->decision.action != ACTION_ALLOW) {
        const bool is_denied = exchange->decision.action == ACTION_DENY;
        exchange_refuse_decided(exchange, is_denied ? 403 : 502, NULL);
        return false;
    }
    struct limit_refusal refusal;
    if (!quota_take(&exchange->quota, peer, &refusal)) {
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
