// The answer as a table for people. What needs attention is marked with `!`. It is written into memory first, then line by
// line in the width that there is.
#include "proxy/cli/status.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/base/text.h"
#include "proxy/cli/control_client.h"
#include "proxy/cli/figures.h"
#include "proxy/cli/fleet_view.h"
#include "proxy/cli/terminal.h"
#include "proxy/cli/wrap.h"

enum {
    VALUE_MAX = 4096, // bytes of a value
    COLUMNS_MAX = 100,
    COLUMNS_MIN = 40,
    INDENT = 13, // where values begin
};

static bool is_true(const json_t *object, const char *name)
{
    return json_is_true(json_object_get(object, name));
}

// find finds the value at a path such as `config.id`, which ends before `path_len`; NULL: there is none.
static const json_t *find(const json_t *at, const char *path, size_t path_len)
{
    for (size_t taken = 0; taken < path_len; taken++) {
        const size_t len = slice_find(slice_of(path + taken, path_len - taken), '.');
        at = json_object_getn(at, path + taken, len);
        taken += len;
    }
    return at;
}

static void print_value(FILE *out, const json_t *value)
{
    char data[VALUE_MAX * 4 + 1];
    struct text text;
    if (json_is_string(value)) {
        const struct slice bytes = slice_of_string(json_string_value(value));
        text_init(&text, data, sizeof data);
        text_append_printable(&text,
                              slice_first(bytes, bytes.len < VALUE_MAX ? bytes.len : VALUE_MAX));
        (void)fputs(data, out);
    } else if (json_is_integer(value)) {
        (void)fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    } else if (json_is_null(value)) {
        (void)fputs("null", out);
    }
}

// print_row writes `format`, in which `{path}` stands for a member of `row`.
static void print_row(FILE *out, const json_t *row, const char *format)
{
    for (size_t len = 0; *format != '\0'; format += len) {
        len = strcspn(format, "{");
        (void)fwrite(format, 1, len, out);
        if (format[len] == '\0')
            return;
        format += len + 1;
        len = strcspn(format, "}");
        print_value(out, find(row, format, len));
        len++;
    }
}

// print_list writes a line for each element of a list, with its `warning`, if it has one.
static void print_list(FILE *out, const json_t *root, const char *name, const char *format)
{
    size_t i = 0;
    json_t *row = NULL;
    json_array_foreach(json_object_get(root, name), i, row)
    {
        print_row(out, row, format);
        print_row(out, row,
                  json_is_string(json_object_get(row, "warning")) ? "  ! {warning}\n" : "\n");
    }
}

static void print_reload(FILE *out, const json_t *root)
{
    const json_t *reloads = json_object_get(root, "reloads");
    const json_t *last = json_object_get(reloads, "last");
    if (!json_is_object(last)) {
        (void)fprintf(out, "reloads      none\n");
        return;
    }
    print_row(out, reloads, "reloads      {good} good, {failed} failed; the last one at {last.at}");
    (void)fprintf(out, "%s",
                  is_true(last, "good")      ? ""
                  : is_true(last, "partial") ? "  ! in part"
                                             : "  ! failed");
    print_row(out, reloads, "\n             {last.message}\n");
    if (json_is_string(json_object_get(reloads, "failing_since")))
        print_row(out, reloads,
                  "             ! what is on the disk is refused since {failing_since}\n");
}

// print_ending is print_list for what ends: what has ended has no days left, and its warning says so.
static void print_ending(FILE *out, const json_t *root, const char *name, const char *format)
{
    size_t i = 0;
    json_t *row = NULL;
    json_array_foreach(json_object_get(root, name), i, row)
    {
        print_row(out, row, format);
        if (member_number(row, "days_left") >= 0)
            print_row(out, row, ", {days_left} days left");
        print_row(out, row,
                  json_is_string(json_object_get(row, "warning")) ? "  ! {warning}\n" : "\n");
    }
}

// meaning_of gives what a state of an included file means that is not `good`.
static const char *meaning_of(const char *state)
{
    if (strcmp(state, "contested") == 0)
        return "is in force, but for what another file had first";
    return strcmp(state, "held") == 0 ? "is refused: what it said before is in force"
                                      : "is refused: its clients may do nothing";
}

// print_included tells how many files are included, and which of them are not good.
static void print_included(FILE *out, const json_t *root)
{
    const json_t *list = json_object_get(json_object_get(root, "config"), "included");
    const size_t count = json_array_size(list);
    size_t i = 0;
    json_t *row = NULL;
    const json_t *problem = json_object_get(json_object_get(root, "config"), "included_problem");
    if (count == 0 && !json_is_string(problem))
        return;
    (void)fprintf(out, "included     %zu file%s\n", count, count == 1 ? "" : "s");
    if (json_is_string(problem))
        print_row(out, root, "             ! not all are known: {config.included_problem}\n");
    json_array_foreach(list, i, row)
    {
        const char *state = json_string_value(json_object_get(row, "state"));
        if (state == NULL || strcmp(state, "good") == 0)
            continue;
        print_row(out, row, "             ! {file} ");
        (void)fprintf(out, "%s\n", meaning_of(state));
    }
}

static void print_sandbox(FILE *out, const json_t *root)
{
    const json_t *sandbox = json_object_get(root, "sandbox");
    if (sandbox == NULL) // an older proxy
        return;
    if (json_is_string(json_object_get(sandbox, "missing")))
        print_row(out, sandbox, "sandbox      user {user}; ! {missing}\n");
    else
        print_row(out, sandbox,
                  "sandbox      user {user}; Landlock {landlock}, system calls restricted\n");
}

// print_keys says what the process that holds private keys is, where they are apart.
static void print_keys(FILE *out, const json_t *root)
{
    const json_t *keys = json_object_get(root, "keys");
    const json_t *sandbox = json_object_get(keys, "sandbox");
    const char *place = json_string_value(json_object_get(keys, "place"));
    if (place == NULL || strcmp(place, "apart") != 0 || sandbox == NULL)
        return;
    if (json_is_null(json_object_get(keys, "pid")))
        (void)fputs("keys         apart; ! ", out);
    else
        print_row(out, keys, "keys         apart, in process {pid}; ");
    if (json_is_string(json_object_get(keys, "warning")))
        print_row(out, keys, "{warning}");
    else if (json_is_string(json_object_get(sandbox, "missing")))
        print_row(out, sandbox, "! {missing}");
    else
        print_row(out, sandbox, "Landlock {landlock}, system calls restricted");
    print_row(out, keys,
              member_number(keys, "restarts") > 0 ? "; started again {restarts} times\n" : "\n");
}

static void print_process(FILE *out, const json_t *root)
{
    const long long up_s = member_number(root, "uptime_s");
    print_row(out, root, "sallyport {version}, pid {pid}, {state}");
    if (json_is_string(json_object_get(root, "draining_since")))
        print_row(out, root, " since {draining_since}");
    const bool is_serving = strcmp(member_text(root, "state"), "serving") == 0;
    (void)fprintf(out, "%s%lldd %02lld:%02lld:%02lld%s\n", is_serving ? " for " : "; started ",
                  up_s / 86400, up_s / 3600 % 24, up_s / 60 % 60, up_s % 60,
                  is_serving ? "" : " ago");
    print_list(out, root, "old_processes",
               "old          process {} goes on with what began before an upgrade");
    print_list(
        out, root, "old_behind",
        "             ! process {pid} does not go by this configuration, and so drains: {why}");
    print_row(out, root,
              "config       {config.path} ({config.id}), generation {config.generation}, since "
              "{config.since}\n");
    print_included(out, root);
    print_sandbox(out, root);
    print_keys(out, root);
    print_reload(out, root);
    print_list(out, root, "listeners", "listener     {name} on {address}, trust {trust}");
}

// print_numbers writes `name n, name n, ...` of the member `what`.
static void print_numbers(FILE *out, const json_t *root, const char *what)
{
    const char *name = NULL;
    json_t *value = NULL;
    const char *separator = "";
    (void)fprintf(out, "%-12s", what);
    json_object_foreach(json_object_get(root, what), name, value)
    {
        (void)fprintf(out, "%s %s ", separator, name);
        print_value(out, value);
        separator = ",";
    }
    (void)fprintf(out, "\n");
}

// print_limit writes `name N`, with what it may be where there is a limit; `format` makes a figure of a number.
static void print_limit(FILE *out, const json_t *limits, const char *name, const char *max_name,
                        const char *(*format)(uint64_t number, char figure[FIGURE_CAP]))
{
    const json_t *max = json_object_get(limits, max_name);
    char figure[FIGURE_CAP];
    (void)fprintf(out, " %s %s", name, format((uint64_t)member_number(limits, name), figure));
    if (json_is_integer(max))
        (void)fprintf(out, " of %s", format((uint64_t)json_integer_value(max), figure));
}

static const char *figure_count(uint64_t number, char figure[FIGURE_CAP])
{
    (void)snprintf(figure, FIGURE_CAP, "%" PRIu64, number);
    return figure;
}

static void print_limits(FILE *out, const json_t *root)
{
    const json_t *limits = json_object_get(root, "limits");
    (void)fprintf(out, "%-12s", "limits");
    print_limit(out, limits, "sessions", "sessions_max", figure_count);
    (void)fprintf(out, ",");
    print_limit(out, limits, "tunnels", "tunnels_max", figure_count);
    (void)fprintf(out, ",");
    print_limit(out, limits, "memory", "memory_max", figure_bytes);
    (void)fprintf(out, ", descriptors at most %lld\n", member_number(limits, "descriptors_max"));
}

static void print_all(FILE *out, const json_t *root)
{
    const json_t *audit = json_object_get(root, "audit");
    print_process(out, root);
    print_numbers(out, root, "sessions");
    print_numbers(out, root, "requests");
    print_numbers(out, root, "http2");
    print_numbers(out, root, "counters");
    print_limits(out, root);
    print_list(out, root, "clients", "client       {name}: tunnels {tunnels}, sessions {sessions}");
    if (member_number(root, "clients_not_listed") > 0)
        print_row(out, root, "             and {clients_not_listed} more clients\n");
    if (member_number(root, "sessions_of_no_client") > 0)
        print_row(out, root, "client       (none fits): sessions {sessions_of_no_client}\n");
    print_ending(out, root, "certificates", "certificate  {kind} of {of}: {subject}");
    print_ending(out, root, "crls",
                 "crl          of {of}: {issuer}, number {number}, {entries} entries");
    print_list(
        out, root, "crl_fetches",
        "crl fetched  of {of}: {url}, {fetched} new, {unchanged} unchanged, {failed} failed, "
        "again in {next_in_s} s");
    print_list(out, root, "crl_unlisted",
               "crl          of {of}: ! {url} is named by certificates, and below no `under`");
    print_list(out, root, "parents",
               "parent       {of}: {url} is {state}; checks: {good} good, {failed} failed");
    print_list(out, root, "dns",
               "dns          {server}: {asked} asked, {answered} answered, {failed} failed");
    if (json_is_object(json_object_get(root, "authorizer")))
        print_numbers(out, root, "authorizer");
    print_list(out, root, "blocks", "block        {block} since {since} by uid {uid}");
    if (member_number(root, "blocks_not_listed") > 0)
        print_row(out, root, "             and {blocks_not_listed} more blocks\n");
    if (json_is_string(find(root, "control.problem", sizeof "control.problem" - 1)))
        print_row(out, root,
                  "state        ! blocks hold only until the next restart: {control.problem}\n");
    print_row(out, root, "audit        {audit.path}, {audit.queued} waiting, {audit.lost} lost");
    (void)fprintf(out, "%s%s%s%s\n", is_true(audit, "failing") ? "  ! cannot be written" : "",
                  is_true(audit, "full") && !is_true(audit, "failing") ? "  ! full" : "",
                  member_number(audit, "lost") > 0 ? "  ! records are missing" : "",
                  member_number(audit, "removed") > 0 ? "  ! the file was removed" : "");
    print_list(out, root, "sinks",
               "sink         {sink} ({form}): {queued_bytes} bytes wait, {lost} lost");
}

// print_wrapped prints lines in the width of the terminal, 100 columns at most.
static void print_wrapped(struct slice lines)
{
    const struct terminal terminal = terminal_look();
    const size_t columns = !terminal.is_terminal || terminal.columns > COLUMNS_MAX ? COLUMNS_MAX
                           : terminal.columns < COLUMNS_MIN                        ? COLUMNS_MIN
                                                            : terminal.columns;
    struct text text = cli_text_begin();
    while (lines.len > 0) {
        const size_t len = slice_find(lines, '\n');
        wrap_line(slice_first(lines, len), columns, INDENT, &text);
        lines = slice_from(lines, len + 1);
    }
    text_flush(&text);
}

void status_print(void *arg, const json_t *root)
{
    char *data = NULL;
    size_t len = 0;
    (void)arg;
    FILE *out = open_memstream(&data, &len);
    if (out == NULL) {
        cli_say("status", "no memory");
        return;
    }
    print_all(out, root);
    if (fclose(out) == 0)
        print_wrapped(slice_of(data, len));
    free(data);
    fleet_view_print_part(root);
}

void status_print_top(void *arg, const json_t *root)
{
    const json_t *tunnels = json_object_get(root, "tunnels");
    size_t i = 0;
    json_t *at = NULL;
    FILE *out = stdout;
    (void)arg;
    print_row(out, root, "{open} tunnels open\n");
    if (json_array_size(tunnels) > 0)
        (void)fprintf(out, "%-16s %-16s %15s %15s %8s  %s\n", "ID", "SESSION", "UP", "DOWN",
                      "AGE s", "CLIENT -> TARGET");
    json_array_foreach(tunnels, i, at)
    {
        const json_t *bytes = json_object_get(at, "bytes");
        (void)fprintf(out, "%-16s %-16s %15lld %15lld %8lld  ", member_text(at, "id"),
                      member_text(at, "session"), member_number(bytes, "up"),
                      member_number(bytes, "down"), member_number(at, "age_ms") / 1000);
        print_row(out, at, "{client} ({source}) -> {host}:{port} ({upstream})\n");
    }
}
