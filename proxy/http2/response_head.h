// response_head: an answer to CONNECT as HTTP/2 brings it, field by field, and the HTTP/1.1 head that means the same
// (RFC 9113 8.3.2, 8.5).
//
// Pure. It refuses what request_fields_add has refused, and a status that is none. HTTP/2 has no reason phrase: the caller
// gives one.
#pragma once

#include "proxy/http2/request_fields.h"

// response_head_status gives the status of 100 to 599 of the fields of a head. 0: they are malformed.
uint16_t response_head_status(const struct request_fields *fields);

// response_head_is_text tells whether the content is plain text.
bool response_head_is_text(const struct request_fields *fields);

// response_head_write appends the head. `has_end`: no content follows. `says_close`: the connection ends after the answer,
// as it does in any case where its content has no length. `*out_has_length`: a Content-Length says how much content follows; never with a status of 200 to 299, after which a
// tunnel follows (RFC 9110 9.3.6). ERR_INPUT: malformed. `out` needs REQUEST_FIELDS_HEAD_CAP bytes.
enum err response_head_write(const struct request_fields *fields, bool has_end, struct slice reason,
                             bool says_close, struct text *out, bool *out_has_length) MUST_USE;

enum { RESPONSE_HEAD_REASON_MAX = 80 }; // bytes

// response_head_reason gives the first line of an explaining content, for the reason phrase; empty where it is no line of
// at most RESPONSE_HEAD_REASON_MAX printable ASCII bytes.
struct slice response_head_reason(struct slice content);
