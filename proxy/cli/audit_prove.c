// `sallyport audit prove`: the proof that a record is in a chained log, for somebody who has nothing of the log but it.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/base/array.h"
#include "auth/base/json.h"
#include "proxy/chain/proof.h"
#include "proxy/chain/seal.h"
#include "proxy/cli/audit_keys.h"
#include "proxy/cli/audit_logs.h"
#include "proxy/cli/audit_verbs.h"
#include "proxy/history/chain_record.h"

static const char usage[] =
    "usage: sallyport audit prove ID --key FILE LOG...\n"
    "\n"
    "Writes a proof for each record with this id, one a line: the record, its way to the root of the Merkle tree, and a\n"
    "checkpoint that signs the root. `audit verify --key FILE --proof FILE` checks it without the log.\n"
    "\n"
    "  --key FILE   the public key; the checkpoints of the log have to be signed with it\n"
    "  -h, --help   this text\n"
    "\n"
    "Exit status: 0 there is a proof of each, 1 there is no such record, or no checkpoint covers it yet, 2 usage, 3 a log\n"
    "cannot be read.\n";

enum { PROVEN_MAX = 16, LINE_CAP = 16 * 1024 };

// proven is a record that is to be proved.
struct proven {
    char *line; // owned
    size_t len;
    struct seal seal;
    bool is_done;
};

struct prove {
    struct audit_keys keys;
    uint64_t id;
    struct proven proven[PROVEN_MAX];
    size_t count;
    bool has_too_many;
    bool has_no_memory;
    // of the instance that is proved now
    uint32_t instance;
    struct merkle before;
    struct merkle_hash *leaves; // owned
    size_t leaf_count;
    size_t leaf_cap;
    bool is_broken; // a line is missing
};

// on_find keeps the records with the id.
static void on_find(void *arg, const struct log_line *line)
{
    struct prove *prove = arg;
    struct seal seal;
    if (line->entry == NULL || !line->entry->has_id || line->entry->id != prove->id ||
        !seal_parse(line->bytes, &seal))
        return;
    if (prove->count == PROVEN_MAX) {
        prove->has_too_many = true;
        return;
    }
    char *copy = malloc(line->bytes.len);
    prove->has_no_memory |= copy == NULL;
    if (copy == NULL || !bytes_copy(copy, line->bytes.len, line->bytes))
        return;
    prove->proven[prove->count++] =
        (struct proven){.line = copy, .len = line->bytes.len, .seal = seal};
}

static void print_proof(const struct proven *proven, const struct proof *proof)
{
    char data[PROOF_CAP];
    struct text text;
    text_init(&text, data, sizeof data);
    proof_format(proof, &text);
    struct text out = cli_json_begin();
    json_add_bytes(&out, "line", slice_of(proven->line, proven->len), LINE_CAP);
    json_add_bytes(&out, "proof", text_slice(&text), PROOF_CAP);
    cli_json_end(&out);
}

// prove_until proves the records that this checkpoint covers.
static void prove_until(struct prove *prove, const struct checkpoint *checkpoint, struct slice note)
{
    const struct merkle_leaves leaves = {
        .before = prove->before, .leaves = prove->leaves, .count = prove->leaf_count};
    for (size_t i = 0; i < prove->count; i++) {
        struct proven *proven = &prove->proven[i];
        struct proof proof = {.index = proven->seal.seq, .note = note};
        if (proven->is_done || proven->seal.instance != prove->instance ||
            !merkle_prove(&leaves, proof.index, checkpoint->size, &proof.path))
            continue;
        print_proof(proven, &proof);
        proven->is_done = true;
    }
}

// on_checkpoint uses a checkpoint of the instance; one after a gap gives the tree, where it goes on.
static void on_checkpoint(struct prove *prove, const struct history_entry *entry)
{
    struct checkpoint checkpoint;
    struct merkle tree;
    if (chain_checkpoint_open(entry, prove->keys.keys, prove->keys.count, &checkpoint, &tree) !=
        NOTE_GOOD)
        return;
    if (!prove->is_broken && checkpoint.size == prove->before.size + prove->leaf_count)
        prove_until(prove, &checkpoint, slice_of_string(history_text(entry->root, "note")));
    if (prove->is_broken && tree.size == checkpoint.size) {
        prove->before = tree;
        prove->leaf_count = 0;
        prove->is_broken = false;
    }
}

// on_walk gathers the lines of the instance.
static void on_walk(void *arg, const struct log_line *line)
{
    struct prove *prove = arg;
    struct seal seal;
    if (!seal_parse(line->bytes, &seal) || seal.instance != prove->instance)
        return;
    if (line->entry != NULL && line->entry->event == AUDIT_EVENT_CHECKPOINT)
        on_checkpoint(prove, line->entry);
    prove->is_broken |= seal.seq != prove->before.size + prove->leaf_count;
    struct merkle_hash *leaves =
        array_make_room(prove->leaves, prove->leaf_count, &prove->leaf_cap, sizeof *leaves);
    prove->has_no_memory |= leaves == NULL;
    if (leaves == NULL || prove->is_broken)
        return;
    const struct merkle_hash hash = merkle_hash_of(line->bytes);
    prove->leaves = leaves;
    leaves[prove->leaf_count++] = merkle_leaf(merkle_hash_slice(&hash));
}

// prove_instance proves the records of one instance.
static int prove_instance(struct prove *prove, uint32_t instance, const struct cli_line *logs)
{
    prove->instance = instance;
    prove->before = (struct merkle){0};
    prove->leaf_count = 0;
    prove->is_broken = false;
    return audit_read_logs("audit prove", logs, on_walk, prove);
}

static int finish(const struct prove *prove)
{
    size_t done = 0;
    for (size_t i = 0; i < prove->count; i++)
        done += prove->proven[i].is_done;
    if (cli_finish("audit prove") != CLI_OK)
        return CLI_FAILED;
    if (prove->has_no_memory || prove->has_too_many) {
        cli_say("audit prove",
                prove->has_no_memory ? "no memory" : "too many records have this id");
        return CLI_FAILED;
    }
    if (prove->count == 0)
        cli_say("audit prove", "no record with a number has this id");
    else if (done < prove->count)
        cli_say(
            "audit prove",
            "%zu of %zu records cannot be proved: no checkpoint after them is signed with this key, or lines before it are missing",
            prove->count - done, prove->count);
    return prove->count > 0 && done == prove->count ? CLI_OK : CLI_FAILED;
}

static int prove_logs(struct prove *prove, const struct cli_line *logs)
{
    audit_sort_logs(logs);
    int status = audit_read_logs("audit prove", logs, on_find, prove);
    for (size_t i = 0; i < prove->count && status == CLI_OK; i++) {
        if (!prove->proven[i].is_done)
            status = prove_instance(prove, prove->proven[i].seal.instance, logs);
    }
    return status == CLI_OK ? finish(prove) : status;
}

int audit_prove(int argc, char **argv)
{
    struct prove prove = {0};
    const struct cli_option options[] = {
        {"key", .take = audit_key_take, .arg = &prove.keys},
        {.name = NULL},
    };
    struct cli_line line = audit_read("audit prove", usage, options, argc, argv);
    if (line.is_over)
        return line.exit_status;
    if (prove.keys.count == 0)
        return cli_fail_usage("audit prove", "which key? --key FILE is required");
    if (!history_id_parse(line.arguments[0], &prove.id))
        return cli_fail_usage("audit prove", "'%.40s' is no id: 16 digits as in the log",
                              line.arguments[0]);
    line.arguments++;
    if (--line.argument_count == 0)
        return cli_fail_usage("audit prove", "which log? name at least one file");
    const int status = prove_logs(&prove, &line);
    for (size_t i = 0; i < prove.count; i++)
        free(prove.proven[i].line);
    free(prove.leaves);
    return status;
}
