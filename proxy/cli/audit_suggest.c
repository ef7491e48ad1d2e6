// `sallyport audit suggest`: the rules that a client would need for what it did, as YAML to paste.
#include <stdio.h>

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
    "  --client NAME   as in the configuration\n"
    "  --denied        also what was denied because no rule allowed it\n"
    "  --json          one JSON object\n"
    "  -h, --help      this text\n"
    "\n"
    "Exit status: 0 there are rules, 1 nothing was seen of this client, 2 usage, 3 a log cannot be read.\n";

struct suggest_run {
    const char *client;
    bool takes_denied;
    bool is_json;
    size_t unreadable; // lines
    struct suggestion *suggestion;
};

static void on_line(void *arg, const struct log_line *line)
{
    struct suggest_run *run = arg;
    struct errinfo info = {0};
    if (line->entry != NULL && suggestion_add(run->suggestion, line->entry, &info) == ERR_OK)
        return;
    run->unreadable += line->is_torn ? 0 : 1;
    cli_say("audit suggest", "%s:%zu: %s", line->path, line->number,
            line->entry == NULL ? line->problem : info.text);
}

// print_list writes `, hosts: ["a", "b"]`, or nothing.
static void print_list(const json_t *rule, const char *name, const char **separator)
{
    json_t *list = json_object_get(rule, name);
    if (list == NULL)
        return;
    (void)printf("%s%s: ", *separator, name);
    (void)json_dumpf(list, stdout, JSON_ENSURE_ASCII);
    *separator = ", ";
}

// print_yaml relies on JSON's arrays and strings being YAML.
static void print_yaml(const struct suggest_run *run, const json_t *rules)
{
    const struct suggestion_sums sums = suggestion_sums(run->suggestion);
    (void)printf("# client %s: %zu requests, of which %zu are covered\n", run->client,
                 sums.requests, sums.allowed);
    if (sums.unresolved > 0)
        (void)printf(
            "# %zu more were denied before DNS: the rules let them pass at ordinary addresses only\n",
            sums.unresolved);
    if (sums.unreachable > 0)
        (void)printf(
            "# %zu were denied and lead to special ranges (private, loopback, ...) only: a rule for them "
            "names the addresses\n",
            sums.unreachable);
    if (sums.denied > 0)
        (void)printf("# not covered, because denied or failed: %zu%s\n", sums.denied,
                     run->takes_denied ? "" : "; --denied adds those that no rule allowed");
    (void)printf("allow:\n");
    for (size_t i = 0; i < json_array_size(rules); i++) {
        const json_t *rule = json_array_get(rules, i);
        const char *separator = "";
        (void)printf("  - {");
        print_list(rule, "hosts", &separator);
        print_list(rule, "ports", &separator);
        print_list(rule, "addresses", &separator);
        (void)printf("} # %" JSON_INTEGER_FORMAT "%s\n",
                     json_integer_value(json_object_get(rule, "requests")),
                     json_object_get(rule, "special") == NULL
                         ? ""
                         : ", special addresses: leave them out unless they are intended");
    }
}

static bool print_json(const struct suggest_run *run, json_t *rules)
{
    const struct suggestion_sums sums = suggestion_sums(run->suggestion);
    json_t *all =
        json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:O}", "client", run->client, "requests",
                  (json_int_t)sums.requests, "covered", (json_int_t)sums.allowed, "unresolved",
                  (json_int_t)sums.unresolved, "unreachable", (json_int_t)sums.unreachable,
                  "denied", (json_int_t)sums.denied, "allow", rules);
    const bool is_done = all != NULL && json_dumpf(all, stdout, JSON_COMPACT) == 0;
    (void)putchar('\n');
    json_decref(all);
    return is_done;
}

static int finish(const struct suggest_run *run)
{
    json_t *rules = suggestion_rules(run->suggestion);
    if (rules == NULL || (run->is_json && !print_json(run, rules))) {
        json_decref(rules);
        cli_say("audit suggest", "no memory");
        return CLI_UNLOADABLE;
    }
    const bool is_empty = json_array_size(rules) == 0;
    if (!run->is_json && !is_empty)
        print_yaml(run, rules);
    json_decref(rules);
    if (is_empty)
        cli_say("audit suggest", "there is nothing that client `%s` was allowed to do",
                run->client);
    if (cli_finish("audit suggest") != CLI_OK || is_empty)
        return CLI_FAILED;
    return run->unreadable > 0 ? CLI_UNLOADABLE : CLI_OK;
}

int audit_suggest(int argc, char **argv)
{
    struct suggest_run run = {0};
    const struct cli_option options[] = {
        {"client", .text = &run.client},
        {"denied", .flag = &run.takes_denied},
        {"json", .flag = &run.is_json},
        {.name = NULL},
    };
    const struct cli_line line = audit_read("audit suggest", usage, options, argc, argv);
    if (line.is_over)
        return line.exit_status;
    if (run.client == NULL)
        return cli_fail_usage("audit suggest", "for whom? --client NAME is required");
    run.suggestion = suggestion_create(run.client, run.takes_denied);
    if (run.suggestion == NULL) {
        cli_say("audit suggest", "no memory");
        return CLI_UNLOADABLE;
    }
    int status = audit_read_logs("audit suggest", &line, on_line, &run);
    if (status == CLI_OK)
        status = finish(&run);
    suggestion_destroy(run.suggestion);
    return status;
}
