// The ledger counts; here it is only remembered who has to give back what.
#include "proxy/session/quota.h"

#include "proxy/limits/sources.h"

bool quota_take(struct quota *quota, const struct peer *peer, struct limit_refusal *out)
{
    const struct client_limits *limits = &peer->client->limits;
    const struct session_context *context = peer->context;
    if (quota->account != NULL)
        return true;
    if (!ledger_take_tunnel(context->ledger, peer->account, limits, context->now_ms, out))
        return false;
    *quota = (struct quota){
        .account = peer->account,
        .age_ms = limits->age_ms,
        .idle_ms = limits->idle_ms,
    };
    return true;
}

bool quota_take_refusal(const struct peer *peer)
{
    const struct session_context *context = peer->context;
    if (peer->account != NULL)
        return ledger_take_refusal(context->ledger, peer->account, context->now_ms);
    return sources_take_refusal(context->sources, &peer->address, context->now_ms);
}

void quota_give(struct quota *quota, const struct session_context *context)
{
    if (quota->account == NULL)
        return;
    ledger_give_tunnel(context->ledger, quota->account, context->now_ms);
    quota->account = NULL;
}
