// In this order: the speaker's account, whether it speaks at all, the certificate that it passes on, and then its place, its
// time, and for whom.
#include "auth/speaker.h"

static void refuse(struct speaker *speaker, enum action action, enum reason reason)
{
    speaker->decision.action = action;
    speaker->decision.reason = reason;
}

void speaker_decide(const struct policy *policy, const struct identity *identity,
                    const struct spoken *spoken, const struct ip_addr *source, int64_t now_s,
                    struct speaker *out)
{
    *out = (struct speaker){.decision = {.action = ACTION_ALLOW, .changes_s = INT64_MAX}};
    out->client = policy_find_client(policy, identity, NULL);
    const bool speaks = out->client != NULL && out->client->speaks_for != NULL;
    const enum reason refusal = account_name_decide(policy, out->client, identity, &out->account);
    if (refusal != REASON_NONE) {
        refuse(out, ACTION_DENY, refusal);
        return;
    }
    out->is_ignored = !speaks && spoken->is_plain;
    if (out->is_ignored)
        return;
    if (!speaks) {
        refuse(out, ACTION_ERROR, REASON_BAD_REQUEST);
        return;
    }
    enum reason reason = spoken->refusal;
    if (reason == REASON_NONE)
        reason = policy_decide_speaker(out->client, spoken->client, source, now_s,
                                       &out->decision.changes_s);
    if (reason != REASON_NONE)
        refuse(out, ACTION_DENY, reason);
}
