// wrap: text in lines that fit, for pages that people read. Pure.
#pragma once

#include "auth/base/text.h"

// wrap_line appends one line, which is printable, and a line end. What is longer than `columns` goes on in the next line,
// after `indent` blanks: from a blank on, which is left out; or after a comma or slash where there is no blank in reach; or
// where the line ends. A `!` stays with the word after it, and a number that ends
// at a comma or the line with the name before it. `columns` is larger than `indent`.
void wrap_line(struct slice line, size_t columns, size_t indent, struct text *out);
