// html: text and numbers into an HTML page.
//
// Pure. Everything that is not ours goes through html_append: in the text of an element and in a quoted attribute it stays
// text, whatever it holds. Nothing of it may stand anywhere else (a name, a script, a style, an attribute without quotes).
#pragma once

#include "auth/base/text.h"

enum { HTML_TEXT_MAX = 400 }; // bytes of one text that are taken

// html_append adds a text: markup escaped; what nobody sees (utf8_is_unseen), and what is no UTF-8, replaced by U+FFFD.
// NULL is empty.
void html_append(struct text *out, const char *text);

// html_append_count adds a number for people: 12345 as `12,345`.
void html_append_count(struct text *out, uint64_t count);

// html_append_bytes adds a size for people (`1.5 MiB`), html_append_span a time span (`3 d 4 h`), of seconds.
void html_append_bytes(struct text *out, uint64_t bytes);
void html_append_span(struct text *out, int64_t seconds);
