// Fuzzes client_cert_find and client_cert_next: what is read is written again as the same bytes, so that no certificate has
// two spellings, and no field that says whose request it is goes on in a plain request.
#include <stdlib.h>
#include <string.h>

#include "proxy/http/client_cert.h"
#include "proxy/http/message.h"

enum { INPUT_MAX = 8192 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// check_one takes one certificate, whose text begins where `before` does. False: there is none.
static bool check_one(struct client_cert *rest, size_t cap)
{
    const struct slice before = rest->count == 0 ? rest->leaf : rest->chain;
    uint8_t *bytes = malloc(cap == 0 ? 1 : cap);
    char *again = malloc(client_cert_text_len(cap) + 1);
    struct text text;
    size_t len = 0;
    ASSERT(bytes != NULL && again != NULL);
    const enum err error = client_cert_next(rest, bytes, cap, &len);
    if (error == ERR_OK) {
        ASSERT(len > 0 && len <= cap);
        text_init(&text, again, client_cert_text_len(cap) + 1);
        client_cert_append(slice_of(bytes, len), &text);
        ASSERT(!text.is_cut && text.len == client_cert_text_len(len));
        ASSERT(slice_starts_with(before, text_slice(&text)));
    }
    free(bytes);
    free(again);
    return error == ERR_OK;
}

static void check_passed_on(const struct message_head *head)
{
    static const struct absolute_url url = {.kind = URL_HTTP,
                                            .target = {.kind = TARGET_ADDRESS, .port = 80}};
    const struct request_out request = {.head = head, .url = &url};
    const size_t cap = 3 * INPUT_MAX + MESSAGE_EXTRA_CAP;
    char *written = malloc(cap);
    struct text text;
    struct message_head again;
    struct client_cert none;
    const char *why = NULL;
    ASSERT(written != NULL);
    text_init(&text, written, cap);
    message_append_request(&request, &text);
    ASSERT(!text.is_cut);
    if (request_head_parse(text_slice(&text), HEAD_MAX_LEN, &again, &why) == HEAD_OK)
        ASSERT(client_cert_find(again.fields, &none, &why) == CLIENT_CERT_NONE);
    free(written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct slice input = slice_of(data, size < INPUT_MAX ? size : INPUT_MAX);
    struct message_head head;
    struct client_cert found;
    const char *why = NULL;
    size_t count = 0;
    if (request_head_parse(input, HEAD_MAX_LEN, &head, &why) != HEAD_OK)
        return 0;
    if (client_cert_find(head.fields, &found, &why) == CLIENT_CERT_FOUND) {
        while (check_one(&found, input.len))
            count++;
        ASSERT(count <= CLIENT_CERT_MAX);
    }
    if (head.method != METHOD_CONNECT)
        check_passed_on(&head);
    return 0;
}
