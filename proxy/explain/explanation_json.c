// An explanation as JSON. docs name the members.
#include "auth/base/date.h"
#include "auth/base/json.h"
#include "proxy/explain/explanation.h"

static void add_address_text(struct text *out, const char *name, const struct ip_addr *address)
{
    char text[IP_TEXT_CAP];
    if (address->family != IP_NONE)
        json_add_string(out, name, ip_addr_format(address, text));
}

static void add_misfits(const struct explanation *explanation, struct text *out)
{
    const struct explained *at = NULL;
    json_begin_array(out, "misfits");
    while ((at = explanation_next(explanation, at, POLICY_STEP_ENTRY)) != NULL) {
        json_begin_object(out, NULL);
        json_add_string(out, "client", at->step.client->name);
        json_add_count(out, "entry", at->step.entry);
        json_add_string(out, "misfit", entry_part_name(at->step.entry_part));
        json_end_object(out);
    }
    json_end_array(out);
}

// add_edge tells which proxy says whose request it is, and why nobody listens to it.
static void add_edge(const struct explanation *explanation, struct text *out)
{
    const struct edge *edge = explanation->question->edge;
    const struct speaker *speaker = &explanation->speaker;
    if (edge == NULL)
        return;
    json_begin_object(out, "via_client");
    json_add_string(out, "name", speaker->client == NULL ? NULL : speaker->client->name);
    if (speaker->client != NULL && speaker->client->name_template != NULL) {
        json_add_string(out, "account", speaker->account.text);
        json_add_string(out, "no_account", speaker->account.why);
    }
    json_add_string(out, "speaks_for",
                    speaker->client == NULL ? NULL : speaker->client->speaks_for);
    json_add_bool(out, "ignored", speaker->is_ignored);
    if (edge->who != NULL)
        json_add_string(out, "summary", edge->who);
    json_end_object(out);
}

static void add_client(const struct explanation *explanation, struct text *out)
{
    const struct client *client = explanation->client;
    add_edge(explanation, out);
    if (client == NULL) {
        json_add_null(out, "client");
        return;
    }
    json_begin_object(out, "client");
    json_add_string(out, "name", client->name);
    if (client->name_template != NULL) {
        json_add_string(out, "account", explanation->account.text);
        json_add_string(out, "no_account", explanation->account.why);
    }
    json_add_string(out, "file", client->file == NULL ? NULL : client->file->name);
    json_add_count(out, "line", client->line);
    json_add_count(out, "entry", explanation->entry);
    json_add_string(out, "mode", policy_mode_name(client->mode));
    json_end_object(out);
    if (!explanation->has_source)
        return;
    json_begin_object(out, "source");
    add_address_text(out, "address", &explanation->question->source);
    json_add_bool(out, "fits", explanation->is_source_fit);
    json_end_object(out);
}

static void add_rules(const struct explanation *explanation, struct text *out)
{
    const struct explained *at = NULL;
    json_begin_array(out, "rules");
    while ((at = explanation_next(explanation, at, POLICY_STEP_RULE)) != NULL) {
        json_begin_object(out, NULL);
        json_add_string(out, "list", explained_list(at));
        json_add_string(out, "rule", at->step.rule->name);
        json_add_string(out, "result", rule_part_name(at->step.rule_part));
        json_end_object(out);
    }
    json_end_array(out);
}

static void add_address(const struct explanation *explanation, const struct candidate *candidate,
                        struct text *out)
{
    const struct explained *at = NULL;
    json_begin_object(out, NULL);
    add_address_text(out, "address", &candidate->address);
    json_add_string(
        out, "range",
        candidate->address.family == IP_NONE ? NULL : ip_addr_special_name(&candidate->address));
    json_begin_array(out, "rules");
    while ((at = explanation_next(explanation, at, POLICY_STEP_ADDRESS)) != NULL) {
        if (at->step.candidate != candidate)
            continue;
        json_begin_object(out, NULL);
        json_add_string(out, "rule", at->step.rule->name);
        json_add_string(out, "result", explained_result(at));
        add_address_text(out, "embedded", &at->embedded);
        json_end_object(out);
    }
    json_end_array(out);
    json_add_bool(out, "admitted", candidate->is_admitted);
    json_add_bool(out, "dialled", explanation_dials(explanation, candidate));
    json_add_string(out, "reason", reason_name(candidate->reason));
    json_add_string(out, "rule", candidate->rule);
    if (candidate->is_admitted)
        inner_rules_append_json(candidate->inner, "inner", out);
    if (candidate->is_admitted)
        via_append_json(candidate->via, out);
    if (candidate->sends_proxy)
        json_add_string(out, "send_proxy", "v2");
    if (candidate->asks)
        json_add_bool(out, "asks", true);
    while ((at = explanation_next(explanation, at, POLICY_STEP_VERDICT)) != NULL) {
        if (at->step.candidate == candidate)
            add_address_text(out, "embedded", &at->embedded);
    }
    json_end_object(out);
}

static void add_addresses(const struct explanation *explanation, struct text *out)
{
    if (explanation->dns != NULL)
        json_add_string(out, "dns", explanation->dns);
    if (explanation->origin == NULL)
        return;
    json_add_string(out, "addresses_from", explanation->origin);
    json_begin_array(out, "addresses");
    for (size_t i = 0; i < explanation->candidate_count; i++)
        add_address(explanation, &explanation->candidates[i], out);
    json_end_array(out);
    if (explanation->asking == NULL)
        return;
    const struct question *question = explanation->question;
    json_begin_object(out, "authorizer");
    json_add_string(out, "rule", explanation->asking->rule);
    json_add_string(out, "answer",
                    question->has_answer ? authorizer_answer_name(question->answer) : NULL);
    json_end_object(out);
}

// add_inside tells what comes of what the client says in the tunnel.
static void add_inside(const struct explanation *explanation, struct text *out)
{
    const struct inner_ruling *ruling = &explanation->ruling;
    if (explanation->carrier == NULL)
        return;
    json_begin_object(out, "inside");
    inner_append_json(explanation->question->inside, &explanation->target, REASON_NONE, out);
    add_address_text(out, "address", &explanation->carrier->address);
    json_add_bool(out, "passes", ruling->step == INNER_PASS);
    json_add_string(out, "reason", ruling->step == INNER_PASS ? NULL : reason_name(ruling->reason));
    if (ruling->name != NULL) {
        json_add_string(out, "name", ruling->name->text);
        decision_append_json(&ruling->named, out);
    }
    json_end_object(out);
}

static void add_limits(const struct explanation *explanation, struct text *out)
{
    struct client_limit limits[CLIENT_LIMITS];
    if (explanation->live[0] != '\0')
        json_add_string(out, "live", explanation->live);
    if (explanation->client == NULL)
        return;
    json_begin_object(out, "limits");
    client_limits_list(&explanation->client->limits, limits);
    for (size_t i = 0; i < CLIENT_LIMITS; i++) {
        if (limits[i].value > 0)
            json_add_count(out, limits[i].name_with_unit, limits[i].value);
    }
    if (explanation->client->limits.scope == LIMIT_FLEET)
        json_add_string(out, "scope", "fleet");
    json_end_object(out);
}

// add_time tells when time alone changes the answer; null is never.
static void add_time(const struct decision *decision, struct text *out)
{
    char date[DATE_TEXT_CAP];
    const char *when = decision->changes_s == INT64_MAX
                           ? NULL
                           : date_format(decision->changes_s, DATE_SECOND, date);
    if (reason_is_of_time(decision->reason))
        json_add_string(out, "allowed_from", when);
    else if (decision_ends_by_time(decision))
        json_add_string(out, "until", when);
}

void explanation_append_json(const struct explanation *explanation, struct text *out)
{
    const struct question *question = explanation->question;
    char host[TARGET_TEXT_CAP];
    json_begin_object(out, NULL);
    json_begin_object(out, "target");
    json_add_string(out, "host", target_format_host(&question->target, host));
    json_add_count(out, "port", question->target.port);
    json_end_object(out);
    if (explanation->is_routed)
        json_add_string(out, "routed_to", explanation->target.name.text);
    add_misfits(explanation, out);
    add_client(explanation, out);
    add_rules(explanation, out);
    add_addresses(explanation, out);
    add_inside(explanation, out);
    add_limits(explanation, out);
    json_add_count(out, "misfits_not_shown", explanation->misfits.hidden);
    json_add_count(out, "rules_not_shown", explanation->rule_misfits.hidden);
    decision_append_json(&explanation->decision, out);
    add_time(&explanation->decision, out);
    json_add_string(out, "advice", explanation_advice(explanation));
    if (question->who != NULL) {
        json_begin_object(out, "certificate");
        if (question->identity != NULL) {
            identity_append_json(question->identity, out);
            identity_append_extensions(question->identity, explanation->policy->extensions, out);
        }
        json_add_string(out, "summary", question->who);
        json_end_object(out);
    }
    if (question->id != NULL) {
        json_add_string(out, "id", question->id);
        json_begin_object(out, "recorded");
        json_add_string(out, "action", action_name(question->recorded->action));
        json_add_string(out, "reason", question->recorded->reason);
        if (question->recorded->rule != NULL)
            json_add_string(out, "rule", question->recorded->rule);
        json_end_object(out);
    }
    json_end_object(out);
    text_append_string(out, "\n");
}
