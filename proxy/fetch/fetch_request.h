// fetch_request: a question for an HTTP server, as values and as bytes (RFC 9110, RFC 9112).
//
// Pure. GET or POST, nothing that identifies the proxy beyond `User-Agent: sallyport`, no cookies, no compression.
#pragma once

#include "auth/base/text.h"
#include "auth/http_url.h"

struct server_trust;

enum {
    FETCH_FIELD_CAP = 256,       // bytes of a value that is given or kept, with the NUL
    FETCH_MAX_POST = 256 * 1024, // bytes of the content of a POST
    // bytes that fetch_request_append adds at most, beside the content
    FETCH_REQUEST_HEAD_CAP = HTTP_URL_MAX_LEN + 4 * FETCH_FIELD_CAP + 512,
};

// fetch_request is all borrowed for the call that it is given to.
struct fetch_request {
    const struct http_url *url;
    struct server_trust *tls;  // of an https:// URL; a reference is taken; NULL: such a URL fails
    const char *accept;        // NULL: anything
    const char *content_type;  // with it, it is a POST of `content`; NULL: a GET
    struct slice content;      // up to FETCH_MAX_POST bytes
    const char *etag;          // If-None-Match (RFC 9110 13.1.2); NULL or empty: none
    const char *last_modified; // If-Modified-Since (RFC 9110 13.1.3); NULL or empty: none
    size_t max_body;           // bytes; a longer one is FETCH_TOO_LARGE
    int64_t timeout_ms;        // for everything, from start to the last byte
    bool keeps;                // the connection may serve further questions
};

// fetch_request_is_sound tells whether it can be asked at all: values that fit and have no control bytes.
bool fetch_request_is_sound(const struct fetch_request *request);

// fetch_request_append writes a sound one: its head, and the content of a POST.
void fetch_request_append(const struct fetch_request *request, struct text *out);
