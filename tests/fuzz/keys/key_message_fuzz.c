// Fuzzes key_message_parse: what is accepted is the same bytes again when it is written.
#include "proxy/keys/key_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t head[KEY_HEAD_MAX];
    struct key_message message;
    struct slice left = slice_of(data, size);
    size_t len = 0;
    while (key_message_parse(left, &message, &len) == KEY_PARSE_GOOD) {
        const struct slice whole = slice_first(left, len);
        const size_t head_len = key_message_head(&message, head);
        ASSERT(head_len + message.bytes.len == len);
        ASSERT(slice_equal(slice_first(whole, head_len), slice_of(head, head_len)));
        ASSERT(slice_equal(slice_from(whole, head_len), message.bytes));
        left = slice_from(left, len);
    }
    return 0;
}
