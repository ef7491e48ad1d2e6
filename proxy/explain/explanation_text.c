// An explanation for people: a paragraph for each question that was asked, the answer last.
#include <inttypes.h>

#include "auth/asking.h"
#include "auth/base/date.h"
#include "proxy/explain/explanation.h"

// meaning puts a result's word into a person's.
static const char *meaning(const char *word)
{
    static const struct {
        const char *word;
        const char *meaning;
    } WORDS[] = {
        {"fits", "speaks about this target"},
        {"ports", "is about other ports"},
        {"hosts", "is about other names"},
        {"for_names", "is about names, and this is an address"},
        {"for_addresses", "is about written addresses, and this is a name"},
        {"needs_address", "waits for the addresses"},
        {"not_now", "would speak about this target, but not at this time"},
        {"empty", "says nothing"},
        {"anonymous", "is for clients without certificate"},
        {"certificate", "wants a certificate"},
        {"unverified", "wants a certificate that a trust profile has verified"},
        {"later", "fits, too, but the file of the client above had this certificate first"},
    };
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++) {
        if (strcmp(WORDS[i].word, word) == 0)
            return WORDS[i].meaning;
    }
    return NULL;
}

static void print_misfits(const struct explanation *explanation, FILE *out)
{
    const struct explained *at = NULL;
    while ((at = explanation_next(explanation, at, POLICY_STEP_ENTRY)) != NULL) {
        const char *word = entry_part_name(at->step.entry_part);
        (void)fprintf(out, "           not %s, match[%zu]: ", at->step.client->name,
                      at->step.entry);
        if (meaning(word) == NULL)
            (void)fprintf(out, "its `%s` does not fit\n", word);
        else
            (void)fprintf(out, "it %s\n", meaning(word));
    }
    if (explanation->misfits.hidden > 0)
        (void)fprintf(out, "           nor %zu more\n", explanation->misfits.hidden);
}

// print_edge tells which proxy says whose request it is, and why nobody listens to it.
static void print_edge(const struct explanation *explanation, FILE *out)
{
    const struct edge *edge = explanation->question->edge;
    const struct speaker *speaker = &explanation->speaker;
    const struct client *client = speaker->client;
    if (edge == NULL)
        return;
    if (client == NULL)
        (void)fprintf(out, "edge       none: no entry of `clients` fits");
    else if (client->speaks_for == NULL)
        (void)fprintf(out, "edge       %s, which speaks for nobody", client->name);
    else
        (void)fprintf(out, "edge       %s, which speaks for clients of the profile %s",
                      client->name, client->speaks_for);
    (void)fprintf(out, "%s%s\n", edge->who == NULL ? "" : ": ", edge->who == NULL ? "" : edge->who);
    if (speaker->account.why != NULL)
        (void)fprintf(out, "           it has no account: %s\n", speaker->account.why);
    if (speaker->is_ignored)
        (void)fprintf(out, "           what it says is removed: the request is its own\n");
}

// print_other tells which client of another included file fits, too.
static void print_other(const struct explanation *explanation, FILE *out)
{
    const struct question *question = explanation->question;
    const struct client *other =
        question->edge != NULL
            ? NULL
            : policy_find_other(explanation->policy, question->identity, explanation->client);
    if (other != NULL)
        (void)fprintf(out,
                      "           ! client `%s` of another file (%s:%" PRIu32
                      ") fits, too: the certificate belongs to the file that had it first\n",
                      other->name, other->file->name, other->line);
}

static void print_client(const struct explanation *explanation, FILE *out)
{
    const struct client *client = explanation->client;
    char source[IP_TEXT_CAP];
    print_edge(explanation, out);
    if (explanation->question->who != NULL)
        (void)fprintf(out, "who        %s\n", explanation->question->who);
    const bool is_looked_for =
        explanation->question->edge == NULL || explanation->speaker.decision.action == ACTION_ALLOW;
    if (client == NULL && is_looked_for)
        (void)fprintf(out, "client     none: no entry of `clients` fits\n");
    else if (client != NULL)
        (void)fprintf(out, "client     %s: its match[%zu] is the first that fits; mode %s\n",
                      client->name, explanation->entry, policy_mode_name(client->mode));
    if (client != NULL && client->file != NULL)
        (void)fprintf(out, "           %s:%" PRIu32 "\n", client->file->name, client->line);
    print_other(explanation, out);
    print_misfits(explanation, out);
    if (explanation->account.why != NULL)
        (void)fprintf(out, "account    none: %s\n", explanation->account.why);
    else if (client != NULL && client->name_template != NULL)
        (void)fprintf(out, "account    %s\n", explanation->account.text);
    if (explanation->has_source && explanation->question->is_unannounced)
        (void)fprintf(
            out, "source     not known: the balancer did not say it, so it is in no `sources`\n");
    else if (explanation->has_source)
        (void)fprintf(out, "source     %s is %s its `sources`\n",
                      ip_addr_format(&explanation->question->source, source),
                      explanation->is_source_fit ? "in" : "not in");
}

static void print_rules(const struct explanation *explanation, FILE *out)
{
    const struct explained *at = NULL;
    const char *title = "rules";
    while ((at = explanation_next(explanation, at, POLICY_STEP_RULE)) != NULL) {
        (void)fprintf(out, "%-10s %s (%s) %s\n", title, at->step.rule->name, explained_list(at),
                      meaning(rule_part_name(at->step.rule_part)));
        title = "";
    }
    if (explanation->rule_misfits.hidden > 0)
        (void)fprintf(out, "           and %zu more that are about something else\n",
                      explanation->rule_misfits.hidden);
}

// print_embedded writes `before` and the address inside, if there is one.
static void print_embedded(const char *before, const struct ip_addr *embedded, FILE *out)
{
    char text[IP_TEXT_CAP];
    if (embedded->family != IP_NONE)
        (void)fprintf(out, "%s%s", before, ip_addr_format(embedded, text));
}

// may_dial tells what a request does with an address.
static const char *may_dial(const struct explanation *explanation,
                            const struct candidate *candidate)
{
    const struct candidate *all = explanation->candidates;
    if (!candidate->is_admitted)
        return "may not be dialled";
    if (explanation_dials(explanation, candidate))
        return "may be dialled";
    return asking_takes_way(all, explanation->candidate_count, candidate)
               ? "is not dialled, since a request is asked about because of one rule"
               : "is not dialled, since the request takes another way";
}

static void print_address(const struct explanation *explanation, const struct candidate *candidate,
                          FILE *out)
{
    const struct explained *at = NULL;
    const bool is_name = candidate->address.family == IP_NONE;
    const char *range = is_name ? NULL : ip_addr_special_name(&candidate->address);
    char text[IP_TEXT_CAP];
    if (is_name)
        (void)fprintf(out, "           the name, which the parent resolves");
    else
        (void)fprintf(out, "           %s", ip_addr_format(&candidate->address, text));
    if (range != NULL)
        (void)fprintf(out, " (%s)", range);
    while ((at = explanation_next(explanation, at, POLICY_STEP_VERDICT)) != NULL) {
        if (at->step.candidate == candidate)
            print_embedded(" for ", &at->embedded, out);
    }
    (void)fprintf(out, ": %s, %s%s%s\n", may_dial(explanation, candidate),
                  reason_name(candidate->reason), candidate->rule == NULL ? "" : " ",
                  candidate->rule == NULL ? "" : candidate->rule);
    while ((at = explanation_next(explanation, at, POLICY_STEP_ADDRESS)) != NULL) {
        if (at->step.candidate != candidate)
            continue;
        (void)fprintf(out, "             %s %s it", at->step.rule->name, explained_result(at));
        print_embedded(", for ", &at->embedded, out);
        (void)fprintf(out, "\n");
    }
}

static void print_addresses(const struct explanation *explanation, FILE *out)
{
    const char *origin = explanation->origin;
    if (explanation->dns != NULL)
        (void)fprintf(out, "addresses  none: DNS says %s\n", explanation->dns);
    if (origin == NULL)
        return;
    if (strcmp(origin, "parent") == 0)
        (void)fprintf(out, "addresses  none is asked for: no rule about addresses is kept here\n");
    else
        (void)fprintf(out, "addresses  %zu%s\n", explanation->candidate_count,
                      strcmp(origin, "dns") == 0     ? " from DNS"
                      : strcmp(origin, "given") == 0 ? " as given"
                                                     : ", as written");
    for (size_t i = 0; i < explanation->candidate_count; i++)
        print_address(explanation, &explanation->candidates[i], out);
}

static void print_inner(const struct explanation *explanation, FILE *out)
{
    const char *title = "inner";
    char rules[INNER_TEXT_CAP];
    char text[IP_TEXT_CAP];
    for (size_t i = 0; i < explanation->candidate_count; i++) {
        const struct inner *inner = explanation_inner(explanation, i);
        const struct ip_addr *address = &explanation->candidates[i].address;
        if (inner == NULL)
            continue;
        (void)fprintf(out, "%-10s %s at %s\n", title, inner_format(inner, rules),
                      address->family == IP_NONE ? "the name" : ip_addr_format(address, text));
        title = "";
    }
}

// print_send_proxy tells to which addresses a PROXY header goes first.
static void print_send_proxy(const struct explanation *explanation, FILE *out)
{
    char address[IP_TEXT_CAP];
    for (size_t i = 0; i < explanation->candidate_count; i++) {
        const struct candidate *candidate = &explanation->candidates[i];
        if (explanation_dials(explanation, candidate) && candidate->sends_proxy)
            (void)fprintf(out, "send_proxy v2 to %s: it is told the client's address first\n",
                          ip_addr_format(&candidate->address, address));
    }
}

// print_via tells which way a request takes: that of the first address that is admitted.
static void print_via(const struct explanation *explanation, FILE *out)
{
    char via[VIA_TEXT_CAP];
    if (explanation->decision.action == ACTION_ALLOW &&
        via_format(explanation->decision.via, via)[0] != '\0')
        (void)fprintf(out, "via        %s\n", via);
}

// print_asked tells for which addresses the authorizer has the last word.
static void print_asked(const struct explanation *explanation, FILE *out)
{
    const struct question *question = explanation->question;
    char address[IP_TEXT_CAP];
    for (size_t i = 0; i < explanation->candidate_count; i++) {
        const struct candidate *candidate = &explanation->candidates[i];
        if (!candidate->asks || !explanation_dials(explanation, candidate))
            continue;
        (void)fprintf(out, "asked      before %s is dialled: the authorizer %s%s\n",
                      ip_addr_format(&candidate->address, address),
                      question->has_answer ? "says " : "decides",
                      !question->has_answer ? ""
                      : question->answer == AUTHORIZER_NONE
                          ? "nothing that is a yes or a no"
                          : authorizer_answer_name(question->answer));
    }
}

// print_inside tells what comes of what the client says in the tunnel.
static void print_inside(const struct explanation *explanation, FILE *out)
{
    const struct inner_ruling *ruling = &explanation->ruling;
    const char *reason = reason_name(ruling->reason);
    if (explanation->carrier == NULL)
        return;
    if (ruling->step == INNER_PASS)
        (void)fprintf(out, "inside     goes on\n");
    else
        (void)fprintf(out, "inside     %s: %s\n",
                      explanation->decision.mode == POLICY_REPORT
                          ? "goes on only because the mode is report"
                          : "ends the tunnel",
                      reason);
    if (ruling->name != NULL)
        (void)fprintf(out, "           %s: %s%s%s%s\n", ruling->name->text,
                      ruling->named.action == ACTION_ALLOW ? "the policy allows it, "
                                                           : "the policy does not allow it, ",
                      reason_name(ruling->named.reason), ruling->named.rule == NULL ? "" : " ",
                      ruling->named.rule == NULL ? "" : ruling->named.rule);
    if (ruling->step == INNER_END && ruling->name != NULL && ruling->named.action == ACTION_ALLOW)
        (void)fprintf(out, "           but %s\n",
                      ruling->asks ? "nobody asks the authorizer about a name inside a tunnel"
                                   : "it does not lead to the address that was asked for");
}

static void print_limits(const struct explanation *explanation, FILE *out)
{
    struct client_limit limits[CLIENT_LIMITS] = {0};
    const char *title = "limits";
    if (explanation->client != NULL)
        client_limits_list(&explanation->client->limits, limits);
    for (size_t i = 0; i < CLIENT_LIMITS; i++) {
        if (limits[i].value == 0)
            continue;
        (void)fprintf(out, "%-10s %s %" PRIu64 "\n", title, limits[i].name_with_unit,
                      limits[i].value);
        title = "";
    }
    if (explanation->client != NULL && explanation->client->limits.scope == LIMIT_FLEET)
        (void)fprintf(out, "           of all proxies that share the store, together\n");
    if (explanation->live[0] != '\0')
        (void)fprintf(out, "live       %s\n", explanation->live);
}

// print_time tells when time alone changes the answer.
static void print_time(const struct decision *decision, FILE *out)
{
    char text[SCHEDULE_TEXT_CAP];
    char date[DATE_TEXT_CAP];
    if (reason_is_of_time(decision->reason))
        (void)fprintf(out, "           %s\n", schedule_format_return(decision->changes_s, text));
    else if (decision_ends_by_time(decision))
        (void)fprintf(out, "           until %s; then it is judged again\n",
                      date_format(decision->changes_s, DATE_SECOND, date));
}

// print_recorded tells where the record says something else than this policy.
static void print_recorded(const struct explanation *explanation, FILE *out)
{
    const struct recorded *then = explanation->question->recorded;
    if (then == NULL || (then->action == explanation->decision.action &&
                         strcmp(then->reason, reason_name(explanation->decision.reason)) == 0))
        return;
    (void)fprintf(out,
                  "           the record says %s: %s%s%s; docs/AUDIT.md says what that means\n",
                  action_name(then->action), then->reason, then->rule == NULL ? "" : " ",
                  then->rule == NULL ? "" : then->rule);
}

void explanation_print(const struct explanation *explanation, FILE *out)
{
    const struct target *target = &explanation->question->target;
    const struct decision *decision = &explanation->decision;
    const char *advice = explanation_advice(explanation);
    char host[TARGET_TEXT_CAP];
    (void)fprintf(out, "target     %s port %u\n", target_format_host(target, host), target->port);
    print_client(explanation, out);
    if (explanation->is_routed)
        (void)fprintf(out, "route      the name inside is the target: %s\n",
                      explanation->target.name.text);
    print_rules(explanation, out);
    print_addresses(explanation, out);
    print_inner(explanation, out);
    print_send_proxy(explanation, out);
    print_via(explanation, out);
    print_asked(explanation, out);
    print_inside(explanation, out);
    print_limits(explanation, out);
    (void)fprintf(out, "answer     %s: %s%s%s%s\n", action_name(decision->action),
                  reason_name(decision->reason), decision->rule == NULL ? "" : " ",
                  decision->rule == NULL ? "" : decision->rule,
                  decision->would_deny ? " (allowed only because the mode is report)" : "");
    print_time(decision, out);
    if (advice != NULL)
        (void)fprintf(out, "           %s\n", advice);
    print_recorded(explanation, out);
}
