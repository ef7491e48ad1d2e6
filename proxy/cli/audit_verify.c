// `sallyport audit verify`: is every line a record, is no id there twice, has every decision its close? And do the lines
// hold together (proxy/history/chain_check.h)? What only the end of a log tells is said at the end.
//
// Ids are kept as numbers and compared at the end, so that a log of any order and length can be looked at: 24
// bytes a record.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/base/array.h"
#include "auth/base/json.h"
#include "proxy/cli/audit_follow.h"
#include "proxy/cli/audit_keys.h"
#include "proxy/cli/audit_logs.h"
#include "proxy/cli/audit_proof.h"
#include "proxy/cli/audit_verbs.h"
#include "proxy/history/chain_check.h"

static const char usage[] =
    "usage: sallyport audit verify [--key FILE]... [--kept FILE]... [--rotated] [--follow] [--json] LOG...\n"
    "       sallyport audit verify --key FILE --proof FILE\n"
    "\n"
    "Says what is wrong with audit logs: lines that are not records, duplicate ids, a close without its\n"
    "decision, a decision that comes after its close, records that the proxy says it has lost, numbers that are missing.\n"
    "Reported, but not faults: decisions without a close (their tunnels may still be open, or the proxy was killed), and a\n"
    "torn line, the beginning of a record, as a kill or a power cut leaves it. The files may come in any order.\n"
    "\n"
    "With the public key of a chained log (`audit: {chain: ...}`) it finds what was removed, added, changed or moved, with\n"
    "file and line, and says how much of the end no checkpoint covers yet. Lines after the last checkpoint, and a log that\n"
    "was cut off there, are told by a checkpoint that was kept on another machine: --kept.\n"
    "\n"
    "  --key FILE    the public key, FILE.pub of `audit keygen`; may come more than once\n"
    "  --kept FILE   a checkpoint that has to be in the log: the `note` of a record `checkpoint`; may come more than once\n"
    "  --rotated     the oldest files are gone: that the first file begins in the middle is no fault\n"
    "  --follow      go on with the last log as it is written, until interrupted\n"
    "  --proof FILE  check the proofs in FILE, as `audit prove` writes them; no log is needed\n"
    "  --json        one JSON object\n"
    "  -h, --help    this text\n"
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
    bool is_following;
    bool may_lack_head;
    const char *proof; // path, or NULL
    struct audit_keys keys;
    struct chain_check *chain; // owned
    bool has_no_memory;
    uint64_t line_count;
    uint64_t records;
    uint64_t refused; // handshakes, by count
    uint64_t counted; // requests that have no records of their own
    uint64_t lost;
    uint64_t torn; // lines
    uint64_t problems;
    uint64_t notes; // of the chain
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
    cli_line_list(format, args);
    va_end(args);
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
    case AUDIT_EVENT_CHECKPOINT:
    case AUDIT_EVENT_SINK_LOST:
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
        cli_line("%s:%zu: %s", line->path, line->number, line->problem);
    else if (line->problem != NULL)
        problem(verify, "%s:%zu: %s", line->path, line->number, line->problem);
    verify->has_no_memory |= !chain_check_line(verify->chain, line);
}

// on_finding tells what the chain shows.
static void on_finding(void *arg, const struct chain_finding *finding)
{
    struct verify *verify = arg;
    const struct chain_place *place = &finding->place;
    if (finding->kind == CHAIN_NOTE && verify->notes++ >= SHOWN_MAX)
        return;
    if (finding->kind == CHAIN_NOTE)
        cli_line("%s:%zu: %s", place->path, place->number, finding->text);
    else if (place->path == NULL)
        problem(verify, "%s", finding->text);
    else
        problem(verify, "%s:%zu: %s", place->path, place->number, finding->text);
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
    for (size_t i = decisions; i < closes && !verify->may_lack_head; i++)
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

// completeness says in a word what the chain proves.
static const char *completeness(const struct verify *verify, const struct chain_sums *sums)
{
    if (verify->keys.count == 0)
        return "unknown";
    if (verify->problems > 0 || sums->sealed == 0)
        return "no";
    return sums->uncovered == 0 ? "yes" : "until_checkpoint";
}

static void print_json(const struct verify *verify)
{
    const struct chain_sums chain = chain_check_sum(verify->chain);
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
        {"instances", chain.instances},
        {"numbered", chain.sealed},
        {"not_numbered", chain.unsealed},
        {"uncovered", chain.uncovered},
    };
    struct text out = cli_json_begin();
    json_add_string(&out, "result", verify->problems == 0 ? "good" : "bad");
    for (size_t i = 0; i < sizeof sums / sizeof *sums; i++)
        json_add_count(&out, sums[i].name, sums[i].value);
    json_add_string(&out, "complete", completeness(verify, &chain));
    cli_json_end(&out);
}

static void print_text(const struct verify *verify)
{
    const struct chain_sums chain = chain_check_sum(verify->chain);
    (void)printf("%" PRIu64 " records: %" PRIu64 " decisions, %" PRIu64 " closes, %" PRIu64
                 " refused handshakes, %" PRIu64
                 " refused requests that were only counted;\n%" PRIu64 " without close, %" PRIu64
                 " lost, %" PRIu64 " torn\n",
                 verify->records, verify->decisions, verify->closes, verify->refused,
                 verify->counted, verify->open, verify->lost, verify->torn);
    if (verify->problems > SHOWN_MAX)
        (void)fprintf(stderr, "and %" PRIu64 " more\n", verify->problems - SHOWN_MAX);
    (void)puts(verify->problems == 0 ? "no fault in what is there" : "there are faults, see above");
    if (verify->keys.count == 0)
        (void)puts(
            "without --key nobody knows whether records were removed, at the end or with their "
            "numbers,\nor changed by hand");
    else
        (void)printf("%" PRIu64 " line%s of %" PRIu64
                     " instance%s; checkpoints cover all but %" PRIu64 "\n",
                     chain.sealed, chain.sealed == 1 ? "" : "s", chain.instances,
                     chain.instances == 1 ? "" : "s", chain.uncovered);
}

static int finish(struct verify *verify)
{
    if (verify->has_no_memory) {
        cli_say("audit verify", "no memory for so many records");
        return CLI_UNLOADABLE;
    }
    chain_check_finish(verify->chain);
    join(verify);
    if (verify->is_json)
        print_json(verify);
    else
        print_text(verify);
    return cli_finish("audit verify") == CLI_OK && verify->problems == 0 ? CLI_OK : CLI_FAILED;
}

// read_kept reads the checkpoints that the log has to have.
static int read_kept(struct verify *verify)
{
    for (size_t i = 0; i < verify->keys.kept_count; i++) {
        struct checkpoint kept;
        struct errinfo info;
        if (audit_kept_read(&verify->keys, verify->keys.kept[i], &kept, &info) != ERR_OK) {
            cli_say("audit verify", "%s", info.text);
            return CLI_UNLOADABLE;
        }
        if (!chain_check_keep(verify->chain, &kept))
            return cli_fail_usage("audit verify", "too many checkpoints");
    }
    return CLI_OK;
}

static int verify_logs(struct verify *verify, const struct cli_line *line)
{
    const struct chain_check_options options = {.keys = verify->keys.keys,
                                                .key_count = verify->keys.count,
                                                .may_lack_head = verify->may_lack_head,
                                                .is_live = verify->is_following,
                                                .on_finding = on_finding,
                                                .arg = verify};
    verify->chain = chain_check_create(&options);
    if (verify->chain == NULL)
        return cli_fail("audit verify", &(struct errinfo){.text = "no memory"});
    int status = read_kept(verify);
    if (status != CLI_OK)
        return status;
    audit_sort_logs(line);
    status = verify->is_following ? audit_follow("audit verify", line, on_line, verify)
                                  : audit_read_logs("audit verify", line, on_line, verify);
    return status == CLI_OK ? finish(verify) : status;
}

// run looks at the options together.
static int run(struct verify *verify, const struct cli_line *line)
{
    if (verify->keys.count == 0 && (verify->proof != NULL || verify->keys.kept_count > 0))
        return cli_fail_usage("audit verify", "which key? --proof and --kept need --key FILE");
    if (verify->proof != NULL && line->argument_count > 0)
        return cli_fail_usage("audit verify", "--proof takes no log");
    if (verify->proof != NULL)
        return audit_proof_verify("audit verify", verify->proof, &verify->keys);
    if (line->argument_count == 0)
        return cli_fail_usage("audit verify", "which log? name at least one file");
    return verify_logs(verify, line);
}

int audit_verify(int argc, char **argv)
{
    struct verify verify = {0};
    const struct cli_option options[] = {
        {"key", .take = audit_key_take, .arg = &verify.keys},
        {"kept", .take = audit_kept_take, .arg = &verify.keys},
        {"rotated", .flag = &verify.may_lack_head},
        {"follow", .flag = &verify.is_following},
        {"proof", .text = &verify.proof},
        {"json", .flag = &verify.is_json},
        {.name = NULL},
    };
    const struct cli_syntax syntax = {.command = "audit verify",
                                      .usage = usage,
                                      .options = options,
                                      .argument_max = CLI_ANY_NUMBER};
    const struct cli_line line = cli_read(&syntax, argc, argv);
    if (line.is_over)
        return line.exit_status;
    const int status = run(&verify, &line);
    chain_check_destroy(verify.chain);
    free(verify.seen);
    return status;
}
