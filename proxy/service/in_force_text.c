// A word, and what belongs to it.
#include "proxy/service/in_force_text.h"

#include "auth/base/hex.h"

static const struct slice question_word = {.data = (const uint8_t *)"in_force ", .len = 9};
static const struct slice other_word = {.data = (const uint8_t *)"other ", .len = 6};

void in_force_question_format(const char *id, struct text *out)
{
    text_append(out, question_word);
    text_append_string(out, id);
}

bool in_force_question_parse(struct slice question, char out_id[IN_FORCE_ID_CAP])
{
    const struct slice id = slice_from(question, question_word.len);
    return slice_starts_with(question, question_word) && id.len == IN_FORCE_ID_CAP - 1 &&
           hex_is_lower(id) && string_copy(out_id, IN_FORCE_ID_CAP, id);
}

void in_force_answer_format(const char *why, struct text *out)
{
    if (why == NULL) {
        text_append_string(out, "same");
        return;
    }
    text_append(out, other_word);
    text_append(out, slice_first(slice_of_string(why), IN_FORCE_WHY_CAP - 1));
}

enum in_force_verdict in_force_answer_parse(struct slice answer, char out_why[IN_FORCE_WHY_CAP])
{
    out_why[0] = '\0';
    if (slice_equal(answer, SLICE_LITERAL("same")))
        return IN_FORCE_SAME;
    if (!slice_starts_with(answer, other_word))
        return IN_FORCE_UNKNOWN;
    const struct slice why = slice_first(slice_from(answer, other_word.len), IN_FORCE_WHY_CAP - 1);
    return slice_find(why, '\0') == why.len && string_copy(out_why, IN_FORCE_WHY_CAP, why)
               ? IN_FORCE_OTHER
               : IN_FORCE_UNKNOWN;
}
