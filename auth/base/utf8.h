// utf8: characters of UTF-8 one by one, and which of them nobody sees. Pure; knows no text but the bytes it is given.
#pragma once

#include "auth/base/slice.h"

// utf8_length gives the length of the well-formed UTF-8 sequence at the front of `s`, which is not empty; 0: there
// is none.
size_t utf8_length(struct slice s);

// utf8_code_point gives the number of one character, whose length utf8_length has given.
uint32_t utf8_code_point(struct slice character);

// utf8_is_unseen tells whether one character is not seen as itself, and so can make a reader see something else than what
// is there: by Unicode's categories controls (Cc), marks of format, such as those that change the direction of writing
// (Cf), and separators of lines and paragraphs (Zl, Zp).
bool utf8_is_unseen(struct slice character);
