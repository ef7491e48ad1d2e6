// Fuzzes resp_reader with what a store sends, in pieces that the first byte chooses. Whatever comes: an answer keeps to the
// bounds, its parts are whole, it is the same in whatever pieces it came, and after a refusal nothing more is read.
#include <stdlib.h>

#include "proxy/store/resp.h"
#include "proxy/store/store_fault.h"
#include "proxy/store/store_role.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SENTENCE_CAP = 256, MAX_ANSWERS = 64 };

// heard is what came of some bytes.
struct heard {
    struct resp *answers[MAX_ANSWERS];
    size_t count;
    bool is_bad;
};

static size_t check_node(const struct resp *node, size_t depth)
{
    size_t elements = node->count;
    ASSERT(depth <= RESP_MAX_DEPTH && node->count <= RESP_MAX_ELEMENTS);
    ASSERT(node->text.len <= RESP_MAX_LEN);
    ASSERT(node->kind == RESP_ARRAY || node->count == 0);
    for (size_t i = 0; i < node->text.len; i++)
        ASSERT(node->text.data[i] <= 0xFF); // reads every byte
    for (size_t i = 0; i < node->count; i++)
        elements += check_node(&node->items[i], depth + 1);
    return elements;
}

static void check_answer(const struct resp *answer)
{
    char sentence[SENTENCE_CAP];
    struct text text;
    struct target master;
    int64_t number = 0;
    ASSERT(check_node(answer, 0) <= RESP_MAX_ELEMENTS);
    text_init(&text, sentence, sizeof sentence);
    store_fault_append(&text, answer);
    if (store_role_read_master(answer, &master))
        ASSERT(master.port != 0);
    if (store_role_is_master(answer))
        ASSERT(answer->kind == RESP_ARRAY);
    if (resp_read_integer(answer, &number))
        ASSERT(answer->kind == RESP_INTEGER || answer->kind == RESP_STRING);
}

static bool equal(const struct resp *a, const struct resp *b)
{
    if (a->kind != b->kind || a->integer != b->integer || !slice_equal(a->text, b->text) ||
        a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        if (!equal(&a->items[i], &b->items[i]))
            return false;
    }
    return true;
}

// take keeps what is whole.
static void take(struct resp_reader *reader, struct heard *heard)
{
    const char *why = NULL;
    for (;;) {
        struct resp *answer = NULL;
        const enum resp_result result = resp_reader_next(reader, &answer, &why);
        if (result == RESP_BAD) {
            ASSERT(why != NULL && why[0] != '\0');
            ASSERT(resp_reader_next(reader, &answer, &why) == RESP_BAD);
            heard->is_bad = true;
        }
        if (result != RESP_OK)
            return;
        check_answer(answer);
        if (heard->count < MAX_ANSWERS)
            heard->answers[heard->count++] = answer;
        else
            resp_free(answer);
    }
}

static void hear(struct slice bytes, size_t step, struct heard *out)
{
    struct resp_reader *reader = resp_reader_create();
    *out = (struct heard){0};
    if (reader == NULL)
        return;
    while (bytes.len > 0) {
        resp_reader_feed(reader, slice_first(bytes, step));
        bytes = slice_from(bytes, step);
        take(reader, out);
    }
    resp_reader_destroy(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct heard whole;
    struct heard pieces;
    if (size == 0)
        return 0;
    const struct slice bytes = slice_of(data + 1, size - 1);
    hear(bytes, bytes.len + 1, &whole);
    hear(bytes, 1 + data[0] % 16, &pieces);
    ASSERT(whole.count == pieces.count && whole.is_bad == pieces.is_bad);
    for (size_t i = 0; i < whole.count; i++) {
        ASSERT(equal(whole.answers[i], pieces.answers[i]));
        resp_free(whole.answers[i]);
        resp_free(pieces.answers[i]);
    }
    return 0;
}
