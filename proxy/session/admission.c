// The order in which reasons count; the policy itself is auth/policy.
#include "proxy/session/admission.h"

#include "auth/asking.h"

struct verdict admission_decide_room(bool is_draining, bool has_records)
{
    if (is_draining)
        return verdict_error(503, REASON_DRAINING, NULL);
    if (!has_records)
        return verdict_error(503, REASON_AUDIT_FULL, NULL);
    return (struct verdict){.kind = VERDICT_GO};
}

struct verdict admission_decide_known(const struct snapshot *snapshot)
{
    if (!snapshot->are_blocks_unknown)
        return (struct verdict){.kind = VERDICT_GO};
    struct verdict verdict = verdict_error(503, REASON_STORE_LOST, "who is blocked");
    verdict.retry_after_s = 1;
    return verdict;
}

struct verdict admission_decide_loop(const struct via_trail *trail, const char *token)
{
    if (!via_is_loop(trail, token))
        return (struct verdict){.kind = VERDICT_GO};
    return verdict_error(508, REASON_LOOP,
                         trail->hops >= VIA_HOPS_MAX ? "too many proxies" : "it was here before");
}

struct verdict admission_decide_right(const struct snapshot *snapshot, enum reason reason,
                                      const struct ocsp_why *unanswered, int64_t not_after_s,
                                      int64_t now_s)
{
    if (reason == REASON_NONE && now_s <= not_after_s)
        return (struct verdict){.kind = VERDICT_GO};
    const struct decision denial = {.action = ACTION_DENY,
                                    .reason = reason == REASON_NONE ? REASON_EXPIRED : reason};
    struct verdict verdict = verdict_of_decision(&denial, snapshot->id, 403);
    verdict.detail = reason == REASON_BAD_ACCOUNT      ? "the certificate gives no account"
                     : reason == REASON_LIMIT_ACCOUNTS ? "all accounts of this client are in use"
                                                       : "no longer accepted";
    if (reason == REASON_OCSP_UNAVAILABLE && unanswered != NULL) {
        verdict.detail = unanswered->name;
        verdict.help = unanswered->sentence;
    }
    verdict.ends_connection = true;
    return verdict;
}

struct verdict admission_decide_target(const struct admission *admission)
{
    struct decision decision;
    policy_decide_target(admission->snapshot->policy, admission->client, admission->source,
                         admission->now_s, admission->target, NULL, &decision);
    return verdict_of_decision(&decision, admission->snapshot->id, 403);
}

bool admission_goes_by_name(const struct admission *admission)
{
    return policy_goes_by_name(admission->snapshot->policy, admission->client, admission->source,
                               admission->now_s, admission->target);
}

struct verdict admission_decide_unnamed(const struct admission *admission, enum reason reason)
{
    const struct decision denial = {
        .action = ACTION_DENY, .reason = reason, .mode = admission->client->mode};
    return verdict_of_decision(&denial, admission->snapshot->id, 403);
}

// choose_question takes the first rule that would have the authorizer asked, among those of the way that is taken.
static void choose_question(struct candidate *candidates, size_t count)
{
    const struct candidate *asking = asking_find(candidates, count);
    for (size_t i = 0; asking != NULL && i < count; i++) {
        if (candidates[i].asks && asking_takes_way(candidates, count, &candidates[i]))
            candidates[i].is_admitted = candidates[i].rule == asking->rule;
    }
}

// decide_addresses asks the policy. The names of its rules do not stay in the candidates, which live longer.
static void decide_addresses(const struct admission *admission, struct candidate *candidates,
                             size_t count, struct decision *out)
{
    policy_decide_addresses(admission->snapshot->policy, admission->client, admission->source,
                            admission->now_s, admission->target, candidates, count, NULL, out);
    choose_question(candidates, count);
    for (size_t i = 0; i < count; i++) {
        candidates[i].rule = NULL;
        candidates[i].inner = NULL;
    }
}

struct verdict admission_decide_addresses(const struct admission *admission,
                                          struct candidate *candidates, size_t count,
                                          bool is_complete)
{
    struct decision decision;
    decide_addresses(admission, candidates, count, &decision);
    // What a mode lets through could still come by a rule, and then the mode would not count.
    const bool is_final = decision.action == ACTION_ALLOW && decision.reason == REASON_RULE;
    if (!is_complete && !is_final)
        return (struct verdict){.kind = VERDICT_WAIT};
    return verdict_of_decision(&decision, admission->snapshot->id,
                               decision.action == ACTION_DENY ? 403 : 502);
}

struct verdict admission_decide_egress(const struct verdict *allowed,
                                       const struct candidate *candidates, size_t count,
                                       bool is_complete, bool can_dial_ipv4, bool can_dial_ipv6)
{
    for (size_t i = 0; i < count; i++) {
        const bool is_ipv4 = candidates[i].address.family == IP_V4;
        if (candidates[i].is_admitted && (is_ipv4 ? can_dial_ipv4 : can_dial_ipv6))
            return *allowed;
    }
    if (!is_complete)
        return (struct verdict){.kind = VERDICT_WAIT};
    const struct decision none = {
        .action = ACTION_ERROR, .reason = REASON_EGRESS_UNAVAILABLE, .mode = allowed->mode};
    return verdict_of_decision(&none, allowed->config, 502);
}

struct standing admission_judge_address(const struct admission *admission,
                                        struct candidate *candidate)
{
    struct decision decision;
    decide_addresses(admission, candidate, 1, &decision);
    const bool is_admitted = decision.action == ACTION_ALLOW;
    return (struct standing){
        .is_admitted = is_admitted,
        .is_by_rule = is_admitted && decision.reason == REASON_RULE,
        .reason = decision.reason,
        .inner = decision.inner == NULL ? (struct inner){0} : *decision.inner,
        .until_s = decision.changes_s,
    };
}

enum reason admission_reason_of_end(const struct standing *standing)
{
    if (standing->is_admitted)
        return REASON_NONE;
    return reason_is_of_time(standing->reason) ? standing->reason : REASON_POLICY_CHANGED;
}

bool admission_asks(const struct admission *admission, struct candidate *candidate,
                    char out_rule[VERDICT_RULE_CAP])
{
    struct decision decision;
    decide_addresses(admission, candidate, 1, &decision);
    if (decision.action != ACTION_ALLOW || !candidate->asks)
        return false;
    return out_rule == NULL ||
           string_copy(out_rule, VERDICT_RULE_CAP, slice_of_string(decision.rule));
}

// lost refuses late, because the right is gone.
static struct verdict lost(enum reason reason)
{
    struct verdict verdict = verdict_late(403, reason, NULL);
    verdict.ends_connection = !reason_is_of_time(reason); // another rule may allow the next request
    return verdict;
}

struct verdict admission_decide_today(enum reason reason, int64_t not_after_s, int64_t now_s)
{
    if (reason != REASON_NONE)
        return lost(reason_of_end(reason));
    return now_s > not_after_s ? lost(REASON_EXPIRED) : (struct verdict){.kind = VERDICT_GO};
}
