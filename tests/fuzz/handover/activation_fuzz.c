// Fuzzes activation_parse: what is accepted are as many names as there are sockets, and put together they are the text again.
#include "proxy/service/activation.h"

#include <stdlib.h>

#include "auth/base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// copy gives a string to free.
static char *copy(struct slice bytes)
{
    char *made = malloc(bytes.len + 1);
    ASSERT(made != NULL && bytes_copy(made, bytes.len, bytes));
    made[bytes.len] = '\0';
    return made;
}

static void check(struct slice names_text, const struct slice *names, size_t count)
{
    char *room = malloc(names_text.len + 1);
    struct text text;
    ASSERT(room != NULL && count <= ACTIVATION_FDS_MAX);
    text_init(&text, room, names_text.len + 1);
    for (size_t i = 0; i < count; i++) {
        ASSERT(slice_find(names[i], ':') == names[i].len);
        text_append_string(&text, i == 0 ? "" : ":");
        text_append(&text, names[i]);
    }
    ASSERT(slice_equal(text_slice(&text), names_text));
    free(room);
}

// The input is the number, and after a NUL the names; without a NUL there is no text of names.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice names[ACTIVATION_FDS_MAX];
    struct errinfo info = {.text = ""};
    size_t count = 0;
    const struct slice input = slice_of(data, size);
    const size_t count_len = slice_find(input, '\0');
    char *count_text = copy(slice_first(input, count_len));
    char *names_text = count_len == size ? NULL : copy(slice_from(input, count_len + 1));
    if (activation_parse(count_text, names_text, names, &count, &info) != ERR_OK)
        ASSERT(info.text[0] != '\0');
    else if (names_text != NULL)
        check(slice_of_string(names_text), names, count);
    else
        for (size_t i = 0; i < count; i++)
            ASSERT(names[i].len == 0);
    free(count_text);
    free(names_text);
    return 0;
}
