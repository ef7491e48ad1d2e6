// body: where the body of a message ends (RFC 9112 6 and 7), read a piece at a time.
//
// Pure: bytes in, slices of content out. The reader keeps a few numbers and no bytes, so its owner's buffer is the only
// memory. It is strict where readers differ: chunk sizes have hexadecimal digits only, and lines end in CRLF. It drops
// chunk extensions, and checks trailer fields like those of a head before it gives them out.
//
// Use: take `kind` and `length` from the head (message_head). Call body_reader_next with the unread bytes
// until it returns BODY_MORE, BODY_DONE or BODY_BAD. When the sender ends, call body_reader_ends_well.
#pragma once

#include "auth/base/slice.h"
#include "auth/base/text.h"

enum body_kind {
    BODY_NONE,
    BODY_LENGTH,  // Content-Length
    BODY_CHUNKED, // Transfer-Encoding: chunked
    BODY_TO_END,  // of a response: until the connection ends
};

enum {
    BODY_MAX_CHUNK_LINE_LEN = 1024, // bytes of a chunk's size and extensions, without CRLF
    // bytes of chunk extensions beyond what the content makes up for
    BODY_MAX_EXCESS_LEN = 16 * 1024,
    BODY_MAX_TRAILER_LEN = 8 * 1024, // bytes of the trailer section
    BODY_MAX_TRAILER_FIELDS = 32,
    BODY_END_CAP = BODY_MAX_TRAILER_LEN + BODY_MAX_TRAILER_FIELDS + 5, // bytes of body_end_append
};

enum body_state {
    BODY_STATE_DATA,       // `remaining` bytes of content come next
    BODY_STATE_CHUNK_LINE, // a chunk's size
    BODY_STATE_CHUNK_END,  // the CRLF after a chunk's data
    BODY_STATE_TRAILER,    // fields, or the empty line
    BODY_STATE_DONE,
};

// Embedded by its owner; the fields are private to body.c.
struct body_reader {
    enum body_kind kind;
    enum body_state state;
    uint64_t remaining;  // bytes of the body, or of the chunk
    uint32_t excess_len; // bytes of chunk extensions that the content has not made up for
};

enum body_result {
    BODY_DATA, // `*out_content` is the next piece of the content
    BODY_MORE, // bytes that have not arrived are needed; what was given and not used must be given again
    BODY_DONE, // the body has ended; `*out_content` holds its trailer fields, whole lines, or is empty
    BODY_BAD, // malformed: `*out_why`
};

// body_reader_init begins a body. `length` counts with BODY_LENGTH only.
void body_reader_init(struct body_reader *reader, enum body_kind kind, uint64_t length);

// body_reader_next reads from the start of `bytes` (what is unread, of any length). `*out_used` bytes of
// them are dealt with, whatever the result; `*out_content` is a part of `bytes`, valid as long as they
// are. With BODY_BAD `*out_why` is a few words in static memory. A reader that has said BODY_DONE says so
// again, and uses nothing. It needs at most BODY_MAX_TRAILER_LEN bytes at once to get on.
enum body_result body_reader_next(struct body_reader *reader, struct slice bytes, size_t *out_used,
                                  struct slice *out_content, const char **out_why);

// body_reader_ends_well tells whether the body is whole when the sender ends its direction now.
bool body_reader_ends_well(const struct body_reader *reader);

// body_reader_max_read gives how many bytes may be read from the sender now so that no more than
// `max_after` bytes can belong to what comes after the body; at least 1 while it is not done and
// `max_after` is not 0.
uint64_t body_reader_max_read(const struct body_reader *reader, size_t max_after);

enum { BODY_CHUNK_OVERHEAD = 16 + 4 }; // bytes that body_chunk_append adds at most

// body_chunk_append appends `content`, which must not be empty, as one chunk.
void body_chunk_append(struct slice content, struct text *out);

// body_end_append appends the last chunk with those of the `trailer` fields (as of BODY_DONE; may be empty) that
// may be passed on: none that frame or route the message, or belong to one connection (RFC 9110 6.5.1). At
// most BODY_END_CAP bytes.
void body_end_append(struct slice trailer, struct text *out);
