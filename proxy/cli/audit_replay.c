// `sallyport audit replay`: asks a configuration's policy about every request that a log has kept, and lists what
// would come out otherwise: like ones together, the most frequent first.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "proxy/cli/audit_logs.h"
#include "proxy/cli/audit_verbs.h"
#include "proxy/cli/configuration.h"
#include "proxy/config/snapshot.h"
#include "proxy/history/replay.h"

static const char usage[] =
    "usage: sallyport audit replay --config FILE [--each] [--strict] [--json] LOG...\n"
    "\n"
    "Lists the decisions in the logs whose outcome the policy of FILE would change: before and after, how often, and\n"
    "an example's id. The same code decides as in the proxy, with the addresses that DNS gave then. Certificates,\n"
    "limits and DNS are not checked again. If the target was denied before DNS, and would not be now, the addresses\n"
    "decide: that is `allow?`. A decision with the same outcome but another client, reason, rule\n"
    "or mode is counted; --strict lists it too.\n"
    "\n"
    "  -c, --config FILE   the configuration to try; it need not be the one in force\n"
    "  --each              every request on a separate line\n"
    "  --strict            another reason for the same outcome is a change as well\n"
    "  --json              one JSON object a line\n"
    "  -h, --help          this text\n"
    "\n"
    "Exit status: 0 no outcome would change, 1 one would, 2 usage, 3 the configuration or a log cannot be read.\n";

enum { VERDICT_CAP = 256, KEY_CAP = 1024 };

struct replay_run {
    const char *config;
    bool is_json;
    bool is_each;
    bool is_strict;
    bool has_failed;
    struct snapshot *snapshot; // owned
    json_t *groups;            // owned; key -> the object that is printed
    uint64_t decisions;
    uint64_t changed;   // outcomes
    uint64_t explained; // the same outcomes for another reason
    uint64_t skipped;
    uint64_t unreadable; // lines
};

static const char *text_or(const char *text, const char *other)
{
    return text == NULL ? other : text;
}

// verdict_format writes `allow (search)` or `deny (no_rule)`.
static void verdict_format(const char *action, const char *reason, const char *rule,
                           bool would_deny, char out[VERDICT_CAP])
{
    (void)snprintf(out, VERDICT_CAP, "%s (%s)", action,
                   would_deny ? "mode report, would deny" : text_or(rule, reason));
}

static const char *direction(enum replay_change change, const struct history_decision *past,
                             const struct replay *replay)
{
    if (change == REPLAY_REASON)
        return "reason";
    const bool is_denied = replay->kind == REPLAY_JUDGED && replay->decision.action != ACTION_ALLOW;
    return past->action == ACTION_ALLOW || is_denied ? "stricter" : "wider";
}

static json_t *describe(const struct history_entry *entry, const struct history_decision *past,
                        const struct replay *replay, enum replay_change change)
{
    char host[TARGET_TEXT_CAP];
    char before[VERDICT_CAP];
    char after[VERDICT_CAP];
    char id[24];
    const bool is_known = replay->kind == REPLAY_JUDGED;
    (void)snprintf(id, sizeof id, "%016" PRIx64, entry->id);
    verdict_format(action_name(past->action), past->reason, past->rule, past->would_deny, before);
    verdict_format(is_known ? action_name(replay->decision.action) : "allow?",
                   is_known ? reason_name(replay->decision.reason) : "its addresses decide",
                   replay->decision.rule, replay->decision.would_deny, after);
    return json_pack(
        "{s:s,s:s,s:i,s:s?,s:s?,s:s,s:s,s:s,s:i}", "change", direction(change, past, replay),
        "host", target_format_host(&past->target, host), "port", past->target.port, "client_before",
        past->client, "client_after", replay->client == NULL ? NULL : replay->client->name,
        "before", before, "after", after, "id", id, "count", 1);
}

static const char *member(const json_t *object, const char *name)
{
    return text_or(json_string_value(json_object_get(object, name)), "-");
}

static void print_change(const struct replay_run *run, const json_t *change)
{
    if (run->is_json) {
        (void)json_dumpf(change, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
        (void)putchar('\n');
        return;
    }
    const char *before = member(change, "client_before");
    const char *after = member(change, "client_after");
    const bool is_same = strcmp(before, after) == 0;
    (void)printf("%8" JSON_INTEGER_FORMAT "  %s%s%s  %s:%" JSON_INTEGER_FORMAT
                 "  %s -> %s  (id %s)\n",
                 json_integer_value(json_object_get(change, "count")), before,
                 is_same ? "" : " -> ", is_same ? "" : after, member(change, "host"),
                 json_integer_value(json_object_get(change, "port")), member(change, "before"),
                 member(change, "after"), member(change, "id"));
}

// group counts a change with others like it. It takes the reference.
static bool group(struct replay_run *run, json_t *change)
{
    char key[KEY_CAP];
    (void)snprintf(key, sizeof key, "%s|%s|%s|%" JSON_INTEGER_FORMAT "|%s|%s",
                   member(change, "client_before"), member(change, "client_after"),
                   member(change, "host"), json_integer_value(json_object_get(change, "port")),
                   member(change, "before"), member(change, "after"));
    const json_t *known = json_object_get(run->groups, key);
    if (known == NULL)
        return json_object_set_new(run->groups, key, change) == 0;
    json_t *count = json_object_get(known, "count");
    json_decref(change);
    return json_integer_set(count, json_integer_value(count) + 1) == 0;
}

static void on_decision(struct replay_run *run, const struct history_entry *entry,
                        struct history_decision *past)
{
    struct replay replay;
    replay_decision(run->snapshot->policy, past, &replay);
    run->decisions++;
    run->skipped += replay.kind == REPLAY_SKIPPED;
    const enum replay_change kind = replay_change(&replay, past);
    run->changed += kind == REPLAY_OUTCOME;
    run->explained += kind == REPLAY_REASON;
    if (kind == REPLAY_SAME || (kind == REPLAY_REASON && !run->is_strict))
        return;
    json_t *change = describe(entry, past, &replay, kind);
    if (change == NULL) {
        run->has_failed = true;
    } else if (run->is_each) {
        print_change(run, change);
        json_decref(change);
    } else if (!group(run, change)) {
        run->has_failed = true;
    }
}

static void on_line(void *arg, const struct log_line *line)
{
    struct replay_run *run = arg;
    struct errinfo info = {0};
    struct history_decision past = {0};
    if (line->entry == NULL) {
        run->unreadable += line->is_torn ? 0 : 1;
        cli_say("audit replay", "%s:%zu: %s", line->path, line->number, line->problem);
    } else if (line->entry->event == AUDIT_EVENT_DECISION) {
        if (history_decision_read(line->entry, &past, &info) == ERR_OK) {
            on_decision(run, line->entry, &past);
        } else {
            run->unreadable++;
            cli_say("audit replay", "%s:%zu: %s", line->path, line->number, info.text);
        }
        history_decision_deinit(&past);
    }
}

static int compare_counts(const void *a, const void *b)
{
    const json_int_t left = json_integer_value(json_object_get(*(json_t *const *)a, "count"));
    const json_int_t right = json_integer_value(json_object_get(*(json_t *const *)b, "count"));
    return (left < right) - (left > right);
}

static bool print_groups(const struct replay_run *run)
{
    const char *key = NULL;
    json_t *value = NULL;
    size_t count = 0;
    json_t **changes = calloc(json_object_size(run->groups) + 1, sizeof(json_t *));
    if (changes == NULL)
        return false;
    json_object_foreach(run->groups, key, value) changes[count++] = value;
    qsort(changes, count, sizeof(json_t *), compare_counts);
    for (size_t i = 0; i < count; i++)
        print_change(run, changes[i]);
    free(changes);
    return true;
}

static int finish(struct replay_run *run)
{
    if (run->has_failed || !print_groups(run)) {
        cli_say("audit replay", "no memory");
        return CLI_UNLOADABLE;
    }
    // The sums are talk: with --json, and in a pipe, stdout holds the changes alone.
    (void)fprintf(stderr,
                  "%" PRIu64 " decisions: %" PRIu64 " would change, %" PRIu64
                  " would stay for another reason%s, %" PRIu64
                  " were not the policy's to make, %" PRIu64 " lines could not be read\n",
                  run->decisions, run->changed, run->explained,
                  run->explained > 0 && !run->is_strict ? " (--strict lists them)" : "",
                  run->skipped, run->unreadable);
    if (cli_finish("audit replay") != CLI_OK)
        return CLI_FAILED;
    if (run->unreadable > 0)
        return CLI_UNLOADABLE;
    return run->changed == 0 && (run->explained == 0 || !run->is_strict) ? CLI_OK : CLI_FAILED;
}

static int replay_logs(struct replay_run *run, const struct cli_line *line)
{
    int status = cli_load_snapshot("audit replay", run->config, SEVERITY_ERROR, &run->snapshot);
    if (status != CLI_OK)
        return status;
    run->groups = json_object();
    run->has_failed = run->groups == NULL;
    status = audit_read_logs("audit replay", line, on_line, run);
    return status == CLI_OK ? finish(run) : status;
}

int audit_replay(int argc, char **argv)
{
    struct replay_run run = {0};
    const struct cli_option options[] = {
        {"config", .letter = 'c', .text = &run.config},
        {"each", .flag = &run.is_each},
        {"strict", .flag = &run.is_strict},
        {"json", .flag = &run.is_json},
        {.name = NULL},
    };
    const struct cli_line line = audit_read("audit replay", usage, options, argc, argv);
    if (line.is_over)
        return line.exit_status;
    if (run.config == NULL)
        return cli_fail_usage("audit replay", "which configuration? -c FILE is required");
    const int status = replay_logs(&run, &line);
    json_decref(run.groups);
    snapshot_unref(run.snapshot);
    return status;
}
