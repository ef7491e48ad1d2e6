// Fuzzes response_head_parse and what is passed on of a response: a verdict is never taken back by more bytes,
// and the head that the client gets reads as one of the framing that was meant.
#include <stdlib.h>

#include "auth/base/err.h"
#include "proxy/http/message.h"

enum {
    INPUT_MAX = RESPONSE_HEAD_MAX_LEN + 1024,
    OUT_CAP = RESPONSE_HEAD_MAX_LEN + MESSAGE_EXTRA_CAP,
    PREFIXES = 64,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_prefix(struct slice input, size_t len, enum head_result whole, size_t head_len)
{
    uint8_t *copy = malloc(len == 0 ? 1 : len);
    struct message_head head;
    const char *why = NULL;
    ASSERT(copy != NULL && bytes_copy(copy, len, slice_first(input, len)));
    const enum head_result result = response_head_parse(slice_of(copy, len), false, &head, &why);
    ASSERT(result == HEAD_MORE || result == whole);
    ASSERT(result != HEAD_OK || head.len == head_len);
    free(copy);
}

// check_passed_on reads what the client would get.
static void check_passed_on(const struct message_head *head, bool is_for_head, uint8_t minor)
{
    static char out[OUT_CAP];
    struct text text;
    struct message_head again;
    const char *why = NULL;
    const enum body_kind body = head->body == BODY_LENGTH || head->body == BODY_NONE ? head->body
                                : minor == 1                                         ? BODY_CHUNKED
                                                                                     : BODY_TO_END;
    const struct response_out response = {
        .head = head,
        .body = body,
        .is_persistent = head->is_persistent && body != BODY_TO_END,
        .for_minor_version = minor,
    };
    text_init(&text, out, sizeof out);
    message_append_response(&response, &text);
    ASSERT(!text.is_cut);
    ASSERT(response_head_parse_own(text_slice(&text), is_for_head, &again, &why) == HEAD_OK);
    ASSERT(again.len == text.len && again.status == head->status && again.minor_version == 1);
    ASSERT(again.body == response.body);
    ASSERT(again.body != BODY_LENGTH || again.length == head->length);
    ASSERT(again.status < 200 || again.is_persistent == response.is_persistent);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct slice input = slice_of(data, size < INPUT_MAX ? size : INPUT_MAX);
    struct message_head head;
    const char *why = NULL;
    for (int is_for_head = 0; is_for_head < 2; is_for_head++) {
        const enum head_result result = response_head_parse(input, is_for_head != 0, &head, &why);
        if (result == HEAD_BAD || result == HEAD_TOO_LARGE)
            ASSERT(why != NULL && why[0] != '\0');
        if (result == HEAD_MORE)
            ASSERT(input.len < RESPONSE_HEAD_MAX_LEN);
        if (result == HEAD_OK) {
            check_passed_on(&head, is_for_head != 0, 0);
            check_passed_on(&head, is_for_head != 0, 1);
        }
    }
    const enum head_result result = response_head_parse(input, false, &head, &why);
    const size_t step = 1 + input.len / PREFIXES / 8;
    for (size_t len = 0; len < input.len; len += step)
        check_prefix(input, len, result, head.len);
    return 0;
}
