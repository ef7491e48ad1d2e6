// http2_options: what a listener says about HTTP/2.
#pragma once

#include <stdint.h>

struct http2_options {
    uint32_t streams; // open at the same time; 0: HTTP/2 is not offered
    uint32_t window;  // bytes; the most that a stream's window grows to
    uint32_t memory;  // bytes; of what all streams together may be sent before it is read
};
