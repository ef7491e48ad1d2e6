// Four letters are three bytes.
#include "auth/base/base64.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum { NO_LETTER = 64 };

// value_of gives the six bits of a letter; NO_LETTER: it is none.
static uint32_t value_of(uint8_t letter)
{
    if (letter >= 'A' && letter <= 'Z')
        return (uint32_t)letter - 'A';
    if (letter >= 'a' && letter <= 'z')
        return (uint32_t)letter - 'a' + 26;
    if (letter >= '0' && letter <= '9')
        return (uint32_t)letter - '0' + 52;
    return letter == '+' ? 62 : letter == '/' ? 63 : NO_LETTER;
}

// padding gives how many `=` end the text, at most two.
static size_t padding(struct slice text)
{
    if (text.len < 4 || text.data[text.len - 1] != '=')
        return 0;
    return text.data[text.len - 2] == '=' ? 2 : 1;
}

enum err base64_parse(struct slice text, uint8_t *out, size_t cap, size_t *out_len)
{
    const size_t padded = padding(text);
    *out_len = 0;
    if (text.len == 0 || text.len % 4 != 0)
        return ERR_INPUT;
    const size_t len = text.len / 4 * 3 - padded;
    if (len > cap)
        return ERR_LIMIT;
    uint32_t bits = 0;
    size_t at = 0;
    for (size_t i = 0; i < text.len; i++) {
        const bool is_padding = i >= text.len - padded;
        const uint32_t value = is_padding ? 0 : value_of(text.data[i]);
        if (value == NO_LETTER)
            return ERR_INPUT;
        bits = (bits << 6 | value) & 0xFFFFFF;
        if (i % 4 != 3)
            continue;
        for (size_t byte = 0; byte < 3; byte++) {
            const uint8_t piece = (uint8_t)(bits >> (16 - 8 * byte));
            if (at < len)
                out[at++] = piece;
            else if (piece != 0)
                return ERR_INPUT; // bits to spare that say something
        }
    }
    *out_len = len;
    return ERR_OK;
}

bool base64_read(struct slice text, uint8_t *out, size_t len)
{
    size_t count = 0;
    return base64_parse(text, out, len, &count) == ERR_OK && count == len;
}

void base64_append(struct text *out, struct slice bytes)
{
    for (size_t i = 0; i < bytes.len; i += 3) {
        const size_t left = bytes.len - i;
        const uint32_t bits = (uint32_t)bytes.data[i] << 16 |
                              (left > 1 ? (uint32_t)bytes.data[i + 1] << 8 : 0) |
                              (left > 2 ? (uint32_t)bytes.data[i + 2] : 0);
        const char quad[4] = {letters[bits >> 18], letters[bits >> 12 & 63],
                              left > 1 ? letters[bits >> 6 & 63] : '=',
                              left > 2 ? letters[bits & 63] : '='};
        text_append(out, slice_of(quad, sizeof quad));
    }
}
