// Asks the two questions of auth/policy.h in the order in which a request does.
#include "proxy/history/replay.h"

#include <string.h>

#include "auth/asking.h"
#include "auth/speaker.h"
#include "proxy/net/sockaddr.h"

// is_of_policy tells whether a denial with this reason was one of the policy, not of trust or a block.
static bool is_of_policy(const char *reason)
{
    static const enum reason REASONS[] = {
        REASON_NO_CLIENT,       REASON_BAD_ACCOUNT,    REASON_SOURCE_NOT_ALLOWED,
        REASON_NO_RULE,         REASON_DENIED_BY_RULE, REASON_SPECIAL_RANGE,
        REASON_METADATA,        REASON_OWN_LISTENER,   REASON_INNER_MISMATCH,
        REASON_INNER_NO_NAME,   REASON_INNER_NOT_TLS,  REASON_INNER_ECH,
        REASON_INNER_TOO_LARGE, REASON_INNER_PLAIN,    REASON_INNER_TIMEOUT,
        REASON_NOT_VALID_NOW,   REASON_OUTSIDE_HOURS,  REASON_NOT_AUTHORIZED};
    for (size_t i = 0; i < sizeof REASONS / sizeof *REASONS; i++) {
        if (strcmp(reason_name(REASONS[i]), reason) == 0)
            return true;
    }
    return false;
}

static const char *why_not(const struct policy *policy, const struct history_decision *past)
{
    if (!past->has_target && !past->has_asked)
        return "the request could not be read";
    if (!history_decision_is_whole(past))
        return "the names of its certificate were too long for the record";
    if (!history_decision_knows(past, policy->extensions))
        return "the record does not say whether its certificate has an extension that `match` names";
    if (strcmp(past->reason, reason_name(REASON_WHOAMI)) == 0 ||
        strcmp(past->reason, reason_name(REASON_NOT_FOUND)) == 0)
        return "it asked the proxy itself";
    if (strcmp(past->reason, reason_name(REASON_LIMIT_ACCOUNTS)) == 0)
        return "all accounts of its client were in use";
    if (past->action == ACTION_DENY && !is_of_policy(past->reason))
        return past->is_passed_on ? "it was refused for the certificate that was passed on"
                                  : "it was refused for its certificate";
    if (past->is_passed_on && past->action != ACTION_DENY)
        return "it did not come to the client that its proxy spoke for";
    return NULL;
}

void replay_mark_local(const struct policy *policy, uint16_t port, struct candidate *candidates,
                       size_t count)
{
    for (size_t i = 0;
         i < count && policy_is_own_port(policy, port) && candidates[i].address.family != IP_NONE;
         i++)
        candidates[i].is_local = address_is_local(&candidates[i].address);
}

// judge_target asks the policy about `out->target`.
static void judge_target(const struct policy *policy, struct history_decision *past,
                         struct replay *out)
{
    const struct target *target = &out->target;
    policy_decide_target(policy, out->client, &past->source, past->now_s, target, NULL,
                         &out->decision);
    out->kind = REPLAY_JUDGED;
    if (out->decision.action != ACTION_ALLOW)
        return;
    if (target->kind == TARGET_ADDRESS) {
        past->judged_count = 1;
        past->judged[0] = (struct candidate){.address = target->address};
    }
    if (policy_goes_by_name(policy, out->client, &past->source, past->now_s, target)) {
        past->judged_count = 1;
        past->judged[0] = (struct candidate){.address = {.family = IP_NONE}};
    }
    if (past->judged_count == 0) {
        out->kind = REPLAY_UNKNOWN;
        return;
    }
    replay_mark_local(policy, target->port, past->judged, past->judged_count);
    policy_decide_addresses(policy, out->client, &past->source, past->now_s, target, past->judged,
                            past->judged_count, NULL, &out->decision);
    out->asks = asking_find(past->judged, past->judged_count) != NULL;
}

// routes tells whether a request is one whose target the client's tunnels name inside.
static bool routes(const struct client *client, const struct history_decision *past)
{
    return client != NULL && client->inner != NULL && client->inner->routes_by_name &&
           past->is_tunnel && (past->has_asked || past->target.kind == TARGET_ADDRESS);
}

static bool has_address(const struct history_decision *past, const struct ip_addr *address)
{
    bool has = false;
    for (size_t i = 0; i < past->judged_count && !has; i++)
        has = ip_addr_equal(&past->judged[i].address, address);
    return has;
}

// hear asks whether a proxy may say today whose request it is. False: the answer is in `out`.
static bool hear(const struct policy *policy, const struct history_decision *past,
                 const struct identity **identity, struct replay *out)
{
    struct speaker speaker;
    const struct spoken spoken = {.client = past->is_passed_on ? NULL : out->client,
                                  .is_plain = !past->is_tunnel};
    const struct history_party *connected = past->has_edge ? &past->edge : &past->client;
    if (!past->has_edge && !past->is_passed_on)
        return true;
    speaker_decide(policy, connected->identity, &spoken, &past->source, past->now_s, &speaker);
    const bool may_speak = speaker.decision.action == ACTION_ALLOW;
    if (!may_speak || speaker.is_ignored) { // the request is the proxy's, also in the record
        out->client = speaker.client;
        *identity = connected->identity;
    }
    if (!may_speak) {
        (void)account_name_decide(policy, out->client, *identity, &out->account);
        out->decision = speaker.decision;
    }
    if (!may_speak || speaker.is_ignored)
        return may_speak;
    out->kind = past->is_passed_on ? REPLAY_UNKNOWN : REPLAY_JUDGED;
    if (past->has_edge && *identity != NULL &&
        strcmp((*identity)->trust_name, speaker.client->speaks_for) != 0) {
        out->kind = REPLAY_SKIPPED;
        out->why = "another trust profile would judge the certificate that was passed on";
    }
    return out->kind == REPLAY_JUDGED;
}

void replay_decision(const struct policy *policy, struct history_decision *past, struct replay *out)
{
    const struct identity *identity = past->client.identity;
    *out = (struct replay){.kind = REPLAY_SKIPPED, .why = why_not(policy, past)};
    if (out->why != NULL)
        return;
    out->client = policy_find_client(policy, identity, NULL);
    out->kind = REPLAY_JUDGED;
    if (!hear(policy, past, &identity, out))
        return;
    const enum reason refusal = account_name_decide(policy, out->client, identity, &out->account);
    if (refusal != REASON_NONE) {
        out->decision = (struct decision){.action = ACTION_DENY, .reason = refusal};
        return;
    }
    out->is_routed = routes(out->client, past);
    if (out->is_routed && past->has_asked && !past->has_target) {
        out->kind = REPLAY_SKIPPED;
        out->why = "its tunnel had no name to go by";
        return;
    }
    out->leads_there =
        past->has_asked && past->has_target && has_address(past, &past->asked.address);
    out->target = past->has_asked && !out->is_routed ? past->asked : past->target;
    out->needs_close = past->is_tunnel && (past->action == ACTION_ALLOW || past->has_asked);
    if (out->is_routed && !past->has_asked) { // only the close has the name
        out->kind = REPLAY_UNKNOWN;
        return;
    }
    judge_target(policy, past, out);
    out->needs_close = out->needs_close && replay_is_open(out);
}

// find_name judges the name inside as the target; nobody has resolved it.
static void find_name(const struct policy *policy, const struct history_close *close,
                      struct history_decision *past, struct replay *replay)
{
    const struct inner inner = inner_to_find_name(replay->client->inner);
    replay->is_unseen = close == NULL || !close->has_inner;
    if (replay->is_unseen)
        return;
    const struct inner_verdict verdict = inner_judge(&inner, &replay->target, &close->inner);
    if (verdict.name == NULL) {
        replay->kind = REPLAY_JUDGED;
        replay->decision = (struct decision){
            .action = ACTION_DENY, .reason = verdict.reason, .mode = replay->client->mode};
        return;
    }
    replay->target =
        (struct target){.kind = TARGET_NAME, .port = replay->target.port, .name = *verdict.name};
    past->judged_count = 0;
    judge_target(policy, past, replay);
    replay->is_unseen = replay->kind == REPLAY_UNKNOWN;
}

// dialled_of gives the address that was dialled, where it may be dialled now; otherwise the first one that may.
static const struct candidate *dialled_of(const struct history_decision *past,
                                          const struct history_close *close)
{
    const struct candidate *dialled = NULL;
    for (size_t i = 0; i < past->judged_count; i++) {
        const struct candidate *candidate = &past->judged[i];
        if (!candidate->is_admitted)
            continue;
        if (close != NULL && close->has_upstream &&
            ip_addr_equal(&candidate->address, &close->upstream))
            return candidate;
        dialled = dialled == NULL ? candidate : dialled;
    }
    return dialled;
}

// conclude takes the ruling about what was seen. What was not seen, or not resolved, stays unknown.
static void conclude(const struct inner_ruling *ruling, const struct history_close *close,
                     const struct history_decision *past, struct replay *replay)
{
    const bool is_resolved = past->has_asked && past->has_target;
    enum reason ended = ruling->step == INNER_PASS ? REASON_NONE : ruling->reason;
    if (ruling->step == INNER_ASK_DNS && is_resolved && replay->leads_there)
        ended = REASON_NONE;
    replay->is_unseen = ruling->step == INNER_ASK_DNS && !is_resolved;
    if (ended != REASON_NONE && close->inner.kind == INNER_NOTHING) {
        const bool is_waited_for = close->has_answer || close->has_timed_out;
        ended = is_waited_for ? REASON_INNER_TIMEOUT : REASON_NONE;
    }
    // A second hello, which no record has, named another server.
    replay->is_unseen |= ended == REASON_NONE && close->matches && close->ended != NULL &&
                         strcmp(close->ended, reason_name(REASON_INNER_MISMATCH)) == 0;
    replay->ended = replay->is_unseen ? REASON_NONE : ended;
}

void replay_close(const struct policy *policy, const struct history_close *close,
                  struct history_decision *past, struct replay *replay)
{
    struct inner held;
    struct inner_ruling ruling;
    ASSERT(replay->needs_close);
    if (replay->is_routed && !past->has_asked) {
        find_name(policy, close, past, replay);
        return;
    }
    const struct candidate *dialled = dialled_of(past, close);
    if (dialled == NULL || replay->decision.mode == POLICY_REPORT)
        return;
    struct candidate candidate = *dialled;
    held = candidate.inner == NULL ? (struct inner){0} : *candidate.inner;
    if (replay->is_routed)
        held = inner_of_named(&held);
    candidate.inner = &held;
    replay->is_unseen = inner_holds_up(&held) && (close == NULL || !close->has_inner);
    if (!inner_holds_up(&held) || replay->is_unseen)
        return;
    inner_rule(policy, replay->client, &past->source, past->now_s, &replay->target, &candidate,
               &close->inner, &ruling);
    conclude(&ruling, close, past, replay);
}

bool replay_is_open(const struct replay *replay)
{
    return replay->kind == REPLAY_JUDGED && replay->decision.action == ACTION_ALLOW &&
           replay->ended == REASON_NONE;
}

static bool is_same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool has_same_reasons(const struct replay *replay, const struct history_decision *past,
                             const char *ended)
{
    const struct decision *now = &replay->decision;
    if (now->action != past->action)
        return false;
    char via[VIA_TEXT_CAP];
    if (now->action == ACTION_ALLOW && strcmp(via_format(now->via, via), past->via) != 0)
        return false;
    const char *ends = replay->ended == REASON_NONE ? NULL : reason_name(replay->ended);
    return now->would_deny == past->would_deny &&
           strcmp(reason_name(now->reason), past->reason) == 0 &&
           is_same_text(now->rule, past->rule) &&
           is_same_text(replay->account.text, past->client.name) &&
           (replay->is_unseen || is_same_text(ends, ended));
}

// is_still_refused tells whether the authorizer has said no, and would be asked again: what it says is taken from the record.
static bool is_still_refused(const struct replay *replay, const struct history_decision *past)
{
    return replay->asks && replay->decision.action == ACTION_ALLOW &&
           strcmp(past->reason, reason_name(REASON_NOT_AUTHORIZED)) == 0;
}

// went_by_name tells whether a parent got the name, so that no address was judged, and the policy now needs one.
static bool went_by_name(const struct replay *replay, const struct history_decision *past)
{
    return past->action == ACTION_ALLOW && past->judged_count == 0 && !replay->is_routed;
}

enum replay_change replay_change(const struct replay *replay, const struct history_decision *past,
                                 const char *ended)
{
    // What is unknown of a tunnel that ended is why it would not end again.
    const bool is_open = replay_is_open(replay) && (ended == NULL || !replay->is_unseen);
    const bool was_open = past->action == ACTION_ALLOW && ended == NULL;
    switch (replay->kind) {
    case REPLAY_SKIPPED:
        return REPLAY_SAME;
    case REPLAY_UNKNOWN:
        return past->action == ACTION_DENY || went_by_name(replay, past) ? REPLAY_OUTCOME
                                                                         : REPLAY_SAME;
    case REPLAY_JUDGED:
        break;
    }
    if (is_still_refused(replay, past))
        return REPLAY_SAME;
    if (past->action == ACTION_ERROR) // what DNS, a limit or the target did may happen again
        return replay->decision.action == ACTION_DENY ||
                       replay->decision.reason == REASON_BAD_REQUEST
                   ? REPLAY_OUTCOME
                   : REPLAY_SAME;
    if (is_open != was_open)
        return REPLAY_OUTCOME;
    return has_same_reasons(replay, past, ended) ? REPLAY_SAME : REPLAY_REASON;
}
