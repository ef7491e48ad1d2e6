// text: a bounded text under construction in the caller's memory.
//
// Appending never writes past the end: a piece that does not fit is dropped as a whole and `is_cut` stays
// set, so that a caller checks once, at the end. There is always a NUL after the text. A text with a sink may be
// longer than its memory: what is there goes to the sink when the next piece does not fit.
#pragma once

#include "auth/base/err.h"
#include "auth/base/slice.h"

// text_sink_fn takes what has been written so far.
typedef void (*text_sink_fn)(void *arg, struct slice bytes);

struct text {
    char *data; // borrowed; NUL-terminated
    size_t len; // bytes, without the NUL
    size_t cap; // bytes, with the NUL; at least 1
    bool is_cut;
    text_sink_fn sink; // or NULL
    void *sink_arg;    // borrowed
};

// text_init starts an empty text in `data`, which has room for `cap` >= 1 bytes and is borrowed.
void text_init(struct text *text, char *data, size_t cap);

// text_init_sink starts an empty text that hands on to `sink`. The caller ends it with text_flush. Pieces longer
// than `cap` - 2 bytes do not fit.
void text_init_sink(struct text *text, char *data, size_t cap, text_sink_fn sink, void *arg);

// text_flush hands on what is left, and starts over.
void text_flush(struct text *text);

// text_append adds bytes as they are.
void text_append(struct text *text, struct slice bytes);

// text_append_string adds a NUL-terminated string.
void text_append_string(struct text *text, const char *string);

// text_append_format adds a printf-formatted piece.
void text_append_format(struct text *text, const char *format, ...) PRINTF_LIKE(2, 3);

// text_append_hex adds `bytes` as lower-case hexadecimal digits.
void text_append_hex(struct text *text, struct slice bytes);

// text_append_json adds `bytes` as a JSON string with its quotes (RFC 8259): quotes, backslashes
// and what nobody sees (utf8_is_unseen) escaped; a byte that is not part of valid UTF-8
// becomes U+FFFD. At most `max_len` bytes of the input are taken, cut between characters.
void text_append_json(struct text *text, struct slice bytes, size_t max_len);

// text_append_printable adds `bytes` for people's eyes, on a terminal or in a line of a log: each byte of a character that
// is not seen (utf8_is_unseen), or not valid UTF-8, becomes `\xHH`. Four bytes for one at most.
void text_append_printable(struct text *text, struct slice bytes);

// text_slice gives what has been written so far; valid until the memory after it goes.
struct slice text_slice(const struct text *text);
