// resp_command: what is asked of a Valkey or Redis server (RESP2): an array of words, each with its length, so that what is in
// them does not matter. Pure.
#pragma once

#include "auth/base/err.h"
#include "auth/base/slice.h"

enum { RESP_HEADER_CAP = 24 }; // a sign, 20 digits, the end of the line, NUL

// resp_array_begin writes the beginning of a command of `count` words, NUL-terminated, and returns its length.
size_t resp_array_begin(size_t count, char out[RESP_HEADER_CAP]);

// resp_words_len gives the bytes that resp_words_write writes.
size_t resp_words_len(const struct slice *words, size_t count);

// resp_words_write writes words of a command to `out`, which has room for resp_words_len bytes.
void resp_words_write(const struct slice *words, size_t count, uint8_t *out);
