// response_head: the head of an HTTP/1.x response as values (RFC 9112 4-6), read as strictly as that of a request: a
// response without plain framing is refused, and never passed on.
//
// Pure.
#pragma once

#include "proxy/http/head.h"

enum {
    RESPONSE_HEAD_MAX_LEN = 32 * 1024,      // bytes, with the empty line
    RESPONSE_HEAD_MAX_LINE_LEN = 16 * 1024, // bytes of one line
    RESPONSE_HEAD_MAX_FIELDS = 200,
};

struct response_head {
    uint16_t status;       // 100-599
    uint8_t minor_version; // 0 or 1 of HTTP/1.x
    struct slice reason;   // may be empty; borrowed from the input, like all slices here
    bool is_persistent;    // the target means to take more requests on this connection
    bool has_close;        // Connection: close
    bool has_length;       // a Content-Length; for HEAD and 304 it is no body's
    bool is_chunked;       // Transfer-Encoding: chunked; likewise
    bool is_websocket;     // Upgrade: websocket with its Connection option
    enum body_kind body;
    uint64_t length;     // of the Content-Length
    struct slice fields; // all field lines, for field_next
    size_t len;          // bytes of the head, with the empty line
};

// response_head_parse reads one head from the start of `bytes`. `is_for_head`: the request was a HEAD, so
// that there is no body whatever the fields say. `*out_why` as of request_head_parse. `*out` is valid with
// HEAD_OK only.
enum head_result response_head_parse(struct slice bytes, bool is_for_head,
                                     struct response_head *out, const char **out_why);
