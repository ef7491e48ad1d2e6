// json: JSON written piece by piece into a `struct text`: compact, in the order of the calls.
//
// The writer keeps no state of its own. Whether a comma is due is read off the last byte of the text: none after an
// opening bracket, a colon, a line break or nothing, one after everything else. So a text may begin in the middle of
// an object, and plain text may be mixed in. What does not fit sets `is_cut`, as everywhere in a text: the caller looks
// once, at the end. Nothing here reads JSON.
//
// Each function takes the member's name, which is trusted and not escaped; NULL for an element of an array, or for
// the outermost value. Strings of the caller's are escaped as text_append_json says.
#pragma once

#include "auth/base/text.h"

// json_begin_object and the like open and close.
void json_begin_object(struct text *out, const char *name);
void json_end_object(struct text *out);
void json_begin_array(struct text *out, const char *name);
void json_end_array(struct text *out);

// json_add_string adds a NUL-terminated string; null for NULL.
void json_add_string(struct text *out, const char *name, const char *value);

// json_add_bytes adds a string, of which at most `max_len` bytes are taken.
void json_add_bytes(struct text *out, const char *name, struct slice value, size_t max_len);

// json_add_hex adds a string of lower-case hexadecimal digits.
void json_add_hex(struct text *out, const char *name, struct slice bytes);

// json_add_number adds an integer; json_add_count one that cannot be negative.
void json_add_number(struct text *out, const char *name, int64_t value);
void json_add_count(struct text *out, const char *name, uint64_t value);

void json_add_bool(struct text *out, const char *name, bool value);
void json_add_null(struct text *out, const char *name);

// json_add_time adds a Unix time in seconds as an RFC 3339 string; null where date_format has none.
void json_add_time(struct text *out, const char *name, int64_t unix_s);

// json_add_raw adds a value that is JSON already.
void json_add_raw(struct text *out, const char *name, struct slice json);
