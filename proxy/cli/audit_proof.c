// A line is a JSON object of two strings.
#include "proxy/cli/audit_proof.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "proxy/chain/proof.h"
#include "proxy/chain/seal.h"
#include "proxy/history/log_file.h"

struct proof_run {
    const char *command;
    const struct audit_keys *keys;
    size_t good;
    size_t bad;
};

static struct slice text_at(const json_t *root, const char *name)
{
    const json_t *value = json_object_get(root, name);
    return slice_of(json_string_value(value), json_string_length(value));
}

// judge checks one proof.
static enum proof_result judge(const struct proof_run *run, struct slice bytes)
{
    enum proof_result result = PROOF_MALFORMED;
    json_t *root = json_loadb((const char *)bytes.data, bytes.len,
                              JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    const struct slice line = text_at(root, "line");
    const struct slice proof = text_at(root, "proof");
    for (size_t i = 0;
         line.len > 0 && proof.len > 0 && i < run->keys->count && result != PROOF_GOOD; i++)
        result = proof_check(proof, line, &run->keys->keys[i]);
    if (result == PROOF_GOOD)
        (void)printf("%.*s\n", (int)line.len, (const char *)line.data);
    json_decref(root);
    return result;
}

static void on_line(void *arg, const struct log_line *line)
{
    static const char *const faults[] = {
        [PROOF_GOOD] = "",
        [PROOF_MALFORMED] = "is no proof",
        [PROOF_UNSIGNED] = "has no checkpoint that the key has signed",
        [PROOF_OTHER] = "proves nothing: this record is not in the log of its checkpoint",
    };
    struct proof_run *run = arg;
    const enum proof_result result = judge(run, line->bytes);
    run->good += result == PROOF_GOOD;
    run->bad += result != PROOF_GOOD;
    if (result != PROOF_GOOD)
        cli_say(run->command, "%s:%zu: %s", line->path, line->number, faults[result]);
}

int audit_proof_verify(const char *command, const char *path, const struct audit_keys *keys)
{
    struct proof_run run = {.command = command, .keys = keys};
    struct errinfo info;
    if (log_file_read(path, on_line, &run, &info) != ERR_OK) {
        cli_say(command, "%s", info.text);
        return CLI_UNLOADABLE;
    }
    cli_say(command, "%zu records are proved, %zu are not", run.good, run.bad);
    return cli_finish(command) == CLI_OK && run.bad == 0 && run.good > 0 ? CLI_OK : CLI_FAILED;
}
