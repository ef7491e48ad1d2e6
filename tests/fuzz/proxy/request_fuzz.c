// Fuzzes what is passed on of a request: a head that is accepted and whose target is an http:// URL is written
// for the target, and that text, read again, means the same.
#include "auth/base/err.h"
#include "proxy/http/field.h"
#include "proxy/http/message.h"

// A line of letters above ASCII is written three times as long.
enum { OUT_CAP = 3 * HEAD_MAX_LEN };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// check_names: none of the fields that belong to the client's connection is left.
static void check_names(const struct message_head *before, const struct message_head *after)
{
    static const char *const gone[] = {"keep-alive", "proxy-connection", "proxy-authorization",
                                       "http2-settings"};
    struct slice fields = after->fields;
    struct field field;
    while (field_next(&fields, &field)) {
        for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
            ASSERT(!slice_equal_ignore_case(field.name, slice_of_string(gone[i])));
    }
    ASSERT(before->body == after->body && before->length == after->length);
    ASSERT(before->has_length == after->has_length);
    ASSERT(before->expects_continue == after->expects_continue);
    ASSERT(before->is_websocket == after->is_websocket);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char out[OUT_CAP];
    struct message_head head;
    struct message_head again;
    struct absolute_url url;
    struct target host;
    struct text text;
    const char *why = NULL;
    if (request_head_parse(slice_of(data, size), HEAD_MAX_LEN, &head, &why) != HEAD_OK ||
        head.method == METHOD_CONNECT)
        return 0;
    absolute_url_parse(head.target, &url, &why);
    if (url.kind == URL_BAD)
        ASSERT(why != NULL && why[0] != '\0');
    if (url.kind != URL_HTTP)
        return 0;
    ASSERT(slice_find(head.target, '#') == head.target.len);
    const struct request_out request = {.head = &head, .url = &url, .is_last = size % 2 == 0};
    text_init(&text, out, sizeof out);
    message_append_request(&request, &text);
    ASSERT(!text.is_cut);
    const enum head_result result =
        request_head_parse(text_slice(&text), HEAD_MAX_LEN, &again, &why);
    if (text.len > HEAD_MAX_LEN - MESSAGE_EXTRA_CAP || result == HEAD_TOO_LARGE)
        return 0; // ours are a few more than may come
    ASSERT(result == HEAD_OK && again.len == text.len && again.minor_version == 1);
    ASSERT(slice_equal(again.method_text, head.method_text));
    ASSERT(again.target.data[0] == '/' || slice_equal(again.target, SLICE_LITERAL("*")));
    for (size_t i = 0; i < again.target.len; i++)
        ASSERT(again.target.data[i] < 0x80);
    ASSERT(again.has_host);
    if (url.target.port == 80)
        ASSERT(target_host_parse(again.host, &host) == ERR_OK);
    else
        ASSERT(target_parse(again.host, &host) == ERR_OK && host.port == url.target.port);
    ASSERT(target_equal_host(&host, &url.target));
    if (!head.expects_other)
        check_names(&head, &again);
    return 0;
}
