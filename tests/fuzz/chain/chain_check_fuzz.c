// Fuzzes the check of a chained log: each line of the input is a line of a log in two files. Whatever comes, each finding
// names a line that was there, and nothing is covered that no key has signed.
#include "proxy/history/chain_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FILE_MAX = 64 };

struct run {
    struct chain_check *check;
    size_t lines;
};

static void on_finding(void *arg, const struct chain_finding *finding)
{
    const struct run *run = arg;
    ASSERT(finding->text[0] != '\0');
    ASSERT(finding->place.path == NULL || finding->place.number <= run->lines);
}

static void on_line(void *arg, const struct log_line *line)
{
    struct run *run = arg;
    ASSERT(chain_check_line(run->check, line));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t seed[NOTE_SEED_LEN] = {7};
    struct run run = {0};
    struct note_signer signer;
    struct slice rest = slice_of(data, size);
    ASSERT(note_signer_init(SLICE_LITERAL("sallyport/gate-1"), seed, &signer));
    const struct chain_check_options options = {.keys = &signer.verifier,
                                                .key_count = 1,
                                                .is_live = size % 2 == 1,
                                                .on_finding = on_finding,
                                                .arg = &run};
    run.check = chain_check_create(&options);
    ASSERT(run.check != NULL);
    while (rest.len > 0) {
        const struct slice line = slice_first(rest, slice_find(rest, '\n'));
        rest = slice_from(rest, line.len + 1);
        run.lines++;
        log_line_read(run.lines <= FILE_MAX ? "a" : "b", run.lines, line, on_line, &run);
    }
    chain_check_finish(run.check);
    const struct chain_sums sums = chain_check_sum(run.check);
    ASSERT(sums.sealed + sums.unsealed <= run.lines);
    chain_check_destroy(run.check);
    return 0;
}
