// http2_options: what a listener says about HTTP/2.
#pragma once

#include <stdint.h>

enum { HTTP2_FIRST_WINDOW = 16 * 1024 }; // bytes that each stream may be sent at first

struct http2_options {
    uint32_t streams; // open at the same time; 0: HTTP/2 is not offered
    uint32_t window;  // bytes; the most that a stream's window grows to
    uint32_t
        fields; // bytes of a header list, counted as in RFC 9113 10.5.1; 0: REQUEST_FIELDS_MAX_SIZE
    uint32_t memory; // bytes that all streams together may be sent before they are read
    int64_t
        age_ms; // after that a connection takes no further requests, so that the client makes a new one
};
