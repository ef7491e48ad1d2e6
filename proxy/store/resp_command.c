// A command is written in two passes: one that counts, one that writes.
#include "proxy/store/resp_command.h"

#include "auth/base/text.h"

// write_header writes `*12` or `$12` and the end of the line, and returns its length.
static size_t write_header(char out[RESP_HEADER_CAP], char sign, size_t number)
{
    struct text text;
    text_init(&text, out, RESP_HEADER_CAP);
    text_append_format(&text, "%c%zu\r\n", sign, number);
    ASSERT(!text.is_cut);
    return text.len;
}

size_t resp_array_begin(size_t count, char out[RESP_HEADER_CAP])
{
    return write_header(out, '*', count);
}

size_t resp_words_len(const struct slice *words, size_t count)
{
    char header[RESP_HEADER_CAP];
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
        len += write_header(header, '$', words[i].len) + words[i].len + 2;
    return len;
}

// put copies `bytes` to where `*at` says, and moves that on.
static void put(uint8_t *out, size_t *at, struct slice bytes)
{
    const bool fits = bytes_copy(out + *at, bytes.len, bytes);
    ASSERT(fits);
    *at += bytes.len;
}

void resp_words_write(const struct slice *words, size_t count, uint8_t *out)
{
    char header[RESP_HEADER_CAP];
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        put(out, &at, slice_of(header, write_header(header, '$', words[i].len)));
        put(out, &at, words[i]);
        put(out, &at, SLICE_LITERAL("\r\n"));
    }
}
