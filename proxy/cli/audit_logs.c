// What the verbs of `sallyport audit` share: a command line that ends in logs, and the way through them.
#include "proxy/cli/audit_logs.h"

#include <stdlib.h>

#include "proxy/history/log_order.h"

struct cli_line audit_read(const char *verb, const char *usage_of_verb,
                           const struct cli_option *options, int argc, char **argv)
{
    const struct cli_syntax syntax = {.command = verb,
                                      .usage = usage_of_verb,
                                      .options = options,
                                      .argument_missing = "which log? name at least one file",
                                      .argument_max = CLI_ANY_NUMBER};
    return cli_read(&syntax, argc, argv);
}

// read_ts gives the time of a record.
static void read_ts(struct log_contents *contents, struct slice line)
{
    struct history_entry entry;
    struct errinfo info;
    if (history_entry_read(line, &entry, &info) != ERR_OK)
        return;
    const char *ts = history_text(entry.root, "ts");
    if (ts != NULL)
        (void)string_copy(contents->ts, sizeof contents->ts, slice_of_string(ts));
    history_entry_deinit(&entry);
}

static void on_bytes(void *arg, size_t number, struct slice bytes)
{
    struct log_contents *contents = arg;
    (void)number;
    if (bytes.len == 0 || bytes.len > HISTORY_LINE_MAX)
        return;
    if (contents->ts[0] ==
        '\0') // whatever stands before the first record, which others can have put there
        read_ts(contents, bytes);
    log_contents_take(contents, bytes);
}

// scan_logs looks at all of them; false when one cannot be read, or must not be read twice.
static bool scan_logs(const struct cli_line *line, struct log_contents *contents)
{
    struct errinfo info;
    for (int i = 0; i < line->argument_count; i++) {
        if (strcmp(line->arguments[i], "-") == 0 ||
            log_file_scan(line->arguments[i], on_bytes, &contents[i], &info) != ERR_OK)
            return false;
    }
    return true;
}

void audit_sort_logs(const struct cli_line *line)
{
    const size_t count = (size_t)line->argument_count;
    if (count < 2)
        return;
    struct log_contents *contents = calloc(count, sizeof *contents);
    size_t *order = calloc(count, sizeof *order);
    char **sorted = calloc(count, sizeof *sorted);
    const bool can_sort = contents != NULL && order != NULL && sorted != NULL &&
                          scan_logs(line, contents) && log_order_find(contents, count, order);
    for (size_t i = 0; i < count && can_sort; i++)
        sorted[i] = line->arguments[order[i]];
    for (size_t i = 0; i < count && can_sort; i++)
        line->arguments[i] = sorted[i];
    free(contents);
    free(order);
    free(sorted);
}

int audit_read_logs(const char *verb, const struct cli_line *line, log_line_fn on_line, void *arg)
{
    for (int i = 0; i < line->argument_count; i++) {
        struct errinfo info = {0};
        if (log_file_read(line->arguments[i], on_line, arg, &info) == ERR_OK)
            continue;
        cli_say(verb, "%s", info.text);
        return CLI_UNLOADABLE;
    }
    return CLI_OK;
}
