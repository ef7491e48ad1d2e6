// The ledger and the audit log count; here it is only remembered who has to give back what.
#include "proxy/session/quota.h"

#include "proxy/limits/sources.h"

struct verdict quota_take(struct quota *quota, const struct peer *peer)
{
    struct limit_refusal refusal;
    const struct client_limits *limits = &peer->client->limits;
    const struct session_context *context = peer->context;
    if (quota->account == peer->account)
        return (struct verdict){.kind = VERDICT_GO};
    quota_give(quota, context);
    if (!ledger_take_tunnel(context->ledger, peer->account, limits, &refusal))
        return verdict_limited(&refusal);
    quota->account = peer->account;
    quota->is_new = false;
    quota->age_ms = limits->age_ms;
    quota->idle_ms = limits->idle_ms;
    return (struct verdict){.kind = VERDICT_GO};
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
    struct limit_refusal refusal;
    quota->is_new = quota->is_new || ledger_begin_tunnel(quota->account, &peer->client->limits,
                                                         peer->context->now_ms, &refusal);
    return quota->is_new ? (struct verdict){.kind = VERDICT_GO} : verdict_limited(&refusal);
}

void quota_give(struct quota *quota, const struct session_context *context)
{
    if (quota->account == NULL)
        return;
    ledger_give_tunnel(context->ledger, quota->account, context->now_ms);
    quota->account = NULL;
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
