// Gathers what the policy tells. A member that could not be kept for want of memory spoils the whole: half an
// explanation would be a wrong one.
#include "proxy/explain/explanation.h"

#include <stdlib.h>

// Of the entries and rules that do not fit, so many are listed; the rest is counted.
enum { MISFITS_MAX = 50 };

struct explanation {
    const struct policy *policy;     // borrowed
    const struct question *question; // borrowed
    const struct client *client;
    struct decision decision;
    bool lacks_source;
    bool is_spoilt;
    const char *advice; // static memory; NULL: the one for the reason
    json_t *root;       // owned; the members below are borrowed from it
    json_t *entries;    // of `match`, that did not fit
    size_t entry_count;
    json_t *rules; // that were asked about the target
    size_t rule_misfits;
    json_t *addresses; // judged; one is filled while its candidate is
    json_t *tried;     // rule against address, until its candidate has its verdict
};

static void set(struct explanation *explanation, json_t *object, const char *name, json_t *value)
{
    if (json_object_set_new(object, name, value) != 0)
        explanation->is_spoilt = true;
}

static void append(struct explanation *explanation, json_t *list, json_t *value)
{
    if (json_array_append_new(list, value) != 0)
        explanation->is_spoilt = true;
}

static json_t *text_or_null(const char *text)
{
    return text == NULL ? json_null() : json_string(text);
}

// add makes a member that is filled later, and gives it.
static json_t *add(struct explanation *explanation, const char *name, json_t *value)
{
    set(explanation, explanation->root, name, value);
    return json_object_get(explanation->root, name);
}

// ---- who ----------------------------------------------------------------------------------------

static void told_entry(struct explanation *explanation, const struct policy_step *step)
{
    if (step->entry_part == ENTRY_FITS) {
        add(explanation, "client",
            json_pack("{s:s,s:I,s:s}", "name", step->client->name, "entry", (json_int_t)step->entry,
                      "mode", policy_mode_name(step->client->mode)));
        return;
    }
    if (explanation->entry_count++ < MISFITS_MAX)
        append(explanation, explanation->entries,
               json_pack("{s:s,s:I,s:s}", "client", step->client->name, "entry",
                         (json_int_t)step->entry, "misfit", entry_part_name(step->entry_part)));
}

static void told_source(struct explanation *explanation, const struct policy_step *step)
{
    char text[IP_TEXT_CAP];
    add(explanation, "source",
        json_pack("{s:s,s:b}", "address", ip_addr_format(&explanation->question->source, text),
                  "fits", step->is_fit));
}

// ---- rules --------------------------------------------------------------------------------------

static const char *list_name(enum policy_list list)
{
    switch (list) {
    case POLICY_LIST_GLOBAL_DENY:
        return "deny for everybody";
    case POLICY_LIST_CLIENT_DENY:
        return "deny";
    case POLICY_LIST_ALLOW:
        return "allow";
    }
    return NULL;
}

// is_known tells whether the rule has been told with this result: a target that is an address is asked twice.
static bool is_known(const struct explanation *explanation, const struct policy_step *step)
{
    for (size_t i = 0; i < json_array_size(explanation->rules); i++) {
        const json_t *known = json_array_get(explanation->rules, i);
        const char *rule = json_string_value(json_object_get(known, "rule"));
        const char *list = json_string_value(json_object_get(known, "list"));
        if (strcmp(rule, step->rule->name) == 0 && strcmp(list, list_name(step->list)) == 0)
            return true;
    }
    return false;
}

static void told_rule(struct explanation *explanation, const struct policy_step *step)
{
    const bool is_misfit = step->rule_part != RULE_FITS && step->rule_part != RULE_NEEDS_ADDRESS;
    if (is_misfit && explanation->rule_misfits >= MISFITS_MAX) {
        explanation->rule_misfits++;
        return;
    }
    if (is_known(explanation, step))
        return;
    explanation->rule_misfits += is_misfit;
    append(explanation, explanation->rules,
           json_pack("{s:s,s:s,s:s}", "list", list_name(step->list), "rule", step->rule->name,
                     "result", rule_part_name(step->rule_part)));
}

// ---- addresses ----------------------------------------------------------------------------------

static json_t *address_text(const struct ip_addr *address)
{
    char text[IP_TEXT_CAP];
    return json_string(ip_addr_format(address, text));
}

// address_of gives the object of a candidate, made when it is first told of.
static json_t *address_of(struct explanation *explanation, const struct candidate *candidate)
{
    char text[IP_TEXT_CAP];
    (void)ip_addr_format(&candidate->address, text);
    json_t *found = json_object_get(explanation->tried, text);
    if (found != NULL)
        return found;
    set(explanation, explanation->tried, text,
        json_pack("{s:s,s:o,s:[]}", "address", text, "range",
                  text_or_null(ip_addr_special_name(&candidate->address)), "rules"));
    return json_object_get(explanation->tried, text);
}

static void told_address(struct explanation *explanation, const struct policy_step *step)
{
    json_t *address = address_of(explanation, step->candidate);
    const bool is_allow = step->list == POLICY_LIST_ALLOW;
    const char *result = is_allow ? (step->is_fit ? "admits" : "does not admit")
                                  : (step->is_fit ? "denies" : "does not deny");
    json_t *told = json_pack("{s:s,s:s}", "rule", step->rule->name, "result", result);
    if (step->form != NULL && !ip_addr_equal(step->form, &step->candidate->address))
        set(explanation, told, "embedded", address_text(step->form));
    append(explanation, json_object_get(address, "rules"), told);
}

static void told_verdict(struct explanation *explanation, const struct policy_step *step)
{
    const struct candidate *candidate = step->candidate;
    json_t *address = address_of(explanation, candidate);
    set(explanation, address, "admitted", json_boolean(candidate->is_admitted));
    set(explanation, address, "reason", json_string(reason_name(candidate->reason)));
    set(explanation, address, "rule", text_or_null(candidate->rule));
    if (step->form != NULL && !ip_addr_equal(step->form, &candidate->address))
        set(explanation, address, "embedded", address_text(step->form));
}

static void told(void *arg, const struct policy_step *step)
{
    struct explanation *explanation = arg;
    switch (step->kind) {
    case POLICY_STEP_ENTRY:
        told_entry(explanation, step);
        return;
    case POLICY_STEP_SOURCE:
        if (json_object_get(explanation->root, "source") == NULL)
            told_source(explanation, step);
        return;
    case POLICY_STEP_RULE:
        told_rule(explanation, step);
        return;
    case POLICY_STEP_ADDRESS:
        told_address(explanation, step);
        return;
    case POLICY_STEP_VERDICT:
        told_verdict(explanation, step);
        return;
    }
}

// ---- life ---------------------------------------------------------------------------------------

static struct policy_trace trace_of(struct explanation *explanation)
{
    return (struct policy_trace){.told = told, .arg = explanation};
}

static void ask(struct explanation *explanation)
{
    const struct question *question = explanation->question;
    const struct policy_trace trace = trace_of(explanation);
    char host[TARGET_TEXT_CAP];
    add(explanation, "target",
        json_pack("{s:s,s:i}", "host", target_format_host(&question->target, host), "port",
                  question->target.port));
    explanation->entries = add(explanation, "misfits", json_array());
    explanation->client = policy_find_client(explanation->policy, question->identity, &trace);
    if (explanation->client == NULL)
        add(explanation, "client", json_null());
    explanation->rules = add(explanation, "rules", json_array());
    explanation->lacks_source = explanation->client != NULL && explanation->client->has_sources &&
                                question->source.family == IP_NONE;
    if (explanation->lacks_source)
        return;
    policy_decide_target(explanation->policy, explanation->client, &question->source,
                         &question->target, &trace, &explanation->decision);
}

struct explanation *explanation_create(const struct policy *policy, const struct question *question)
{
    struct explanation *explanation = calloc(1, sizeof *explanation);
    if (explanation == NULL)
        return NULL;
    explanation->policy = policy;
    explanation->question = question;
    explanation->root = json_object();
    explanation->tried = json_object();
    if (explanation->root == NULL || explanation->tried == NULL) {
        explanation_destroy(explanation);
        return NULL;
    }
    ask(explanation);
    return explanation;
}

void explanation_destroy(struct explanation *explanation)
{
    if (explanation == NULL)
        return;
    json_decref(explanation->root);
    json_decref(explanation->tried);
    free(explanation);
}

bool explanation_lacks_source(const struct explanation *explanation)
{
    return explanation->lacks_source;
}

bool explanation_lacks_addresses(const struct explanation *explanation)
{
    return !explanation->lacks_source && explanation->decision.action == ACTION_ALLOW &&
           explanation->decision.reason == REASON_NONE;
}

void explanation_judge(struct explanation *explanation, struct candidate *candidates, size_t count,
                       const char *origin)
{
    const struct question *question = explanation->question;
    const struct policy_trace trace = trace_of(explanation);
    ASSERT(explanation_lacks_addresses(explanation));
    policy_decide_addresses(explanation->policy, explanation->client, &question->source,
                            &question->target, candidates, count, &trace, &explanation->decision);
    add(explanation, "addresses_from", json_string(origin));
    explanation->addresses = add(explanation, "addresses", json_array());
    for (size_t i = 0; i < count; i++)
        append(explanation, explanation->addresses,
               json_incref(address_of(explanation, &candidates[i])));
}

void explanation_fail(struct explanation *explanation, const char *why)
{
    explanation->decision.action = ACTION_ERROR;
    explanation->decision.reason = REASON_DNS_FAILED;
    add(explanation, "dns", json_string(why));
}

void explanation_override(struct explanation *explanation, enum action action, enum reason reason,
                          const char *why, const char *advice)
{
    explanation->decision.action = action;
    explanation->decision.reason = reason;
    explanation->decision.rule = NULL;
    explanation->decision.would_deny = false;
    explanation->advice = advice;
    add(explanation, "live", json_string(why));
}

const struct decision *explanation_decision(const struct explanation *explanation)
{
    return &explanation->decision;
}

const struct client *explanation_client(const struct explanation *explanation)
{
    return explanation->client;
}

// advice_for says what to do about a denial; NULL where there is nothing to do.
static const char *advice_for(const struct explanation *explanation)
{
    const enum reason reason = explanation->decision.reason;
    if (explanation->advice != NULL)
        return explanation->advice;
    if (reason == REASON_NO_CLIENT)
        return "add an entry under `clients` whose `match` fits the certificate";
    if (reason == REASON_SOURCE_NOT_ALLOWED)
        return "add the address to the client's `sources`, or find out why it comes from there";
    if (reason == REASON_NO_RULE)
        return "if it should be allowed, add a rule to the client's `allow` with this host and port";
    if (reason == REASON_DENIED_BY_RULE)
        return "the named `deny` wins over every `allow`; narrow it, if this should pass";
    if (reason == REASON_SPECIAL_RANGE)
        return "private and reserved addresses open only to a rule that names them under `addresses`";
    if (reason == REASON_METADATA || reason == REASON_OWN_LISTENER)
        return "this address is closed whatever the configuration says";
    if (reason == REASON_DNS_FAILED)
        return "look at the name, and at `resolver`";
    return NULL;
}

// add_limits tells what the client may use, as the configuration has it; what is 0 is not limited.
static void add_limits(struct explanation *explanation)
{
    if (explanation->client == NULL)
        return;
    const struct client_limits *limits = &explanation->client->limits;
    const struct {
        const char *name;
        uint64_t value;
    } members[] = {
        {"tunnels", limits->tunnels},
        {"new_tunnels_per_second", limits->new_tunnels},
        {"burst", limits->burst},
        {"bandwidth_up_bytes_per_second", limits->bandwidth_up},
        {"bandwidth_down_bytes_per_second", limits->bandwidth_down},
        {"age_ms", (uint64_t)limits->age_ms},
        {"idle_ms", (uint64_t)limits->idle_ms},
    };
    json_t *object = add(explanation, "limits", json_object());
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        if (members[i].value > 0)
            set(explanation, object, members[i].name, json_integer((json_int_t)members[i].value));
    }
}

json_t *explanation_take_json(struct explanation *explanation)
{
    const struct decision *decision = &explanation->decision;
    add_limits(explanation);
    add(explanation, "misfits_not_shown",
        json_integer(explanation->entry_count > MISFITS_MAX
                         ? (json_int_t)(explanation->entry_count - MISFITS_MAX)
                         : 0));
    add(explanation, "rules_not_shown",
        json_integer(explanation->rule_misfits > MISFITS_MAX
                         ? (json_int_t)(explanation->rule_misfits - MISFITS_MAX)
                         : 0));
    add(explanation, "decision",
        json_pack("{s:s,s:s,s:o,s:s,s:b}", "action", action_name(decision->action), "reason",
                  reason_name(decision->reason), "rule", text_or_null(decision->rule), "mode",
                  policy_mode_name(decision->mode), "would_deny", decision->would_deny));
    add(explanation, "advice", text_or_null(advice_for(explanation)));
    json_t *root = explanation->root;
    explanation->root = NULL;
    if (explanation->is_spoilt) {
        json_decref(root);
        return NULL;
    }
    return root;
}
