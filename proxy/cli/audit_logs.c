// What the verbs of `sallyport audit` share: a command line that ends in logs, and the way through them.
#include "proxy/cli/audit_logs.h"

#include <stdlib.h>

#include "proxy/chain/seal.h"

enum { PEEKED_LINES = 64, TS_CAP = 32 };

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

// log_begin is where a log begins.
struct log_begin {
    char *path; // borrowed from argv
    size_t place;
    char ts[TS_CAP]; // of its first record; "": none can be read
    bool has_seal;
    struct seal seal; // of the first line with one
};

static void on_first_lines(void *arg, const struct log_line *line)
{
    struct log_begin *begin = arg;
    const char *ts = line->entry == NULL ? NULL : history_text(line->entry->root, "ts");
    if (begin->ts[0] == '\0' && ts != NULL)
        (void)string_copy(begin->ts, sizeof begin->ts, slice_of_string(ts));
    if (!begin->has_seal)
        begin->has_seal = seal_parse(line->bytes, &begin->seal);
}

// compare_begins: numbers of one instance are exact; the times of records may be a little out of order.
static int compare_begins(const void *a, const void *b)
{
    const struct log_begin *left = a;
    const struct log_begin *right = b;
    if (left->has_seal && right->has_seal && left->seal.instance == right->seal.instance &&
        left->seal.seq != right->seal.seq)
        return left->seal.seq < right->seal.seq ? -1 : 1;
    const int order = strcmp(left->ts, right->ts);
    return order != 0 ? order : (left->place > right->place) - (left->place < right->place);
}

void audit_sort_logs(const struct cli_line *line)
{
    const size_t count = (size_t)line->argument_count;
    struct log_begin *begins = calloc(count, sizeof *begins);
    struct errinfo info;
    bool can_sort = begins != NULL;
    for (size_t i = 0; i < count && can_sort; i++) {
        begins[i].path = line->arguments[i];
        begins[i].place = i;
        can_sort = strcmp(begins[i].path, "-") != 0 &&
                   log_file_peek(begins[i].path, PEEKED_LINES, on_first_lines, &begins[i], &info) ==
                       ERR_OK;
    }
    if (can_sort)
        qsort(begins, count, sizeof *begins, compare_begins);
    for (size_t i = 0; i < count && can_sort; i++)
        line->arguments[i] = begins[i].path;
    free(begins);
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
