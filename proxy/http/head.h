// request_head: the head of an HTTP/1.x request as values (RFC 9112 2-6), read strictly.
//
// Pure: bytes in, values out. What two readers could understand differently is refused: bare LF, bare CR, NUL, folded
// fields, blanks before a colon, empty names, several Hosts, a body on CONNECT, and every framing that is not plain: two
// lengths, a length and a coding, a coding other than `chunked`, a coding in HTTP/1.0, names that differ from
// Content-Length and Transfer-Encoding by an underscore.
#pragma once

#include "auth/limits.h"
#include "proxy/http/body.h"

enum {
    HEAD_CONNECT_MAX_LEN = 16 * 1024,     // bytes of a CONNECT's head, with the empty line
    HEAD_CONNECT_MAX_LINE_LEN = 8 * 1024, // bytes of one line of it
    HEAD_CONNECT_MAX_FIELDS = 100,
    HEAD_MAX_LEN = LIMITS_HEAD_MAX, // the most that any head may be allowed to have
    HEAD_BYTES_PER_FIELD = 128, // other heads may have a field for as many bytes that they may have
    HEAD_MAX_METHOD_LEN = 32,   // bytes
};

enum http_method { METHOD_CONNECT, METHOD_OTHER };

struct request_head {
    enum http_method method;
    struct slice method_text; // borrowed from the input, like all slices here
    struct slice target;
    uint8_t minor_version; // 0 or 1 of HTTP/1.x
    bool has_host;
    struct slice host;     // of the one Host field, trimmed
    bool has_close;        // Connection: close, which no further field takes back
    bool is_persistent;    // the client means to send more requests (RFC 9112 9.3)
    bool has_length;       // a Content-Length, which may be 0
    bool expects_continue; // Expect: 100-continue, in HTTP/1.1 (RFC 9110 10.1.1)
    bool expects_other;    // an Expect that nobody knows
    bool wants_websocket;  // Upgrade: websocket with its Connection option, in HTTP/1.1
    bool
        has_max_forwards; // of OPTIONS and TRACE (RFC 9110 7.6.2); elsewhere it is a field like others
    uint64_t max_forwards;
    bool takes_trailers; // TE: trailers (RFC 9110 10.1.4)
    enum body_kind body; // BODY_NONE, BODY_LENGTH or BODY_CHUNKED
    uint64_t length;     // bytes, with BODY_LENGTH
    struct slice fields; // all field lines, for field_next
    size_t len;          // bytes of the head, with the empty line
};

enum head_result {
    HEAD_OK,
    HEAD_MORE,      // the head is not complete yet
    HEAD_BAD,       // malformed: 400
    HEAD_TOO_LARGE, // over a limit: 431
};

// request_head_parse reads one head from the start of `bytes`. That of a CONNECT has its own bounds; any other may be
// `max_len` bytes long, at most HEAD_MAX_LEN, in as few lines as it likes. With HEAD_BAD and
// HEAD_TOO_LARGE, `*out_why` is a few words for the answer, in static memory; `*out` is valid with
// HEAD_OK only, except that `method_text` and `target` are set whenever the request line itself was
// readable, and empty otherwise.
enum head_result request_head_parse(struct slice bytes, size_t max_len, struct request_head *out,
                                    const char **out_why);
