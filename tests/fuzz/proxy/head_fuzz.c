// Fuzzes request_head_parse. An answer once given is never taken back by more bytes, a shorter input
// never gives a longer head, and what is accepted holds no byte that two readers could read
// differently.
#include <stdlib.h>

#include "auth/base/err.h"
#include "proxy/http/head.h"

enum { PLAIN_MAX_LEN = 32 * 1024, INPUT_MAX = 2 * PLAIN_MAX_LEN, PREFIXES = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_inside(struct slice part, struct slice whole)
{
    return part.len == 0 ||
           (part.data >= whole.data && part.data + part.len <= whole.data + whole.len);
}

static void check_accepted(const struct message_head *head, struct slice input)
{
    const struct slice text = slice_first(input, head->len);
    ASSERT(head->len >= 4 && head->len <= input.len && head->len <= PLAIN_MAX_LEN);
    ASSERT(slice_ends_with(text, SLICE_LITERAL("\r\n\r\n")));
    for (size_t i = 0; i < text.len; i++) {
        ASSERT(text.data[i] != '\0' && text.data[i] != 0x7F);
        ASSERT(text.data[i] != '\n' || text.data[i - 1] == '\r');
        ASSERT(text.data[i] != '\r' || text.data[i + 1] == '\n');
    }
    ASSERT(is_inside(head->method_text, text) && head->method_text.len > 0);
    ASSERT(is_inside(head->target, text) && head->target.len > 0);
    ASSERT(is_inside(head->host, text));
    for (size_t i = 0; i < head->target.len; i++)
        ASSERT(head->target.data[i] > 0x20 && head->target.data[i] != 0x7F);
    ASSERT(head->method == METHOD_OTHER ||
           slice_equal(head->method_text, SLICE_LITERAL("CONNECT")));
    ASSERT(head->minor_version <= 1);
    ASSERT(!head->has_close || !head->is_persistent);
}

// check_prefix parses the first `len` bytes, copied so that reading one too far is seen.
static void check_prefix(struct slice input, size_t len, enum head_result whole, size_t head_len)
{
    uint8_t *copy = malloc(len == 0 ? 1 : len);
    ASSERT(copy != NULL && bytes_copy(copy, len, slice_first(input, len)));
    struct message_head head;
    const char *why = NULL;
    const enum head_result result =
        request_head_parse(slice_of(copy, len), PLAIN_MAX_LEN, &head, &why);
    ASSERT(result == HEAD_MORE || result == whole);
    ASSERT(result != HEAD_OK || head.len == head_len);
    if (whole == HEAD_OK)
        ASSERT((result == HEAD_OK) == (len >= head_len));
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct slice input = slice_of(data, size < INPUT_MAX ? size : INPUT_MAX);
    struct message_head head;
    const char *why = NULL;
    const enum head_result result = request_head_parse(input, PLAIN_MAX_LEN, &head, &why);
    if (result == HEAD_OK)
        check_accepted(&head, input);
    if (result == HEAD_BAD || result == HEAD_TOO_LARGE)
        ASSERT(why != NULL && why[0] != '\0');
    if (result == HEAD_MORE)
        ASSERT(input.len < PLAIN_MAX_LEN);
    // Every prefix of a short input, some of a long one.
    const size_t step = 1 + input.len / PREFIXES / 8;
    for (size_t len = 0; len < input.len; len += step)
        check_prefix(input, len, result, head.len);
    return 0;
}
