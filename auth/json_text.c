// jansson reads; its errors are put into our words.
#include "auth/json_text.h"

// What jansson's errors are in our words; the others are no JSON.
static const char *const syntax_sentences[] = {
    [json_error_stack_overflow] = "nested too deeply",
    [json_error_invalid_utf8] = "not UTF-8",
    [json_error_premature_end_of_input] = "the text ends too early",
    [json_error_end_of_input_expected] = "something follows the object",
    [json_error_null_character] = "a string with a NUL",
    [json_error_null_byte_in_key] = "a key with a NUL",
    [json_error_duplicate_key] = "a key appears twice in an object",
    [json_error_numeric_overflow] = "a number is too large",
    [json_error_index_out_of_range] = NULL, // the last one
};

enum err json_text_read(struct slice bytes, json_t **out, struct errinfo *info)
{
    json_error_t error = {0};
    *out = json_loadb((const char *)bytes.data, bytes.len, JSON_REJECT_DUPLICATES, &error);
    if (*out != NULL)
        return ERR_OK;
    const enum json_error_code code = json_error_code(&error);
    // none is set where an allocation failed
    if (code == json_error_unknown || code == json_error_out_of_memory)
        return errinfo_set(info, ERR_MEMORY, "no memory");
    const char *sentence = code <= json_error_index_out_of_range ? syntax_sentences[code] : NULL;
    return errinfo_set(info, ERR_INPUT, "line %d, column %d: %s", error.line, error.column,
                       sentence == NULL ? "not JSON" : sentence);
}
