// Copies, nothing else.
#include "proxy/session/verdict.h"

struct verdict verdict_of_decision(const struct decision *decision, const char *config,
                                   uint16_t status)
{
    struct verdict verdict = {
        .kind = decision->action == ACTION_ALLOW ? VERDICT_GO : VERDICT_REFUSE,
        .action = decision->action,
        .reason = decision->reason,
        .mode = decision->mode,
        .would_deny = decision->would_deny,
        .status = status,
        .opens_s = decision->changes_s,
    };
    const bool fits = string_copy(verdict.config, sizeof verdict.config, slice_of_string(config)) &&
                      (decision->rule == NULL || string_copy(verdict.rule, sizeof verdict.rule,
                                                             slice_of_string(decision->rule)));
    ASSERT(fits);
    return verdict;
}

struct verdict verdict_error(uint16_t status, enum reason reason, const char *detail)
{
    return (struct verdict){.kind = VERDICT_REFUSE,
                            .action = ACTION_ERROR,
                            .reason = reason,
                            .status = status,
                            .detail = detail};
}

struct verdict verdict_limited(const struct limit_refusal *refusal)
{
    const uint16_t status = refusal->reason == REASON_STORE_LOST ? 503 : 429;
    struct verdict verdict = verdict_error(status, refusal->reason, refusal->detail);
    verdict.retry_after_s = refusal->retry_after_s;
    verdict.is_of_whole_proxy = refusal->is_of_whole_proxy;
    return verdict;
}

struct verdict verdict_late(uint16_t status, enum reason reason, const char *detail)
{
    struct verdict verdict = verdict_error(status, reason, detail);
    verdict.kind = VERDICT_REFUSE_LATE;
    return verdict;
}

struct decision verdict_decision(const struct verdict *verdict)
{
    return (struct decision){
        .action = verdict->action,
        .reason = verdict->reason,
        .rule = verdict->rule[0] == '\0' ? NULL : verdict->rule,
        .mode = verdict->mode,
        .would_deny = verdict->would_deny,
    };
}
