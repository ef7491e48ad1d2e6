// message_head: the head of an HTTP/1.x request or response as values (RFC 9112 2-6), read strictly.
//
// Pure: bytes in, values out. It refuses what two readers could understand differently: bare LF, bare CR, NUL, folded
// fields, blanks before a colon, empty names, several Hosts, a body on CONNECT, and every framing that is not plain: two
// lengths, a length and a coding, a coding other than `chunked`, a coding in HTTP/1.0, and in requests names that differ
// from Content-Length and Transfer-Encoding by an underscore.
#pragma once

#include "auth/limits.h"
#include "proxy/http/body.h"

enum {
    HEAD_CONNECT_MAX_LEN = 16 * 1024,     // bytes of a CONNECT's head, with the empty line
    HEAD_CONNECT_MAX_LINE_LEN = 8 * 1024, // bytes of one line of it
    HEAD_CONNECT_MAX_FIELDS = 100,
    HEAD_MAX_LEN = LIMITS_HEAD_MAX, // bytes; the most that any request head may be allowed to have
    HEAD_BYTES_PER_FIELD = 128,     // other requests may have one field for each so many bytes
    HEAD_MAX_METHOD_LEN = 32,       // bytes
    RESPONSE_HEAD_MAX_LEN = 32 * 1024,      // bytes, with the empty line
    RESPONSE_HEAD_MAX_LINE_LEN = 16 * 1024, // bytes of one line
    RESPONSE_HEAD_MAX_FIELDS = 200,
    // of a head of the proxy's own, which may have a few more than the target's that it is made from
    RESPONSE_HEAD_OWN_MAX_LEN = RESPONSE_HEAD_MAX_LEN + 1024, // see MESSAGE_EXTRA_CAP
    RESPONSE_HEAD_OWN_MAX_FIELDS = RESPONSE_HEAD_MAX_FIELDS + 8,
};

enum http_method { METHOD_CONNECT, METHOD_OTHER };

// message_head is a head. All slices borrow from the input.
struct message_head {
    // Both kinds.
    uint8_t minor_version; // 0 or 1 of HTTP/1.x
    bool has_close;        // Connection: close; no further field takes it back
    bool is_persistent;    // the sender means to keep the connection (RFC 9112 9.3)
    // a Content-Length, which may be 0; in answer to HEAD and of 304 not the body's
    bool has_length;
    bool is_chunked;   // Transfer-Encoding: chunked; likewise
    bool is_websocket; // Upgrade: websocket; in a request also its Connection option, and HTTP/1.1
    enum body_kind body; // of a request never BODY_TO_END
    uint64_t length;     // bytes; of the Content-Length
    struct slice fields; // all field lines, for field_next
    size_t len;          // bytes of the head, with the empty line
    // Of a request.
    enum http_method method;
    struct slice method_text;
    struct slice target;
    bool has_host;
    struct slice host;     // of the one Host field, trimmed
    bool expects_continue; // Expect: 100-continue, in HTTP/1.1 (RFC 9110 10.1.1)
    bool expects_other;    // an unknown Expect
    bool takes_trailers;   // TE: trailers (RFC 9110 10.1.4)
    // of OPTIONS and TRACE (RFC 9110 7.6.2); elsewhere it is a field like others
    bool has_max_forwards;
    uint64_t max_forwards;
    // Of a response.
    uint16_t status;     // 100 to 599; 0: a request
    struct slice reason; // may be empty
};

enum head_result {
    HEAD_OK,
    HEAD_MORE,      // the head is not complete yet
    HEAD_BAD,       // malformed: 400
    HEAD_TOO_LARGE, // over a limit: 431
};

// request_head_parse reads one request head from the start of `bytes`. A CONNECT has its own bounds. Any other head may
// have `max_len` bytes (at most HEAD_MAX_LEN) in as few lines as it likes. With HEAD_BAD and HEAD_TOO_LARGE, `*out_why`
// is a few words for the answer, in static memory. `*out` is valid with HEAD_OK only, except that `method_text` and
// `target` are set whenever the request line itself was readable, and empty otherwise.
enum head_result request_head_parse(struct slice bytes, size_t max_len, struct message_head *out,
                                    const char **out_why);

// request_head_parse_introduced does the same for a sender that may say whose request it is (client_cert.h): its CONNECT has the
// bounds of any other head.
enum head_result request_head_parse_introduced(struct slice bytes, size_t max_len,
                                               struct message_head *out, const char **out_why);

// response_head_parse reads one response head from the start of `bytes`. `is_for_head`: the request was a HEAD, so there
// is no body whatever the fields say. `*out_why` as in request_head_parse. `*out` is valid with HEAD_OK only.
enum head_result response_head_parse(struct slice bytes, bool is_for_head, struct message_head *out,
                                     const char **out_why);

// response_head_parse_own does the same with a head that the proxy itself has written.
enum head_result response_head_parse_own(struct slice bytes, bool is_for_head,
                                         struct message_head *out, const char **out_why);
