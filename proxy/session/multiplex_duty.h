// multiplex_duty: what an HTTP/2 connection of a client has to do though nothing has happened, and when.
//
// Pure: time is an argument. It decides; multiplex.c does it.
#pragma once

#include "proxy/http2/http2_silence.h"

// How far the client was told that no further requests are taken (GOAWAY, RFC 9113 6.8).
enum farewell { FAREWELL_NONE, FAREWELL_NOTICE, FAREWELL_SAID };

enum multiplex_duty {
    MULTIPLEX_NOTICE, // the first word of the farewell: the connection is old, or its certificate about to end
    MULTIPLEX_FAREWELL, // the last word
    MULTIPLEX_SETTINGS, // the client had its time to acknowledge our SETTINGS (RFC 9113 6.5.3)
    MULTIPLEX_SILENCE,  // see http2_silence.h
};

// What the duties of a connection depend on. All times are monotonic milliseconds.
struct multiplex_times {
    int64_t begun_ms;
    int64_t age_ms;     // how old it may become
    int64_t expires_ms; // when the client's certificate ends; INT64_MAX: never
    enum farewell farewell;
    int64_t notice_ms; // when the first word was said; with FAREWELL_NOTICE
    bool is_settled;   // the client has taken our SETTINGS
    struct http2_silence silence;
};

// What is due next.
struct multiplex_due {
    enum multiplex_duty duty;
    int64_t at_ms; // monotonic
};

// multiplex_duty_next gives what is due first. Of two at the same time it is the one that stands first in the enum.
struct multiplex_due multiplex_duty_next(const struct multiplex_times *times);
