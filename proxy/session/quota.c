// The ledger and the audit log count; here it is only remembered who has to give back what.
#include "proxy/session/quota.h"

#include "proxy/limits/sources.h"

static void give_tunnel(struct quota *quota, const struct session_context *context)
{
    if (quota->account == NULL)
        return;
    ledger_give_tunnel(context->ledger, quota->account, context->now_ms);
    quota->account = NULL;
}

// verdict_of_turn says what follows from a turn at the ledger.
static struct verdict verdict_of_turn(enum ledger_turn turn, const struct limit_refusal *refusal)
{
    switch (turn) {
    case LEDGER_TAKEN:
        return (struct verdict){.kind = VERDICT_GO};
    case LEDGER_WAITS:
        return (struct verdict){.kind = VERDICT_WAIT};
    case LEDGER_REFUSED:
        break;
    }
    return verdict_limited(refusal);
}

struct verdict quota_count(struct quota *quota, const struct peer *peer)
{
    struct limit_refusal refusal = {0};
    const struct session_context *context = peer->context;
    if (quota->is_counted)
        return (struct verdict){.kind = VERDICT_GO};
    const enum ledger_turn turn =
        ledger_take_request(context->ledger, peer->account, &peer->client->limits, context->now_ms,
                            &quota->ticket, &refusal);
    quota->is_counted = turn == LEDGER_TAKEN;
    return verdict_of_turn(turn, &refusal);
}

// take takes a tunnel of the peer's client, in the scope of its limits.
static enum ledger_turn take(struct quota *quota, const struct peer *peer,
                             struct limit_refusal *out)
{
    const struct client_limits *limits = &peer->client->limits;
    const struct session_context *context = peer->context;
    if (limits->scope == LIMIT_FLEET)
        return ledger_take_tunnel_of_fleet(context->ledger, peer->account, limits, context->now_ms,
                                           &quota->ticket, out);
    return ledger_take_tunnel(context->ledger, peer->account, limits, out) ? LEDGER_TAKEN
                                                                           : LEDGER_REFUSED;
}

// begin counts a new tunnel of the peer's client, likewise.
static enum ledger_turn begin(struct quota *quota, const struct peer *peer,
                              struct limit_refusal *out)
{
    const struct client_limits *limits = &peer->client->limits;
    const int64_t now_ms = peer->context->now_ms;
    if (limits->scope == LIMIT_FLEET)
        return ledger_begin_tunnel_of_fleet(peer->context->ledger, quota->account, limits, now_ms,
                                            &quota->ticket, out);
    return ledger_begin_tunnel(quota->account, limits, now_ms, out) ? LEDGER_TAKEN : LEDGER_REFUSED;
}

struct verdict quota_take(struct quota *quota, const struct peer *peer)
{
    struct limit_refusal refusal = {0};
    const struct client_limits *limits = &peer->client->limits;
    if (quota->account == peer->account)
        return (struct verdict){.kind = VERDICT_GO};
    give_tunnel(quota, peer->context);
    const enum ledger_turn turn = take(quota, peer, &refusal);
    if (turn != LEDGER_TAKEN)
        return verdict_of_turn(turn, &refusal);
    quota->account = peer->account;
    quota->is_new = false;
    quota->age_ms = limits->age_ms;
    quota->idle_ms = limits->idle_ms;
    return (struct verdict){.kind = VERDICT_GO};
}

void quota_move(struct quota *quota, const struct peer *peer)
{
    const struct session_context *context = peer->context;
    if (quota->account == NULL || quota->account == peer->account)
        return;
    ledger_move_tunnel(context->ledger, quota->account, peer->account, &peer->client->limits,
                       context->now_ms);
    quota->account = peer->account;
}

bool quota_take_refusal(const struct peer *peer)
{
    const struct session_context *context = peer->context;
    if (peer->client != NULL)
        return ledger_take_refusal(context->ledger, peer->account, context->now_ms);
    return sources_take_refusal(context->sources, &peer->address, context->now_ms);
}

struct verdict quota_begin(struct quota *quota, const struct peer *peer)
{
    struct limit_refusal refusal = {0};
    if (quota->is_new)
        return (struct verdict){.kind = VERDICT_GO};
    const enum ledger_turn turn = begin(quota, peer, &refusal);
    quota->is_new = turn == LEDGER_TAKEN;
    return verdict_of_turn(turn, &refusal);
}

bool quota_is_answered(const struct quota *quota, const struct session_context *context)
{
    return ledger_is_answered(context->ledger, &quota->ticket);
}

struct verdict quota_end_wait(struct quota *quota, const struct session_context *context)
{
    static const struct limit_refusal late = {
        .reason = REASON_STORE_LOST, .retry_after_s = 1, .detail = "the store took over 50 ms"};
    ledger_end_wait(context->ledger, &quota->ticket, context->now_ms);
    return verdict_limited(&late);
}

void quota_give(struct quota *quota, const struct session_context *context)
{
    (void)quota_end_wait(quota, context);
    give_tunnel(quota, context);
}

bool quota_take_record(struct quota *quota, const struct peer *peer)
{
    const struct session_context *context = peer->context;
    if (quota->record != NULL)
        return true;
    if (audit_log_reserve(context->audit, account_take_record(peer->account)))
        quota->record = peer->account;
    else
        ledger_give_record(context->ledger, peer->account, context->now_ms);
    return quota->record != NULL;
}

void quota_give_record(struct quota *quota, const struct session_context *context)
{
    if (quota->record == NULL)
        return;
    audit_log_give_back(context->audit);
    ledger_give_record(context->ledger, quota_hand_record(quota), context->now_ms);
}

struct account *quota_hand_record(struct quota *quota)
{
    struct account *account = quota->record;
    ASSERT(account != NULL);
    quota->record = NULL;
    return account;
}
