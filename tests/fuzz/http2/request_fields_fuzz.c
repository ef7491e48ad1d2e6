// Fields of HTTP/2: whatever they are, the head in HTTP/1.1 has one line for each, and no line that none of them is.
#include <stdlib.h>

#include "proxy/http/field.h"
#include "proxy/http/head.h"
#include "proxy/http2/request_fields.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool is_right)
{
    if (!is_right)
        abort();
}

// take gives the bytes up to the next zero byte.
static struct slice take(struct slice *rest)
{
    const struct slice part = slice_first(*rest, slice_find(*rest, 0));
    *rest = slice_from(*rest, part.len + 1);
    return part;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[REQUEST_FIELDS_HEAD_CAP];
    struct request_fields fields = {0};
    struct slice rest = slice_of(data, size);
    size_t count = 0;
    while (rest.len > 0) {
        const struct slice name = take(&rest);
        if (request_fields_add(&fields, name, take(&rest)) == ERR_OK)
            count++;
    }
    struct text head;
    enum request_body body = REQUEST_BODY_NONE;
    const char *why = NULL;
    text_init(&head, text, sizeof text);
    const bool has_end = size % 2 == 0;
    if (request_fields_write_head(&fields, has_end, &head, &body, &why) == ERR_OK) {
        struct message_head parsed;
        const enum head_result result =
            request_head_parse(text_slice(&head), HEAD_MAX_LEN, &parsed, &why);
        check(result != HEAD_MORE);
        struct slice lines = result == HEAD_OK ? parsed.fields : (struct slice){0};
        struct field field;
        size_t line_count = 0;
        while (field_next(&lines, &field))
            line_count++;
        // The host and the coding are ours.
        check(line_count <= count + 2);
        check(result != HEAD_OK || parsed.len == head.len);
        check(result != HEAD_OK || has_end == (parsed.body == BODY_NONE) ||
              parsed.method == METHOD_CONNECT || body == REQUEST_BODY_LENGTH);
    } else {
        check(why != NULL);
    }
    text_init(&head, text, sizeof text);
    const enum err ignored = request_fields_write_trailer(&fields, &head, &why);
    (void)ignored;
    request_fields_deinit(&fields);
    return 0;
}
