// Fuzzes gate_look. However the bytes come in pieces, as many of them pass as when each comes alone, and the verdict is the
// same; nothing passes before the first flight is judged.
#include <stdlib.h>

#include "proxy/session/gate.h"

enum { INPUT_MAX = 3000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// outcome is what became of a stream.
struct outcome {
    size_t passed_len; // bytes, at least, where it ended; all where it did not
    bool is_judged;
    struct inner_verdict verdict;
    enum inner_kind kind;
};

// rules_of chooses rules by a byte.
static struct inner rules_of(uint8_t byte)
{
    return (struct inner){.tls = (enum inner_tls)(byte % 3),
                          .names = (enum inner_names)(byte / 3 % 3),
                          .plain = (enum inner_plain)(byte / 9 % 3),
                          .denies_ech = byte / 27 % 2 == 1};
}

// look shows the gate `fresh`, copied so that reading one too far is seen.
static enum gate_step look(struct gate *gate, struct slice fresh, bool has_end,
                           const struct target *asked)
{
    static uint8_t scratch[CLIENT_HELLO_MAX_LEN];
    uint8_t *copy = malloc(fresh.len == 0 ? 1 : fresh.len);
    ASSERT(copy != NULL && bytes_copy(copy, fresh.len, fresh));
    const bool is_first = gate->state == GATE_FIRST;
    const enum gate_step step = gate_look(gate, slice_of(copy, fresh.len), has_end, asked, scratch);
    ASSERT(!has_end || step != GATE_HOLDS);
    if (is_first && fresh.len > 0 && step == GATE_PASSES)
        ASSERT(gate->state != GATE_FIRST); // nothing passes that is not judged
    free(copy);
    return step;
}

// run shows the gate a stream in pieces of `piece` bytes, and says yes to every question.
static struct outcome run(struct inner rules, struct slice stream, size_t piece)
{
    struct gate gate = {.rules = rules};
    struct outcome outcome = {0};
    struct target asked;
    ASSERT(target_parse(SLICE_LITERAL("good.example:443"), &asked) == ERR_OK);
    for (size_t came = 0; came < stream.len;) {
        came = stream.len - came < piece ? stream.len : came + piece;
        const struct slice fresh = slice_from(slice_first(stream, came), outcome.passed_len);
        enum gate_step step = GATE_JUDGES;
        while (step == GATE_JUDGES) {
            step = look(&gate, fresh, came == stream.len, &asked);
            outcome.is_judged = step == GATE_JUDGES && gate.verdict.step == INNER_END;
            outcome.verdict = gate.verdict;
            outcome.kind = gate.seen.kind;
            if (outcome.is_judged)
                return outcome;
        }
        if (step == GATE_PASSES)
            outcome.passed_len = came;
    }
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const struct slice stream = slice_of(data + 1, size - 1 < INPUT_MAX ? size - 1 : INPUT_MAX);
    const struct inner rules = rules_of(data[0]);
    const size_t pieces[] = {2, 7, 1 + data[size - 1], 1000, INPUT_MAX};
    const struct outcome alone = run(rules, stream, 1);
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        const struct outcome other = run(rules, stream, pieces[i]);
        ASSERT(other.is_judged == alone.is_judged && other.kind == alone.kind);
        ASSERT(!alone.is_judged || other.verdict.reason == alone.verdict.reason);
        // Of a stream that ends more may be held in large pieces, and never less.
        ASSERT(other.passed_len <= alone.passed_len || !alone.is_judged);
        ASSERT(alone.is_judged || other.passed_len == stream.len);
    }
    return 0;
}
