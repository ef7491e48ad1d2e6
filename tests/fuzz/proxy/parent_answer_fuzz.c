// Fuzzes parent_answer_read and via_collect: a verdict is never taken back by more bytes, what is kept can stand in an answer
// of ours, and a trail that is passed on reads again as the same one with one hop more.
#include <stdlib.h>
#include <string.h>

#include "auth/base/err.h"
#include "auth/base/text.h"
#include "proxy/http/parent_answer.h"
#include "proxy/http/via.h"

enum { INPUT_MAX = PARENT_ANSWER_MAX_LEN + 512, PREFIXES = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// check_kept looks at what goes into an answer of ours.
static void check_kept(const struct parent_answer *answer)
{
    const size_t len = strlen(answer->proxy_status);
    ASSERT(len < PARENT_PROXY_STATUS_CAP);
    for (size_t i = 0; i < len; i++)
        ASSERT(answer->proxy_status[i] >= ' ' && answer->proxy_status[i] <= '~');
    if (answer->kind == PARENT_ANSWER_TUNNEL)
        ASSERT(answer->received >= 200 && answer->received < 300);
    if (answer->kind == PARENT_ANSWER_REFUSAL) {
        ASSERT(answer->received >= 300 && answer->status >= 403 && answer->status <= 504);
        ASSERT(answer->retry_after_s >= 1 && answer->retry_after_s <= PARENT_RETRY_AFTER_MAX);
    }
    if (answer->kind == PARENT_ANSWER_BAD)
        ASSERT(answer->why != NULL && answer->why[0] != '\0');
}

static void check_answer(struct slice input)
{
    struct parent_answer whole;
    parent_answer_read(input, &whole);
    check_kept(&whole);
    const size_t step = 1 + input.len / PREFIXES / 8;
    for (size_t len = 0; len < input.len; len += step) {
        struct parent_answer part;
        uint8_t *copy = malloc(len == 0 ? 1 : len);
        ASSERT(copy != NULL && bytes_copy(copy, len, slice_first(input, len)));
        parent_answer_read(slice_of(copy, len), &part);
        ASSERT(part.kind == PARENT_ANSWER_MORE || part.kind == whole.kind);
        ASSERT(part.kind != PARENT_ANSWER_TUNNEL || part.len == whole.len);
        free(copy);
    }
}

// check_trail takes a request's head.
static void check_trail(struct slice input)
{
    struct message_head head;
    struct via_trail trail;
    struct via_trail again;
    const char *why = NULL;
    char data[VIA_TEXT_MAX + 64];
    struct text text;
    if (request_head_parse(input, HEAD_MAX_LEN, &head, &why) != HEAD_OK)
        return;
    via_collect(head.fields, &trail);
    text_init(&text, data, sizeof data);
    via_append(&trail, 1, "0123456789abcdef", &text);
    ASSERT(!text.is_cut);
    via_collect(text_slice(&text), &again);
    ASSERT(via_is_loop(&again, "0123456789abcdef"));
    ASSERT(again.hops >= 1 || again.is_too_long);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct slice input = slice_of(data, size < INPUT_MAX ? size : INPUT_MAX);
    check_answer(input);
    check_trail(input);
    return 0;
}
