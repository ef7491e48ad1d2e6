// `sallyport audit replay`: asks a configuration's policy about every request that a log has kept, and lists what
// would come out otherwise: like ones together, the most frequent first.
#include <inttypes.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/base/array.h"
#include "auth/base/json.h"
#include "proxy/cli/audit_logs.h"
#include "proxy/cli/audit_verbs.h"
#include "proxy/cli/configuration.h"
#include "proxy/config/snapshot.h"
#include "proxy/history/pending.h"

static const char usage[] =
    "usage: sallyport audit replay --config FILE [--each] [--strict] [--json] LOG...\n"
    "\n"
    "Lists the decisions in the logs whose outcome the policy of FILE would change: before and after, how often, and\n"
    "an example's id. The same code decides as in the proxy, with the addresses that DNS gave then. Certificates,\n"
    "limits and DNS are not checked again. If the target was denied before DNS, and would not be now, the addresses\n"
    "decide: that is `allow?`. A decision with the same outcome but another client, reason, rule,\n"
    "mode or way (`via`) is counted; --strict lists it too.\n"
    "\n"
    "A tunnel that `inner` of FILE would end is `end (inner_mismatch)`: its `close` says what it carried, if `inner`\n"
    "was at least `observe` then. Tunnels of which it is not known are counted.\n"
    "\n"
    "  -c, --config FILE   the configuration to try; it need not be the one in force\n"
    "  --each              every request on a separate line\n"
    "  --strict            another reason for the same outcome is a change as well\n"
    "  --json              one JSON object a line\n"
    "  -h, --help          this text\n"
    "\n"
    "Exit status: 0 no outcome would change, 1 one would, 2 usage, 3 the configuration or a log cannot be read.\n";

enum {
    VERDICT_CAP = 256 + VIA_TEXT_CAP,
    CHANGE_CAP = 16 * 1024, // bytes; a name or a verdict takes six for each of its bytes at most
};

// change is one line of what is printed, and how many requests it is about.
struct change {
    char *text;  // without id and count, in the form that was asked for
    uint64_t id; // of the first one
    uint64_t count;
};

struct replay_run {
    const char *config;
    bool is_json;
    bool is_each;
    bool is_strict;
    bool has_failed;
    struct snapshot *snapshot; // owned
    void *tree;                // owned: of tsearch(3), by text; owns the changes
    struct change **changes;   // owned; the same, in the order of the log
    size_t change_count;
    size_t change_cap;
    uint64_t decisions;
    uint64_t changed;   // outcomes
    uint64_t explained; // the same outcomes for another reason
    uint64_t skipped;
    uint64_t unseen;     // tunnels that the policy would hold, of which too little is known
    uint64_t unreadable; // lines
    struct pending pending;
};

// answered is one request, all that is known of it.
struct answered {
    uint64_t id;
    const struct history_decision *past;
    const struct history_close *close; // NULL: none
    const struct replay *replay;
    enum replay_change change;
};

static const char *text_or(const char *text, const char *other)
{
    return text == NULL ? other : text;
}

// verdict_format writes `allow (search)`, `allow (search, via paris)` or `deny (no_rule)`.
static void verdict_format(const char *action, const char *reason, const char *rule,
                           const char *via, bool would_deny, char out[VERDICT_CAP])
{
    (void)snprintf(out, VERDICT_CAP, "%s (%s%s%s)", action,
                   would_deny ? "mode report, would deny" : text_or(rule, reason),
                   via[0] == '\0' ? "" : ", via ", via);
}

// ended_then gives the inner_* reason for which the tunnel ended, or NULL.
static const char *ended_then(const struct history_close *close)
{
    return close == NULL ? NULL : close->ended;
}

static const char *direction(const struct answered *answered)
{
    const struct replay *replay = answered->replay;
    if (answered->change == REPLAY_REASON)
        return "reason";
    const bool was_open =
        answered->past->action == ACTION_ALLOW && ended_then(answered->close) == NULL;
    const bool is_closed = replay->kind == REPLAY_JUDGED && !replay_is_open(replay);
    return was_open || is_closed ? "stricter" : "wider";
}

// format_before and format_after write what came of it, then and now: `end (inner_mismatch)` where a tunnel ends.
static void format_before(const struct answered *answered, char out[VERDICT_CAP])
{
    const struct history_decision *past = answered->past;
    const char *ended = ended_then(answered->close);
    if (past->action == ACTION_ALLOW && ended != NULL)
        verdict_format("end", ended, NULL, "", false, out);
    else
        verdict_format(action_name(past->action), past->reason, past->rule, past->via,
                       past->would_deny, out);
}

static void format_after(const struct answered *answered, char out[VERDICT_CAP])
{
    const struct replay *replay = answered->replay;
    const struct decision *decision = &replay->decision;
    char via[VIA_TEXT_CAP];
    if (replay->kind != REPLAY_JUDGED)
        verdict_format("allow?",
                       answered->past->is_passed_on ? "whose request it was decides"
                                                    : "its addresses decide",
                       NULL, "", false, out);
    else if (replay->ended != REASON_NONE)
        verdict_format("end", reason_name(replay->ended), NULL, "", false, out);
    else
        verdict_format(action_name(decision->action), reason_name(decision->reason), decision->rule,
                       via_format(decision->action == ACTION_ALLOW ? decision->via : NULL, via),
                       decision->would_deny, out);
}

// inside_format gives the name that the tunnel carried; NULL: none is known.
static const char *inside_format(const struct history_close *close, char out[TARGET_TEXT_CAP])
{
    if (close == NULL || !close->has_inner)
        return NULL;
    if (close->inner.hello.naming == CLIENT_HELLO_NAMED)
        return close->inner.hello.name.text;
    return close->inner.has_host ? target_format_host(&close->inner.host, out) : NULL;
}

// describe writes a change's text. All accounts of one client are one: the change is one of its entry.
static void describe(const struct replay_run *run, const struct answered *answered,
                     char out[CHANGE_CAP])
{
    const struct history_decision *past = answered->past;
    const struct replay *replay = answered->replay;
    char host[TARGET_TEXT_CAP];
    char inside_data[TARGET_TEXT_CAP];
    char before[VERDICT_CAP];
    char after[VERDICT_CAP];
    struct text text;
    char client[VERDICT_CAP];
    const char *client_now = replay->client == NULL ? NULL : replay->client->name;
    const char *inside = inside_format(answered->close, inside_data);
    const struct target *asked = past->has_asked ? &past->asked : &past->target;
    (void)snprintf(client, sizeof client, "%s",
                   text_or(past->client.entry, text_or(past->client.name, "-")));
    format_before(answered, before);
    format_after(answered, after);
    (void)target_format_host(asked, host);
    text_init(&text, out, CHANGE_CAP);
    if (!run->is_json) {
        const bool is_same = strcmp(client, text_or(client_now, "-")) == 0;
        text_append_format(&text, "%s%s%s  %s:%u", client, is_same ? "" : " -> ",
                           is_same ? "" : text_or(client_now, "-"), host, asked->port);
        if (inside != NULL && strcmp(inside, host) != 0)
            text_append_format(&text, " (inside: %s)", inside);
        text_append_format(&text, "  %s -> %s", before, after);
        return;
    }
    json_begin_object(&text, NULL);
    json_add_string(&text, "change", direction(answered));
    json_add_string(&text, "host", host);
    json_add_count(&text, "port", asked->port);
    if (inside != NULL)
        json_add_string(&text, "inside", inside);
    json_add_string(&text, "client_before", text_or(past->client.entry, past->client.name));
    json_add_string(&text, "client_after", client_now);
    json_add_string(&text, "before", before);
    json_add_string(&text, "after", after);
}

static void print_change(const struct replay_run *run, const struct change *change)
{
    char id[24];
    char data[CHANGE_CAP];
    struct text text;
    (void)snprintf(id, sizeof id, "%016" PRIx64, change->id);
    if (!run->is_json) {
        (void)printf("%8" PRIu64 "  %s  (id %s)\n", change->count, change->text, id);
        return;
    }
    text_init(&text, data, sizeof data);
    text_append_string(&text, change->text);
    json_add_string(&text, "id", id);
    json_add_count(&text, "count", change->count);
    json_end_object(&text);
    (void)puts(data);
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(((const struct change *)a)->text, ((const struct change *)b)->text);
}

static void free_change(void *node)
{
    struct change *change = node;
    free(change->text);
    free(change);
}

// group counts a change with others like it; false: there is no memory.
static bool group(struct replay_run *run, const struct change *like)
{
    struct change **known = tfind(like, &run->tree, compare_texts);
    if (known != NULL) {
        (*known)->count++;
        return true;
    }
    struct change **changes =
        array_make_room(run->changes, run->change_count, &run->change_cap, sizeof(struct change *));
    if (changes == NULL)
        return false;
    run->changes = changes;
    struct change *change = malloc(sizeof *change);
    if (change == NULL)
        return false;
    *change = (struct change){.text = strdup(like->text), .id = like->id, .count = 1};
    if (change->text == NULL || tsearch(change, &run->tree, compare_texts) == NULL) {
        free_change(change);
        return false;
    }
    run->changes[run->change_count++] = change;
    return true;
}

// count counts a request of which all is known, and lists it if something would change.
static void count(struct replay_run *run, uint64_t id, const struct history_decision *past,
                  const struct history_close *close, const struct replay *replay)
{
    const struct answered answered = {
        .id = id,
        .past = past,
        .close = close,
        .replay = replay,
        .change = replay_change(replay, past, ended_then(close)),
    };
    run->skipped += replay->kind == REPLAY_SKIPPED;
    run->unseen += replay->is_unseen;
    run->changed += answered.change == REPLAY_OUTCOME;
    run->explained += answered.change == REPLAY_REASON;
    if (answered.change == REPLAY_SAME || (answered.change == REPLAY_REASON && !run->is_strict))
        return;
    char text[CHANGE_CAP];
    const struct change change = {.text = text, .id = id, .count = 1};
    describe(run, &answered, text);
    if (run->is_each)
        print_change(run, &change);
    else if (!group(run, &change))
        run->has_failed = true;
}

// end_wait goes on with a request that waits, from its close; NULL: there is none.
static void end_wait(struct replay_run *run, struct pending_request *request,
                     const struct history_close *close)
{
    replay_close(run->snapshot->policy, close, &request->past, &request->replay);
    count(run, request->id, &request->past, close, &request->replay);
    pending_remove(&run->pending, request);
}

static void on_decision(struct replay_run *run, const struct history_entry *entry,
                        struct history_decision *past)
{
    struct replay replay;
    run->decisions++;
    replay_decision(run->snapshot->policy, past, &replay);
    if (replay.needs_close && run->pending.count == PENDING_MAX)
        end_wait(run, run->pending.oldest, NULL);
    const enum err error =
        replay.needs_close ? pending_add(&run->pending, entry->id, past, &replay) : ERR_INPUT;
    if (error == ERR_OK)
        return;
    run->has_failed |= error == ERR_MEMORY;
    if (replay.needs_close)
        replay_close(run->snapshot->policy, NULL, past, &replay);
    count(run, entry->id, past, NULL, &replay);
}

static void on_close(struct replay_run *run, const struct history_entry *entry)
{
    struct history_close close;
    struct pending_request *request = pending_find(&run->pending, entry->id);
    if (request == NULL)
        return;
    history_close_read(entry, &close);
    end_wait(run, request, &close);
}

static void on_line(void *arg, const struct log_line *line)
{
    struct replay_run *run = arg;
    if (line->problem != NULL) {
        run->unreadable += line->is_torn ? 0 : 1;
        cli_say("audit replay", "%s:%zu: %s", line->path, line->number, line->problem);
    } else if (line->decision != NULL) {
        on_decision(run, line->entry, line->decision);
    } else if (line->entry->event == AUDIT_EVENT_CLOSE) {
        on_close(run, line->entry);
    }
}

static int compare_counts(const void *a, const void *b)
{
    const uint64_t left = (*(struct change *const *)a)->count;
    const uint64_t right = (*(struct change *const *)b)->count;
    return (left < right) - (left > right);
}

static void print_groups(const struct replay_run *run)
{
    if (run->change_count > 0)
        qsort(run->changes, run->change_count, sizeof(struct change *), compare_counts);
    for (size_t i = 0; i < run->change_count; i++)
        print_change(run, run->changes[i]);
}

static int finish(struct replay_run *run)
{
    while (run->pending.oldest != NULL)
        end_wait(run, run->pending.oldest, NULL);
    if (run->has_failed) {
        cli_say("audit replay", "no memory");
        return CLI_UNLOADABLE;
    }
    print_groups(run);
    // The sums are talk: with --json, and in a pipe, stdout holds the changes alone.
    (void)fprintf(stderr,
                  "%" PRIu64 " decisions: %" PRIu64 " would change, %" PRIu64
                  " would stay for another reason%s, %" PRIu64
                  " were not the policy's to make, %" PRIu64 " lines could not be read\n",
                  run->decisions, run->changed, run->explained,
                  run->explained > 0 && !run->is_strict ? " (--strict lists them)" : "",
                  run->skipped, run->unreadable);
    if (run->unseen > 0)
        (void)fprintf(
            stderr,
            "unknown: `inner` would judge %" PRIu64
            " tunnels more, and the log does not say enough of what they carried, or where its name leads; "
            "`inner: {tls: observe}` records it\n",
            run->unseen);
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
    while (run.pending.oldest != NULL) // a log that cannot be read to its end
        pending_remove(&run.pending, run.pending.oldest);
    tdestroy(run.tree, free_change);
    free(run.changes);
    snapshot_unref(run.snapshot);
    return status;
}
