// resp: what a Valkey or Redis server answers (RESP2), as values.
//
// The reader is hiredis's; the bounds are ours, since the server is not trusted: an answer that announces more than may be is
// refused before any of it has come. Pure: bytes in, values out. RESP3's types are refused: nobody asks for them.
#pragma once

#include "auth/base/err.h"
#include "auth/base/slice.h"

enum {
    RESP_MAX_LEN = 1024 * 1024, // bytes of one answer, as they come
    RESP_MAX_ELEMENTS = 4096,   // of all arrays of one answer together
    RESP_MAX_DEPTH = 4,         // of arrays in arrays
};

enum resp_kind { RESP_NIL, RESP_INTEGER, RESP_STRING, RESP_STATUS, RESP_ERROR, RESP_ARRAY };

// resp is one answer, or an element of one. A plain value.
struct resp {
    enum resp_kind kind;
    int64_t integer;    // RESP_INTEGER
    struct slice text;  // RESP_STRING, RESP_STATUS, RESP_ERROR; owned by the answer; any bytes
    struct resp *items; // RESP_ARRAY; owned by the answer
    size_t count;       // of `items`
};

// resp_free frees an answer. NULL is allowed.
void resp_free(struct resp *answer);

// resp_is_error tells whether it is an error whose first word is `code`, such as NOSCRIPT.
bool resp_is_error(const struct resp *answer, const char *code);

// resp_is_status tells whether it is this status, such as OK.
bool resp_is_status(const struct resp *answer, const char *status);

// resp_read_integer gives an integer, or a string that is one in decimal as the server writes it: no sign but `-`, no leading
// zeros, no blanks. False: it is none.
bool resp_read_integer(const struct resp *answer, int64_t *out);

enum resp_result {
    RESP_OK,   // an answer is there
    RESP_MORE, // not yet
    RESP_BAD,  // what came is no answer; the connection is of no more use
};

struct resp_reader;

// resp_reader_create makes a reader. NULL without memory.
struct resp_reader *resp_reader_create(void) MUST_USE;

// resp_reader_destroy frees it. NULL is allowed.
void resp_reader_destroy(struct resp_reader *reader);

// resp_reader_feed copies bytes that have come. The caller takes all answers by resp_reader_next before it feeds again.
void resp_reader_feed(struct resp_reader *reader, struct slice bytes);

// resp_reader_next gives the next answer, which the caller frees. After RESP_BAD, which is final, `*out_why` is a sentence
// without the bytes that came, in static memory.
enum resp_result resp_reader_next(struct resp_reader *reader, struct resp **out,
                                  const char **out_why) MUST_USE;

// resp_reader_excess gives, after RESP_BAD because of a string or an answer that is too long, its bytes: as they were announced, or
// as they have come. 0: another reason.
size_t resp_reader_excess(const struct resp_reader *reader);
