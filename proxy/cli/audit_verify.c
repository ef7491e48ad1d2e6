// `sallyport audit verify`: is every line a record, is no id there twice, has every decision its close? Nothing ties
// one record to the next: what was cut out whole leaves no trace, and that is said.
//
// Ids are kept as numbers and compared at the end, so that a log of any order and length can be looked at: 24
// bytes a record.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/base/array.h"
#include "auth/base/json.h"
#include "proxy/cli/audit_logs.h"
#include "proxy/cli/audit_verbs.h"

static const char usage[] =
    "usage: sallyport audit verify [--json] LOG...\n"
    "\n"
    "Says what is wrong with audit logs: lines that are not records, duplicate ids, a close without its\n"
    "decision, a decision that comes after its close, records that the proxy says it has lost. Reported, but not\n"
    "faults: decisions without a close (their tunnels may still be open, or the proxy was killed), and a torn line,\n"
    "the beginning of a record, as a kill or a power cut leaves it.\n"
    "\n"
    "It cannot tell whether something was removed or changed by hand: a decision together with its close, the\n"
    "beginning or the end of a log, a word in a record. Nothing in the log shows that.\n"
    "\n"
    "  --json       one JSON object\n"
    "  -h, --help   this text\n"
    "\n"
    "Exit status: 0 nothing is wrong, 1 something is, 2 usage, 3 a log cannot be read.\n";

enum { SHOWN_MAX = 100 };

// seen is one decision or close: which, and where it stood.
struct seen {
    uint64_t id;
    uint64_t order; // of the line, over all files
    bool is_close;
};

struct verify {
    bool is_json;
    bool has_no_memory;
    uint64_t line_count;
    uint64_t records;
    uint64_t refused; // handshakes, by count
    uint64_t counted; // requests that have no records of their own
    uint64_t lost;
    uint64_t torn; // lines
    uint64_t problems;
    uint64_t decisions;
    uint64_t closes;
    uint64_t open;     // decisions without a close
    struct seen *seen; // owned
    size_t count;
    size_t cap;
};

static void problem(struct verify *verify, const char *format, ...) PRINTF_LIKE(2, 3);

static void problem(struct verify *verify, const char *format, ...)
{
    if (verify->problems++ >= SHOWN_MAX)
        return;
    va_list args;
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
}

static void add(struct verify *verify, uint64_t id, bool is_close)
{
    ++*(is_close ? &verify->closes : &verify->decisions);
    struct seen *seen = array_make_room(verify->seen, verify->count, &verify->cap, sizeof *seen);
    if (seen == NULL) {
        verify->has_no_memory = true;
        return;
    }
    verify->seen = seen;
    verify->seen[verify->count++] =
        (struct seen){.id = id, .order = verify->line_count, .is_close = is_close};
}

static uint64_t count_of(const struct history_entry *entry)
{
    const json_int_t count = json_integer_value(json_object_get(entry->root, "count"));
    return count < 0 ? 0 : (uint64_t)count;
}

static void on_entry(struct verify *verify, const struct log_line *line)
{
    const struct history_entry *entry = line->entry;
    verify->records++;
    switch (entry->event) {
    case AUDIT_EVENT_DECISION:
        add(verify, entry->id, false);
        return;
    case AUDIT_EVENT_CLOSE:
        add(verify, entry->id, true);
        return;
    case AUDIT_EVENT_HANDSHAKE_REFUSED:
        verify->refused += count_of(entry);
        return;
    case AUDIT_EVENT_REQUESTS_REFUSED:
        verify->counted += count_of(entry);
        return;
    case AUDIT_EVENT_RECORDS_LOST:
        verify->lost += count_of(entry);
        problem(verify, "%s:%zu: %" PRIu64 " records were lost", line->path, line->number,
                count_of(entry));
        return;
    case AUDIT_EVENT_ADMIN:
    case AUDIT_EVENT_OTHER:
        return;
    }
}

static void on_line(void *arg, const struct log_line *line)
{
    struct verify *verify = arg;
    verify->line_count++;
    if (line->entry != NULL)
        on_entry(verify, line);
    verify->torn += line->is_torn;
    if (line->is_torn)
        (void)fprintf(stderr, "%s:%zu: %s\n", line->path, line->number, line->problem);
    else if (line->problem != NULL)
        problem(verify, "%s:%zu: %s", line->path, line->number, line->problem);
}

// compare sorts by id; of one id the decisions stand before the closes.
static int compare(const void *a, const void *b)
{
    const struct seen *left = a;
    const struct seen *right = b;
    if (left->id != right->id)
        return left->id < right->id ? -1 : 1;
    if (left->is_close != right->is_close)
        return left->is_close ? 1 : -1;
    return (left->order > right->order) - (left->order < right->order);
}

// join_one looks at what has one id, `decisions` of them and then `closes`.
static void join_one(struct verify *verify, const struct seen *first, size_t decisions,
                     size_t closes)
{
    const uint64_t id = first->id;
    for (size_t i = 1; i < decisions; i++)
        problem(verify, "id %016" PRIx64 ": there is more than one decision", id);
    for (size_t i = 1; i < closes; i++)
        problem(verify, "id %016" PRIx64 ": there is more than one close", id);
    for (size_t i = decisions; i < closes; i++)
        problem(verify, "id %016" PRIx64 ": a close without a decision", id);
    for (size_t i = 0; i < decisions && i < closes; i++) {
        if (first[decisions + i].order < first[i].order)
            problem(verify, "id %016" PRIx64 ": the close comes before the decision", id);
    }
    verify->open += decisions > closes ? decisions - closes : 0;
}

// join pairs decisions with closes.
static void join(struct verify *verify)
{
    if (verify->count > 0)
        qsort(verify->seen, verify->count, sizeof *verify->seen, compare);
    for (size_t i = 0; i < verify->count;) {
        size_t counts[2] = {0};
        const struct seen *first = &verify->seen[i];
        for (; i < verify->count && verify->seen[i].id == first->id; i++)
            counts[verify->seen[i].is_close]++;
        join_one(verify, first, counts[0], counts[1]);
    }
}

static void print_json(const struct verify *verify)
{
    const struct {
        const char *name;
        uint64_t value;
    } sums[] = {
        {"problems", verify->problems},
        {"records", verify->records},
        {"decisions", verify->decisions},
        {"closes", verify->closes},
        {"open", verify->open},
        {"handshakes_refused", verify->refused},
        {"requests_counted", verify->counted},
        {"lost", verify->lost},
        {"torn", verify->torn},
    };
    struct text out = cli_json_begin();
    json_add_string(&out, "result", verify->problems == 0 ? "good" : "bad");
    for (size_t i = 0; i < sizeof sums / sizeof *sums; i++)
        json_add_count(&out, sums[i].name, sums[i].value);
    json_add_string(&out, "complete", "unknown");
    cli_json_end(&out);
}

static void print_text(const struct verify *verify)
{
    (void)printf("%" PRIu64 " records: %" PRIu64 " decisions, %" PRIu64 " closes, %" PRIu64
                 " refused handshakes, %" PRIu64
                 " refused requests that were only counted; %" PRIu64 " without close, %" PRIu64
                 " lost, %" PRIu64 " torn\n",
                 verify->records, verify->decisions, verify->closes, verify->refused,
                 verify->counted, verify->open, verify->lost, verify->torn);
    if (verify->problems > SHOWN_MAX)
        (void)fprintf(stderr, "and %" PRIu64 " more\n", verify->problems - SHOWN_MAX);
    (void)printf(
        "%s\n"
        "a log cannot show whether whole records were removed, at the beginning, at the end or between, or changed by hand\n",
        verify->problems == 0 ? "no fault in what is there" : "there are faults, see above");
}

static int verify_logs(struct verify *verify, const struct cli_line *line)
{
    const int status = audit_read_logs("audit verify", line, on_line, verify);
    if (status != CLI_OK)
        return status;
    if (verify->has_no_memory) {
        cli_say("audit verify", "no memory for so many records");
        return CLI_UNLOADABLE;
    }
    join(verify);
    if (verify->is_json)
        print_json(verify);
    else
        print_text(verify);
    return cli_finish("audit verify") == CLI_OK && verify->problems == 0 ? CLI_OK : CLI_FAILED;
}

int audit_verify(int argc, char **argv)
{
    struct verify verify = {0};
    const struct cli_option options[] = {
        {"json", .flag = &verify.is_json},
        {.name = NULL},
    };
    const struct cli_line line = audit_read("audit verify", usage, options, argc, argv);
    if (line.is_over)
        return line.exit_status;
    const int status = verify_logs(&verify, &line);
    free(verify.seen);
    return status;
}
