// `sallyport audit suggest`: the rules that a client would need for what it did, as YAML to paste.
#include <stdio.h>

#include "auth/base/json.h"
#include "proxy/cli/audit_logs.h"
#include "proxy/cli/audit_verbs.h"
#include "proxy/history/suggestion.h"

static const char usage[] =
    "usage: sallyport audit suggest --client NAME [--denied] [--json] LOG...\n"
    "\n"
    "Writes the smallest `allow` for what the client NAME was allowed to do, in mode `report` too: names, ports and,\n"
    "where they were private, addresses; no wildcards, no ranges. Read it before you use it: what was done is not\n"
    "always what should be.\n"
    "\n"
    "Where `inner` was at least `observe`, rules whose tunnels all carried TLS with the right name have\n"
    "`inner: {tls: require}`. A name that was inside and that no rule allows is a comment: you decide.\n"
    "\n"
    "  --client NAME   as in the configuration; or one account of a client that is named from certificates\n"
    "  --denied        also what was denied because no rule allowed it\n"
    "  --json          one JSON object\n"
    "  -h, --help      this text\n"
    "\n"
    "Exit status: 0 there are rules, 1 nothing was seen of this client, 2 usage, 3 a log cannot be read.\n";

struct suggest_run {
    bool is_json;
    size_t unreadable; // lines
    struct suggestion suggestion;
};

static void on_line(void *arg, const struct log_line *line)
{
    struct suggest_run *run = arg;
    if (line->problem == NULL) {
        suggestion_add(&run->suggestion, line->entry, line->decision);
        return;
    }
    run->unreadable += line->is_torn ? 0 : 1;
    cli_say("audit suggest", "%s:%zu: %s", line->path, line->number, line->problem);
}

// list is one of a rule's lists, in the order of YAML.
enum list { LIST_HOSTS, LIST_PORTS, LIST_ADDRESSES, LIST_SPECIAL };

static const char *const LIST_NAMES[] = {"hosts", "ports", "addresses", "special"};

// place is a place in a list of a rule.
struct place {
    const struct suggested *target; // the rule; NULL: at the end
    size_t index;
};

// next_word gives the word at a place, and goes on; NULL at the end.
static const char *next_word(struct place *place, enum list list)
{
    while (place->target != NULL) {
        const struct suggested *target = place->target;
        const struct words *words = list == LIST_PORTS ? &target->ports : &target->addresses;
        const size_t count = list == LIST_HOSTS ? !target->is_address : words->count;
        while (place->index < count) {
            const size_t index = place->index++;
            if (list == LIST_HOSTS)
                return target->host;
            if (list == LIST_PORTS)
                return words->items[index].text + strspn(words->items[index].text, "0");
            if (list == LIST_ADDRESSES || words->items[index].is_special)
                return words->items[index].text;
        }
        *place = (struct place){.target = list == LIST_PORTS ? NULL : target->next};
    }
    return NULL;
}

// print_rule writes YAML. No word has a character that YAML minds.
static void print_rule(const struct suggested *rule)
{
    const char *separator = "";
    (void)printf("  - {");
    for (enum list list = LIST_HOSTS; list < LIST_SPECIAL; list++) {
        const char *quote = list == LIST_PORTS ? "" : "\"";
        const char *word = NULL;
        struct place place = {.target = rule};
        size_t count = 0;
        while ((word = next_word(&place, list)) != NULL) {
            if (count++ == 0)
                (void)printf("%s%s: [", separator, LIST_NAMES[list]);
            (void)printf("%s%s%s%s", count == 1 ? "" : ", ", quote, word, quote);
        }
        if (count > 0)
            (void)putchar(']');
        separator = count > 0 ? ", " : separator;
    }
    if (rule->via[0] != '\0')
        (void)printf("%svia: [%s]", separator, rule->via);
    if (rule->asks)
        (void)printf("%sask: true", separator);
    if (rule->inner != SUGGESTED_NOTHING)
        (void)printf("%sinner: {tls: require%s}", separator,
                     rule->inner == SUGGESTED_LISTED ? ", names: listed" : "");
    struct place special = {.target = rule};
    (void)printf("} # %zu%s\n", rule->requests,
                 next_word(&special, LIST_SPECIAL) == NULL
                     ? ""
                     : ", special addresses: leave them out unless they are intended");
}

// unseen counts the tunnels into which nobody has looked.
static size_t unseen(const struct suggestion *seen)
{
    size_t sum = 0;
    for (size_t i = 0; i < seen->count; i++) {
        for (const struct suggested *target = seen->targets[i]; target != NULL;
             target = target->next)
            sum += target->tunnels - target->seen;
    }
    return sum;
}

// print_questions writes as comments what `tls: require` would end, and what nobody but a person can decide.
static void print_questions(const struct suggestion *seen)
{
    for (size_t i = 0; i < seen->carried_count; i++) {
        const struct carried *carried = seen->carried[i];
        if (!carried->is_listed)
            (void)printf(
                "# ? %s:%u carried `%s` (%zu), which no rule here allows. If it is meant, add the name to a "
                "rule, and `inner: {tls: require, names: listed}` to that of %s; otherwise `{tls: require}` ends such tunnels\n",
                carried->asked->host, carried->name.port, carried->name.name.text, carried->tunnels,
                carried->asked->host);
    }
    for (size_t i = 0; i < seen->count; i++) {
        for (const struct suggested *target = seen->targets[i]; target != NULL;
             target = target->next) {
            const size_t others = target->seen - target->same - target->named;
            if (others > 0)
                (void)printf(
                    "# ? %s carried no TLS with a server name in %zu tunnels: `tls: require` "
                    "ends them, and a rule with `inner: {tls: any}` does not\n",
                    target->host, others);
        }
    }
}

static void print_yaml(const struct suggestion *seen)
{
    (void)printf("# client %s: %zu requests, of which %zu are covered\n", seen->client,
                 seen->requests, seen->allowed);
    if (seen->unresolved > 0)
        (void)printf(
            "# %zu more were denied before DNS: the rules let them pass at ordinary addresses only\n",
            seen->unresolved);
    if (seen->unreachable > 0)
        (void)printf(
            "# %zu were denied and lead to special ranges (private, loopback, ...) only: a rule for them "
            "names the addresses\n",
            seen->unreachable);
    if (seen->denied > 0)
        (void)printf("# not covered, because denied or failed: %zu%s\n", seen->denied,
                     seen->takes_denied ? "" : "; --denied adds those that no rule allowed");
    const size_t blind = unseen(seen);
    if (blind > 0)
        (void)printf(
            "# nobody looked into %zu tunnels: `inner: {tls: observe}` of the client records "
            "which names they carry\n",
            blind);
    if (seen->routes)
        (void)printf(
            "# it asks for addresses: `hosts` has the names inside its tunnels, and `route: name` "
            "goes by them. Look at each\n"
            "inner: {route: name}\n");
    (void)printf("allow:\n");
    for (size_t i = 0; i < seen->count; i++)
        print_rule(seen->targets[i]);
    print_questions(seen);
}

static void add_list(const struct suggested *rule, enum list list, struct text *out)
{
    const char *word = NULL;
    struct place place = {.target = rule};
    size_t count = 0;
    while ((word = next_word(&place, list)) != NULL) {
        if (count++ == 0)
            json_begin_array(out, LIST_NAMES[list]);
        if (list == LIST_PORTS)
            json_add_raw(out, NULL, slice_of_string(word));
        else
            json_add_string(out, NULL, word);
    }
    if (count > 0)
        json_end_array(out);
}

static void add_inner(enum suggested_inner inner, struct text *out)
{
    if (inner == SUGGESTED_NOTHING)
        return;
    json_begin_object(out, "inner");
    json_add_string(out, "tls", "require");
    if (inner == SUGGESTED_LISTED)
        json_add_string(out, "names", "listed");
    json_end_object(out);
}

// add_conditions adds what the rule asks of its requests and tunnels.
static void add_conditions(const struct suggested *rule, struct text *out)
{
    struct slice rest = slice_of_string(rule->via);
    if (rest.len > 0)
        json_begin_array(out, "via");
    while (rest.len > 0) { // names, with a comma and a blank between two
        const size_t len = slice_find(rest, ',');
        json_add_bytes(out, NULL, slice_first(rest, len), len);
        rest = slice_from(rest, len + 2 > rest.len ? rest.len : len + 2);
    }
    if (rule->via[0] != '\0')
        json_end_array(out);
    if (rule->asks)
        json_add_bool(out, "ask", true);
    add_inner(rule->inner, out);
}

static void add_questions(const struct suggestion *seen, struct text *out)
{
    json_begin_array(out, "questions");
    for (size_t i = 0; i < seen->carried_count; i++) {
        const struct carried *carried = seen->carried[i];
        if (carried->is_listed)
            continue;
        json_begin_object(out, NULL);
        json_add_string(out, "host", carried->asked->host);
        json_add_count(out, "port", carried->name.port);
        json_add_string(out, "inside", carried->name.name.text);
        json_add_count(out, "tunnels", carried->tunnels);
        json_end_object(out);
    }
    json_end_array(out);
}

static void print_json(const struct suggestion *seen)
{
    struct text out = cli_json_begin();
    json_add_string(&out, "client", seen->client);
    json_add_count(&out, "requests", seen->requests);
    json_add_count(&out, "covered", seen->allowed);
    json_add_count(&out, "unresolved", seen->unresolved);
    json_add_count(&out, "unreachable", seen->unreachable);
    json_add_count(&out, "denied", seen->denied);
    json_add_count(&out, "unseen", unseen(seen));
    if (seen->routes) {
        json_begin_object(&out, "inner");
        json_add_string(&out, "route", "name");
        json_end_object(&out);
    }
    json_begin_array(&out, "allow");
    for (size_t i = 0; i < seen->count; i++) {
        json_begin_object(&out, NULL);
        add_list(seen->targets[i], LIST_PORTS, &out);
        json_add_count(&out, "requests", seen->targets[i]->requests);
        add_list(seen->targets[i], LIST_HOSTS, &out);
        add_list(seen->targets[i], LIST_ADDRESSES, &out);
        add_list(seen->targets[i], LIST_SPECIAL, &out);
        add_conditions(seen->targets[i], &out);
        json_end_object(&out);
    }
    json_end_array(&out);
    add_questions(seen, &out);
    cli_json_end(&out);
}

static int finish(struct suggest_run *run)
{
    struct suggestion *seen = &run->suggestion;
    if (seen->has_failed) {
        cli_say("audit suggest", "no memory");
        return CLI_UNLOADABLE;
    }
    suggestion_join(seen);
    const bool is_empty = seen->count == 0;
    if (run->is_json)
        print_json(seen);
    else if (!is_empty)
        print_yaml(seen);
    if (is_empty)
        cli_say("audit suggest", "there is nothing that client `%s` was allowed to do",
                seen->client);
    if (cli_finish("audit suggest") != CLI_OK || is_empty)
        return CLI_FAILED;
    return run->unreadable > 0 ? CLI_UNLOADABLE : CLI_OK;
}

int audit_suggest(int argc, char **argv)
{
    struct suggest_run run = {0};
    const struct cli_option options[] = {
        {"client", .text = &run.suggestion.client},
        {"denied", .flag = &run.suggestion.takes_denied},
        {"json", .flag = &run.is_json},
        {.name = NULL},
    };
    const struct cli_line line = audit_read("audit suggest", usage, options, argc, argv);
    if (line.is_over)
        return line.exit_status;
    if (run.suggestion.client == NULL)
        return cli_fail_usage("audit suggest", "for whom? --client NAME is required");
    int status = audit_read_logs("audit suggest", &line, on_line, &run);
    if (status == CLI_OK)
        status = finish(&run);
    suggestion_deinit(&run.suggestion);
    return status;
}
