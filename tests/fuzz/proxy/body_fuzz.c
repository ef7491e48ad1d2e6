// Fuzzes body_reader. Cut anywhere, a body gives the same content, the same end and the same verdict; and
// what is written from its content reads as the same.
#include <stdlib.h>

#include "auth/base/err.h"
#include "proxy/http/body.h"

enum { INPUT_MAX = 16 * 1024, OUT_CAP = 8 * INPUT_MAX + BODY_END_CAP + 1 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    enum body_result result;
    size_t used;
    struct text content;
    struct text written; // again, as chunks
    size_t trailer_len;
};

static void init_text(struct text *text)
{
    char *data = malloc(OUT_CAP);
    ASSERT(data != NULL);
    text_init(text, data, OUT_CAP);
}

static void free_outcome(struct outcome *outcome)
{
    free(outcome->content.data);
    free(outcome->written.data);
}

// read_body gives `step` bytes more each time; a step of 0 stands for all at once.
static void read_body(enum body_kind kind, uint64_t length, struct slice text, size_t step,
                      struct outcome *out)
{
    struct body_reader reader;
    size_t arrived = step == 0 ? text.len : 0;
    *out = (struct outcome){.result = BODY_MORE};
    init_text(&out->content);
    init_text(&out->written);
    body_reader_init(&reader, kind, length);
    for (;;) {
        const struct slice unread = slice_from(slice_first(text, arrived), out->used);
        struct slice content;
        const char *why = NULL;
        size_t used = 0;
        out->result = body_reader_next(&reader, unread, &used, &content, &why);
        ASSERT(used <= unread.len);
        ASSERT(content.len == 0 ||
               (content.data >= unread.data && content.data + content.len <= unread.data + used));
        out->used += used;
        if (out->result == BODY_DATA) {
            ASSERT(content.len > 0 && used > 0);
            text_append(&out->content, content);
            body_chunk_append(content, &out->written);
        }
        if (out->result == BODY_DONE) {
            ASSERT(body_reader_ends_well(&reader));
            out->trailer_len = content.len;
            body_end_append(content, &out->written);
        }
        if (out->result == BODY_BAD)
            ASSERT(why != NULL && why[0] != '\0');
        if (out->result == BODY_MORE)
            ASSERT(unread.len - used <= BODY_MAX_TRAILER_LEN);
        if (out->result == BODY_DONE || out->result == BODY_BAD)
            return;
        if (out->result == BODY_MORE && arrived == text.len)
            return;
        if (out->result == BODY_MORE)
            arrived = text.len - arrived < step ? text.len : arrived + step;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const enum body_kind kind = data[0] % 8 == 0   ? BODY_LENGTH
                                : data[0] % 8 == 1 ? BODY_TO_END
                                                   : BODY_CHUNKED;
    const size_t step = 1 + data[1] % 64;
    const struct slice text = slice_of(data + 2, size - 2 < INPUT_MAX ? size - 2 : INPUT_MAX);
    struct outcome whole;
    struct outcome cut;
    struct outcome again;
    read_body(kind, data[1], text, 0, &whole);
    read_body(kind, data[1], text, step, &cut);
    ASSERT(whole.result == cut.result && whole.trailer_len == cut.trailer_len);
    ASSERT(slice_equal(text_slice(&whole.content), text_slice(&cut.content)));
    if (whole.result == BODY_DONE) {
        ASSERT(whole.used == cut.used && !whole.written.is_cut);
        read_body(BODY_CHUNKED, 0, text_slice(&whole.written), 0, &again);
        ASSERT(again.result == BODY_DONE && again.used == whole.written.len);
        ASSERT(slice_equal(text_slice(&whole.content), text_slice(&again.content)));
        free_outcome(&again);
    }
    free_outcome(&whole);
    free_outcome(&cut);
    return 0;
}
