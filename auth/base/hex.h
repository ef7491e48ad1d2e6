// hex: hexadecimal digits as people and programs write them, read in one place.
#pragma once

#include "auth/base/slice.h"

// hex_digit gives the value of a digit in either case, or -1.
int hex_digit(uint8_t byte);

// hex_is_lower tells whether all of `text` are digits, and none is a capital.
bool hex_is_lower(struct slice text);

// hex_read reads digits in either case, with colons between them or not, into at most `cap` bytes, the first digit
// first, and gives their number: (*out_digits + 1) / 2 bytes are written, the rest of `out` is zero. An odd number is
// taken as if a 0 stood in front. False when there are none, too many, or something else.
bool hex_read(struct slice text, uint8_t *out, size_t cap, size_t *out_digits);
