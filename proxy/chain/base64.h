// base64: RFC 4648 (4), one spelling for each value. Pure.
#pragma once

#include "auth/base/text.h"

enum { BASE64_BYTES_MAX = 256 };

// base64_append adds at most BASE64_BYTES_MAX bytes.
void base64_append(struct text *out, struct slice bytes);

// base64_read reads a text that has exactly `len` bytes in it, at most BASE64_BYTES_MAX. False for anything else, also
// for another spelling of the same bytes.
bool base64_read(struct slice text, uint8_t *out, size_t len);
