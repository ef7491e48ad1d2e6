// base64: RFC 4648 (4), one spelling for each value: with its padding, and no bit to spare. Pure.
#pragma once

#include "auth/base/text.h"

// base64_text_len gives the bytes of text that `len` bytes have.
static inline size_t base64_text_len(size_t len)
{
    return (len + 2) / 3 * 4;
}

// base64_append appends bytes.
void base64_append(struct text *out, struct slice bytes);

// base64_parse reads a text of at least one byte. ERR_LIMIT: it has more than `cap` bytes in it. ERR_INPUT: anything else than
// the one spelling of its bytes; what `out` has then means nothing.
enum err base64_parse(struct slice text, uint8_t *out, size_t cap, size_t *out_len) MUST_USE;

// base64_read reads a text that has exactly `len` bytes in it, at least one. False for anything else.
bool base64_read(struct slice text, uint8_t *out, size_t len);
