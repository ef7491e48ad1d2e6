// request_fields: a request as HTTP/2 brings it, field by field, and the HTTP/1.1 head that means the same (RFC 9113 8).
//
// Pure. It refuses what RFC 9113 calls malformed, and what would read in HTTP/1.1 as something else. What is left is for
// the readers that HTTP/1.1 has, too (proxy/http/head.h, auth/target.h): no rule is written twice.
#pragma once

#include "auth/base/err.h"
#include "auth/base/text.h"
#include "proxy/http/field.h"

enum {
    // bytes of a header list, counted as in RFC 9113 10.5.1, where its owner allows no more
    REQUEST_FIELDS_MAX_SIZE = 16 * 1024,
    REQUEST_FIELDS_MAX_AUTHORITY = 384, // bytes
    // bytes by which the head in HTTP/1.1 may be longer than the list, with the NUL
    REQUEST_FIELDS_EXTRA = 512,
    REQUEST_FIELDS_HEAD_CAP = REQUEST_FIELDS_MAX_SIZE + REQUEST_FIELDS_EXTRA,
};

// Zeroed: no field has come. Private to request_fields.c.
struct request_fields {
    uint8_t *bytes; // owned
    size_t len;     // bytes
    size_t cap;     // bytes
    size_t size;    // as in RFC 9113 10.5.1
    size_t
        max_size; // that may come; 0: REQUEST_FIELDS_MAX_SIZE; set by the owner, before the first one
    const char *why;   // what is wrong with a field that has come; static memory; NULL: nothing
    bool is_too_large; // with `why`; may be read
};

// How the body is framed.
enum request_body {
    REQUEST_BODY_NONE,    // the head has END_STREAM
    REQUEST_BODY_LENGTH,  // content-length says
    REQUEST_BODY_CHUNKED, // it is to be written in chunks; of CONNECT: bytes, as they are
};

// request_fields_add keeps one field of the head, or of the trailer section. ERR_INPUT: it is malformed, and so is the
// whole request; ERR_LIMIT: the list is too large; ERR_MEMORY. After an error the rest may come, and is dropped.
enum err request_fields_add(struct request_fields *fields, struct slice name,
                            struct slice value) MUST_USE;

// request_fields_write_head appends the head. `has_end`: no body follows. `*out_body`: how the body follows. ERR_INPUT with
// a few words in `*out_why`, static memory; also where request_fields_add has refused a field. `out` needs
// REQUEST_FIELDS_HEAD_CAP bytes.
enum err request_fields_write_head(const struct request_fields *fields, bool has_end,
                                   struct text *out, enum request_body *out_body,
                                   const char **out_why) MUST_USE;

// request_fields_write_trailer appends the lines of a trailer section. ERR_INPUT as above. `out` needs
// REQUEST_FIELDS_HEAD_CAP bytes.
enum err request_fields_write_trailer(const struct request_fields *fields, struct text *out,
                                      const char **out_why) MUST_USE;

// request_fields_all gives the fields that have come, for request_fields_next. Borrowed until the next one comes.
struct slice request_fields_all(const struct request_fields *fields);

// request_fields_next takes the next field off `*rest`. False at the end.
bool request_fields_next(struct slice *rest, struct field *out);

// request_fields_length gives the bytes that content-length announces; 0: it is not there, or no number.
uint64_t request_fields_length(const struct request_fields *fields);

// request_fields_deinit frees the fields, and zeroes them.
void request_fields_deinit(struct request_fields *fields);
