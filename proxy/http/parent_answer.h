// parent_answer: what another proxy answers to a CONNECT (RFC 9110 9.3.6): a tunnel, a refusal, or nothing that can be
// understood.
//
// Pure. Of a refusal only the status, when to ask again and Proxy-Status (RFC 9209) are kept, within bounds: the client gets
// an answer of our own.
#pragma once

#include "proxy/http/head.h"

enum {
    PARENT_ANSWER_MAX_LEN = 16 * 1024, // bytes of all heads together
    PARENT_ANSWER_MAX_INTERIM = 8,
    PARENT_PROXY_STATUS_CAP = 257, // bytes, with the NUL
    PARENT_RETRY_AFTER_MAX = 3600, // seconds
};

enum parent_answer_kind {
    PARENT_ANSWER_MORE, // it is not complete
    PARENT_ANSWER_TUNNEL,
    PARENT_ANSWER_REFUSAL,
    PARENT_ANSWER_BAD, // malformed, or over a bound
};

struct parent_answer {
    enum parent_answer_kind kind;
    size_t len;             // of a tunnel: bytes of the heads; what follows belongs to the tunnel
    uint16_t received;      // of a refusal: the status that has come
    uint16_t status;        // of a refusal: the one that is passed on
    uint32_t retry_after_s; // of a 429; 1 where it does not say
    const char *why;        // of a bad one: a few words, static memory
    char proxy_status[PARENT_PROXY_STATUS_CAP]; // the members, in one line; "": none, or unfit
};

// parent_answer_read reads what has come so far. Interim heads (1xx) are skipped.
void parent_answer_read(struct slice bytes, struct parent_answer *out);
