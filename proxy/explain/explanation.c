// Keeps what the policy tells.
#include "proxy/explain/explanation.h"

#include <stdlib.h>

#include "auth/asking.h"
#include "auth/base/array.h"

// Of the entries and rules that do not fit, so many are kept.
enum { MISFITS_MAX = 50 };

// is_known tells whether the rule has been told with this result: a target that is an address is asked twice.
static bool is_known(const struct explanation *explanation, const struct policy_step *step)
{
    const struct explained *known = NULL;
    while ((known = explanation_next(explanation, known, POLICY_STEP_RULE)) != NULL) {
        if (known->step.list == step->list && strcmp(known->step.rule->name, step->rule->name) == 0)
            return true;
    }
    return false;
}

// has_room counts one more.
static bool has_room(struct misfits *misfits)
{
    const bool has = misfits->kept < MISFITS_MAX;
    ++*(has ? &misfits->kept : &misfits->hidden);
    return has;
}

// is_kept looks at a step, and tells whether it goes into the list.
static bool is_kept(struct explanation *explanation, const struct policy_step *step)
{
    switch (step->kind) {
    case POLICY_STEP_ENTRY:
        explanation->entry = step->entry;
        return step->entry_part != ENTRY_FITS && has_room(&explanation->misfits);
    case POLICY_STEP_SOURCE:
        explanation->is_source_fit = step->is_fit;
        explanation->has_source = true;
        return false;
    case POLICY_STEP_RULE:
        if (step->rule_part == RULE_FITS || step->rule_part == RULE_NEEDS_ADDRESS ||
            step->rule_part == RULE_NOT_NOW)
            return !is_known(explanation, step);
        return (explanation->rule_misfits.hidden > 0 || !is_known(explanation, step)) &&
               has_room(&explanation->rule_misfits);
    case POLICY_STEP_ADDRESS:
    case POLICY_STEP_VERDICT:
        return true;
    }
    return false;
}

static void told(void *arg, const struct policy_step *step)
{
    struct explanation *explanation = arg;
    if (!is_kept(explanation, step))
        return;
    struct explained *steps = array_make_room(explanation->steps.items, explanation->steps.count,
                                              &explanation->steps.cap, sizeof *steps);
    if (steps == NULL) {
        explanation->is_spoilt = true;
        return;
    }
    explanation->steps.items = steps;
    struct explained *kept = &explanation->steps.items[explanation->steps.count++];
    *kept = (struct explained){.step = *step};
    kept->step.form = NULL;
    if (step->form != NULL && !ip_addr_equal(step->form, &step->candidate->address))
        kept->embedded = *step->form;
}

const struct explained *explanation_next(const struct explanation *explanation,
                                         const struct explained *after, enum policy_step_kind kind)
{
    const size_t start = after == NULL ? 0 : (size_t)(after - explanation->steps.items) + 1;
    for (size_t i = start; i < explanation->steps.count; i++) {
        if (explanation->steps.items[i].step.kind == kind)
            return &explanation->steps.items[i];
    }
    return NULL;
}

// end_with_speaker lets an allow end with the time of the proxy that speaks for the client.
static void end_with_speaker(struct explanation *explanation)
{
    const int64_t until_s = explanation->speaker.decision.changes_s;
    struct decision *decision = &explanation->decision;
    if (explanation->question->edge != NULL && decision->action == ACTION_ALLOW &&
        until_s < decision->changes_s)
        decision->changes_s = until_s;
}

// find_target finds what is judged: what was asked for, or the name inside, where the client is routed by it.
static void find_target(struct explanation *explanation)
{
    const struct question *question = explanation->question;
    const struct client *client = explanation->client;
    explanation->target = question->target;
    if (client == NULL || client->inner == NULL || !client->inner->routes_by_name ||
        question->target.kind != TARGET_ADDRESS)
        return;
    explanation->lacks_name = question->inside == NULL;
    if (explanation->lacks_name)
        return;
    const struct inner inner = inner_to_find_name(client->inner);
    const struct inner_verdict verdict = inner_judge(&inner, &question->target, question->inside);
    explanation->is_routed = verdict.name != NULL;
    if (verdict.name == NULL)
        explanation->decision = (struct decision){
            .action = ACTION_DENY, .reason = verdict.reason, .mode = client->mode};
    else
        explanation->target = (struct target){
            .kind = TARGET_NAME, .port = question->target.port, .name = *verdict.name};
}

// needs_source tells whether a client has `sources`, and the question does not say whence it comes.
static bool needs_source(const struct client *client, const struct question *question)
{
    return client != NULL && client->has_sources && question->source.family == IP_NONE &&
           !question->is_unannounced;
}

// find_client finds the client with `identity`, and its account. False: it has none.
static bool find_client(struct explanation *explanation, const struct identity *identity,
                        const struct policy_trace *trace)
{
    const struct policy *policy = explanation->policy;
    explanation->client = policy_find_client(policy, identity, trace);
    const enum reason refusal =
        account_name_decide(policy, explanation->client, identity, &explanation->account);
    if (refusal != REASON_NONE)
        explanation->decision = (struct decision){.action = ACTION_DENY, .reason = refusal};
    return refusal == REASON_NONE;
}

// hear asks whether the proxy that is connected may say whose request it is. False: that is the end of it.
static bool hear(struct explanation *explanation)
{
    const struct question *question = explanation->question;
    const struct edge *edge = question->edge;
    const struct policy *policy = explanation->policy;
    struct spoken spoken = {.refusal = edge->refusal, .is_plain = edge->is_plain};
    if (edge->refusal == REASON_NONE && !edge->is_for_unknown)
        spoken.client = policy_find_client(policy, question->identity, NULL);
    speaker_decide(policy, edge->identity, &spoken, &question->source, question->now_s,
                   &explanation->speaker);
    explanation->decision = explanation->speaker.decision;
    explanation->lacks_source = edge->refusal == REASON_NONE &&
                                needs_source(explanation->speaker.client, question) &&
                                explanation->speaker.client->speaks_for != NULL;
    if (explanation->decision.action != ACTION_ALLOW || explanation->lacks_source)
        return false;
    explanation->lacks_client = edge->is_for_unknown && !explanation->speaker.is_ignored;
    return !explanation->lacks_client;
}

void explanation_init(struct explanation *explanation, const struct policy *policy,
                      const struct question *question)
{
    const struct policy_trace trace = {.told = told, .arg = explanation};
    const struct identity *identity = question->identity;
    *explanation = (struct explanation){.policy = policy, .question = question};
    if (question->edge != NULL && !hear(explanation))
        return;
    if (explanation->speaker.is_ignored)
        identity = question->edge->identity;
    if (!find_client(explanation, identity, &trace))
        return;
    explanation->lacks_source = needs_source(explanation->client, question);
    find_target(explanation);
    if (!explanation->lacks_source && !explanation->lacks_name &&
        explanation->decision.reason == REASON_NONE)
        policy_decide_target(policy, explanation->client, &question->source, question->now_s,
                             &explanation->target, &trace, &explanation->decision);
}

void explanation_deinit(struct explanation *explanation)
{
    free(explanation->steps.items);
    *explanation = (struct explanation){0};
}

bool explanation_lacks_addresses(const struct explanation *explanation)
{
    return !explanation->lacks_source && !explanation->lacks_name && !explanation->lacks_client &&
           explanation->decision.action == ACTION_ALLOW &&
           explanation->decision.reason == REASON_NONE;
}

// conclude_inside lets what is said inside have the last word, unless the mode only reports it.
static void conclude_inside(struct explanation *explanation)
{
    struct decision *decision = &explanation->decision;
    if (explanation->ruling.step != INNER_END || decision->mode == POLICY_REPORT)
        return;
    decision->action = ACTION_DENY;
    decision->reason = explanation->ruling.reason;
    decision->rule = NULL;
}

// rule_inside judges what is said inside a tunnel to each address that may be dialled, up to one that ends it.
static void rule_inside(struct explanation *explanation)
{
    const struct question *question = explanation->question;
    for (size_t i = 0; i < explanation->candidate_count; i++) {
        const struct candidate *candidate = &explanation->candidates[i];
        struct candidate dialled = *candidate;
        struct inner held = {0};
        struct inner_ruling ruling;
        if (!explanation_dials(explanation, candidate))
            continue;
        if (explanation->is_routed) {
            held = inner_of_named(candidate->inner == NULL ? &held : candidate->inner);
            dialled.inner = &held;
        }
        inner_rule(explanation->policy, explanation->client, &question->source, question->now_s,
                   &explanation->target, &dialled, question->inside, &ruling);
        if (explanation->carrier != NULL && ruling.step == INNER_PASS)
            continue;
        explanation->carrier = candidate;
        explanation->ruling = ruling;
        if (ruling.step != INNER_PASS)
            break;
    }
    if (explanation->carrier != NULL)
        conclude_inside(explanation);
}

// conclude_answer lets the authorizer have the last word, where it is asked and what it says is known.
static void conclude_answer(struct explanation *explanation)
{
    const struct question *question = explanation->question;
    struct decision *decision = &explanation->decision;
    if (explanation->asking == NULL || !question->has_answer || question->answer == AUTHORIZER_YES)
        return;
    const bool is_no = question->answer == AUTHORIZER_NO;
    decision->action = is_no ? ACTION_DENY : ACTION_ERROR;
    decision->reason = is_no ? REASON_NOT_AUTHORIZED : REASON_AUTHORIZER_FAILED;
    decision->rule = explanation->asking->rule;
    decision->would_deny = false;
}

void explanation_judge(struct explanation *explanation, struct candidate *candidates, size_t count,
                       const char *origin)
{
    const struct question *question = explanation->question;
    const struct policy_trace trace = {.told = told, .arg = explanation};
    ASSERT(explanation_lacks_addresses(explanation));
    policy_decide_addresses(explanation->policy, explanation->client, &question->source,
                            question->now_s, &explanation->target, candidates, count, &trace,
                            &explanation->decision);
    end_with_speaker(explanation);
    explanation->origin = origin;
    explanation->candidates = candidates;
    explanation->candidate_count = count;
    explanation->asking = asking_find(candidates, count);
    conclude_answer(explanation);
    if (question->inside != NULL && explanation->decision.action == ACTION_ALLOW)
        rule_inside(explanation);
}

const struct hostname *explanation_lacks_inside(const struct explanation *explanation)
{
    const bool lacks = explanation->carrier != NULL && explanation->ruling.step == INNER_ASK_DNS;
    return lacks ? explanation->ruling.name : NULL;
}

void explanation_judge_inside(struct explanation *explanation, const struct ip_addr *addresses,
                              size_t count)
{
    ASSERT(explanation_lacks_inside(explanation) != NULL);
    explanation->ruling.step = INNER_END;
    for (size_t i = 0; i < count; i++) {
        if (ip_addr_equal(&addresses[i], &explanation->carrier->address))
            explanation->ruling.step = INNER_PASS;
    }
    conclude_inside(explanation);
}

bool explanation_dials(const struct explanation *explanation, const struct candidate *candidate)
{
    return asking_is_dialled(explanation->candidates, explanation->candidate_count, candidate);
}

const struct inner *explanation_inner(const struct explanation *explanation, size_t index)
{
    static const struct inner anything = {0};
    const struct candidate *candidate = &explanation->candidates[index];
    for (size_t i = 0; i < index; i++) {
        if (explanation_dials(explanation, &explanation->candidates[i]) &&
            explanation->candidates[i].inner == candidate->inner)
            return NULL;
    }
    if (!explanation_dials(explanation, candidate))
        return NULL;
    return candidate->inner == NULL ? &anything : candidate->inner;
}

void explanation_fail(struct explanation *explanation, const char *why)
{
    explanation->decision.action = ACTION_ERROR;
    explanation->decision.reason = REASON_DNS_FAILED;
    explanation->dns = why;
}

void explanation_override(struct explanation *explanation, enum action action, enum reason reason,
                          const char *why, const char *advice)
{
    explanation->decision.action = action;
    explanation->decision.reason = reason;
    explanation->decision.rule = NULL;
    explanation->decision.would_deny = false;
    explanation->advice = advice;
    (void)string_copy(explanation->live, sizeof explanation->live, slice_of_string(why));
}

const char *explanation_advice(const struct explanation *explanation)
{
    static const struct {
        enum reason reason;
        const char *advice;
    } all[] = {
        {REASON_NO_CLIENT, "add an entry under `clients` whose `match` fits the certificate"},
        {REASON_BAD_REQUEST,
         "give the proxy's entry `speaks_for`, if it may say whose request it is"},
        {REASON_NOT_SPOKEN_FOR,
         "a certificate whose entry has `speaks_for` is not passed on: let that proxy ask for itself"},
        {REASON_BAD_ACCOUNT,
         "issue a certificate that completes the client's name, or change `name` of the client"},
        {REASON_SOURCE_NOT_ALLOWED,
         "add the address to the client's `sources`, or find out why it comes from there"},
        {REASON_NOT_VALID_NOW, "look at `valid` of the rule, or of the client where none is named"},
        {REASON_OUTSIDE_HOURS, "look at `hours` of the rule, or of the client where none is named"},
        {REASON_NO_RULE,
         "if it should be allowed, add a rule to the client's `allow` with this host and port"},
        {REASON_DENIED_BY_RULE,
         "the named `deny` wins over every `allow`; narrow it, if this should pass"},
        {REASON_SPECIAL_RANGE,
         "private and reserved addresses open only to a rule that names them under `addresses`"},
        {REASON_METADATA, "this address is closed whatever the configuration says"},
        {REASON_OWN_LISTENER, "this address is closed whatever the configuration says"},
        {REASON_NOT_AUTHORIZED, "ask those who run the authorizer"},
        {REASON_AUTHORIZER_FAILED, "look at the authorizer: without its yes nothing is dialled"},
        {REASON_DNS_FAILED, "look at the name, and at `resolver`"},
        {REASON_INNER_MISMATCH,
         "ask for the name that the handshake has, or accept it: a rule for it, and `names: listed` where a "
         "name was asked for"},
        {REASON_INNER_NO_NAME,
         "let the client send a server name; without `route: name`, `names: any` does without one"},
        {REASON_INNER_NOT_TLS,
         "write `plain: check`; without `route: name`, `inner: {tls: any}` for this target will do, too"},
        {REASON_INNER_PLAIN, "let the client use https, or ask for the host that it names"},
    };
    for (size_t i = 0; explanation->advice == NULL && i < sizeof all / sizeof *all; i++) {
        if (all[i].reason == explanation->decision.reason)
            return all[i].advice;
    }
    return explanation->advice;
}

const char *explained_list(const struct explained *explained)
{
    static const char *const names[] = {
        [POLICY_LIST_GLOBAL_DENY] = "deny for everybody",
        [POLICY_LIST_FILE_DENY] = "deny of its file",
        [POLICY_LIST_CLIENT_DENY] = "deny",
        [POLICY_LIST_ALLOW] = "allow",
    };
    return names[explained->step.list];
}

const char *explained_result(const struct explained *explained)
{
    if (explained->step.list == POLICY_LIST_ALLOW)
        return explained->step.is_fit ? "admits" : "does not admit";
    return explained->step.is_fit ? "denies" : "does not deny";
}
