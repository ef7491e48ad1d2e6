// Fuzzes in_force_question_parse and in_force_answer_parse: what is read can be written and read again.
#include <stdlib.h>
#include <string.h>

#include "proxy/service/in_force_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_question(struct slice question)
{
    char id[IN_FORCE_ID_CAP];
    char again[IN_FORCE_QUESTION_CAP];
    struct text out;
    if (!in_force_question_parse(question, id))
        return;
    text_init(&out, again, sizeof again);
    in_force_question_format(id, &out);
    ASSERT(!out.is_cut);
    ASSERT(slice_equal(text_slice(&out), question));
}

static void try_answer(struct slice answer)
{
    char why[IN_FORCE_WHY_CAP];
    char read[IN_FORCE_WHY_CAP];
    char again[2 * IN_FORCE_WHY_CAP];
    struct text out;
    const enum in_force_verdict verdict = in_force_answer_parse(answer, why);
    ASSERT(verdict != IN_FORCE_UNSAID);
    ASSERT(verdict == IN_FORCE_OTHER || why[0] == '\0');
    if (verdict == IN_FORCE_UNKNOWN)
        return;
    text_init(&out, again, sizeof again);
    in_force_answer_format(verdict == IN_FORCE_SAME ? NULL : why, &out);
    ASSERT(!out.is_cut);
    ASSERT(in_force_answer_parse(text_slice(&out), read) == verdict && strcmp(read, why) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_question(slice_of(data, size));
    try_answer(slice_of(data, size));
    return 0;
}
