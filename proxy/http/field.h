// field: the lines of a head or of a trailer section as names and values (RFC 9112 5), read strictly.
//
// Pure. All readers of messages share these functions: request heads, response heads, chunked bodies. What two readers
// could understand differently is refused: a line that does not end in CRLF, a CR or LF inside it, a folded line, a blank
// before the colon, an empty name, a control byte.
#pragma once

#include "auth/base/slice.h"
#include "auth/base/text.h"

struct field {
    struct slice name;  // a token; borrowed from the input, as all slices here
    struct slice value; // without the blanks around it
};

enum line_result { LINE_OK, LINE_MORE, LINE_BAD, LINE_TOO_LONG };

// line_next takes one line off `*rest`, without its CRLF. What it says does not depend on how much has
// arrived after the byte that decides. LINE_MORE: the line is not complete; LINE_TOO_LONG: it is longer
// than `max_len` bytes. Only LINE_OK changes `*rest`.
enum line_result line_next(struct slice *rest, size_t max_len, struct slice *out);

// field_parse reads one line: name, colon, value. False: malformed.
bool field_parse(struct slice line, struct field *out);

// field_next takes the next field off `*lines`, complete lines that have been read by field_parse before.
// False at the end.
bool field_next(struct slice *lines, struct field *out);

// field_append writes a field as a line.
void field_append(const struct field *field, struct text *out);

// is_token tells whether `s` is a token (RFC 9110 5.6.2): one or more of its bytes and no other.
bool is_token(struct slice s);

// is_field_value tells whether `s` holds no control byte but tabs (RFC 9110 5.5).
bool is_field_value(struct slice s);

// list_next takes the next item that is not empty off a comma-separated list (RFC 9110 5.6.1), trimmed.
// False at the end. It knows no quoted strings: for lists of tokens.
bool list_next(struct slice *list, struct slice *out);

// list_has tells whether such a list has `token`, in either case.
bool list_has(struct slice list, struct slice token);
