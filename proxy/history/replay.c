// Asks the two questions of auth/policy.h in the order in which a request does.
#include "proxy/history/replay.h"

#include <string.h>

#include "proxy/net/sockaddr.h"

// is_of_policy tells whether a denial with this reason was one of the policy, not of trust or a block.
static bool is_of_policy(const char *reason)
{
    static const enum reason REASONS[] = {REASON_NO_CLIENT,          REASON_BAD_ACCOUNT,
                                          REASON_SOURCE_NOT_ALLOWED, REASON_NO_RULE,
                                          REASON_DENIED_BY_RULE,     REASON_SPECIAL_RANGE,
                                          REASON_METADATA,           REASON_OWN_LISTENER};
    for (size_t i = 0; i < sizeof REASONS / sizeof *REASONS; i++) {
        if (strcmp(reason_name(REASONS[i]), reason) == 0)
            return true;
    }
    return false;
}

static const char *why_not(const struct policy *policy, const struct history_decision *past)
{
    if (!past->has_target)
        return "the request could not be read";
    if (!past->is_whole)
        return "the names of its certificate were too long for the record";
    if (!history_decision_knows(past, policy->extensions))
        return "the record does not say whether its certificate has an extension that `match` names";
    if (strcmp(past->reason, reason_name(REASON_WHOAMI)) == 0 ||
        strcmp(past->reason, reason_name(REASON_NOT_FOUND)) == 0)
        return "it asked the proxy itself";
    if (strcmp(past->reason, reason_name(REASON_LIMIT_ACCOUNTS)) == 0)
        return "all accounts of its client were in use";
    if (past->action == ACTION_DENY && !is_of_policy(past->reason))
        return "it was refused for its certificate";
    return NULL;
}

void replay_mark_local(const struct policy *policy, uint16_t port, struct candidate *candidates,
                       size_t count)
{
    for (size_t i = 0; i < count && policy_is_own_port(policy, port); i++)
        candidates[i].is_local = address_is_local(&candidates[i].address);
}

void replay_decision(const struct policy *policy, struct history_decision *past, struct replay *out)
{
    *out = (struct replay){.kind = REPLAY_SKIPPED, .why = why_not(policy, past)};
    if (out->why != NULL)
        return;
    out->client = policy_find_client(policy, past->identity, NULL);
    out->kind = REPLAY_JUDGED;
    const enum reason refusal =
        account_name_decide(policy, out->client, past->identity, &out->account);
    if (refusal != REASON_NONE) {
        out->decision = (struct decision){.action = ACTION_DENY, .reason = refusal};
        return;
    }
    policy_decide_target(policy, out->client, &past->source, &past->target, NULL, &out->decision);
    if (out->decision.action != ACTION_ALLOW)
        return;
    if (past->target.kind == TARGET_ADDRESS) {
        past->judged_count = 1;
        past->judged[0] = (struct candidate){.address = past->target.address};
    }
    if (past->judged_count == 0) {
        out->kind = REPLAY_UNKNOWN;
        return;
    }
    replay_mark_local(policy, past->target.port, past->judged, past->judged_count);
    policy_decide_addresses(policy, out->client, &past->source, &past->target, past->judged,
                            past->judged_count, NULL, &out->decision);
}

static bool is_same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

enum replay_change replay_change(const struct replay *replay, const struct history_decision *past)
{
    const struct decision *now = &replay->decision;
    switch (replay->kind) {
    case REPLAY_SKIPPED:
        return REPLAY_SAME;
    case REPLAY_UNKNOWN:
        return past->action == ACTION_DENY ? REPLAY_OUTCOME : REPLAY_SAME;
    case REPLAY_JUDGED:
        break;
    }
    if (past->action == ACTION_ERROR) // what DNS, a limit or the target did may happen again
        return now->action == ACTION_DENY ? REPLAY_OUTCOME : REPLAY_SAME;
    if (now->action != past->action)
        return REPLAY_OUTCOME;
    const bool is_same = now->would_deny == past->would_deny &&
                         strcmp(reason_name(now->reason), past->reason) == 0 &&
                         is_same_text(now->rule, past->rule) &&
                         is_same_text(replay->account.text, past->client);
    return is_same ? REPLAY_SAME : REPLAY_REASON;
}
