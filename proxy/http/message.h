// message: the heads that are passed on: the received head without the fields that belong to one connection, with our
// own framing and `Via` (RFC 9110 7.6, RFC 9112 6).
//
// Pure. Every head is written again from the values that were read, never copied as a whole, so the next reader reads
// what we have read.
#pragma once

#include "proxy/http/absolute_url.h"
#include "proxy/http/head.h"

enum {
    // bytes that a passed-on head may be longer than the one that came, at most; beside a
    // byte a field, and two for each byte of the path that is above ASCII
    MESSAGE_EXTRA_CAP = 1024,
};

struct request_out {
    const struct message_head *head;
    const struct absolute_url *url;
    bool is_last; // no further request will be sent on this connection
};

// message_append_request appends the head that goes to the target, in origin-form.
void message_append_request(const struct request_out *request, struct text *out);

struct response_out {
    const struct message_head *head;
    enum body_kind body;       // how the body is framed for the client
    bool is_persistent;        // the client's connection goes on
    uint8_t for_minor_version; // the client's
};

// message_append_response appends the head that goes to the client. Of an interim response (1xx) it is the
// whole of it; of a 101 the Upgrade is passed on.
void message_append_response(const struct response_out *response, struct text *out);
