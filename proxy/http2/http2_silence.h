// http2_silence: how long the other side of a connection may say nothing before it is asked whether it is there, and how
// long it has to answer (PING, RFC 9113 6.7).
//
// Pure: time is an argument.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct http2_silence {
    int64_t heard_ms; // monotonic; when bytes of the other side came last
    bool is_asked;    // it was sent a PING since then
};

// http2_silence_ends_ms gives the monotonic time at which the other side is to be asked or, where it was, is gone. Bytes that
// come before put it off.
int64_t http2_silence_ends_ms(const struct http2_silence *silence);
