// ocsp_verdict: what the answers about the certificates of a chain mean for its client: a handshake, a ticket, a request or
// a live tunnel. A pure decision, the same for all of them.
//
// Per certificate, the worst first:
//   1. Revoked: refused, whatever the mode, and for good: an answer that is over still counts until a newer one takes it back.
//   2. Unknown to the responder: refused, whatever the mode.
//   3. No answer, and it can be asked: it is waited for, where the caller can wait.
//   4. No answer otherwise: `require` refuses, `soft` lets in and says so.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "auth/ocsp_answer.h"
#include "auth/reason.h"

// In the words of the configuration.
#define OCSP_MODE_TABLE(X)                                                                         \
    X(OCSP_OFF, "off")                                                                             \
    X(OCSP_SOFT, "soft")                                                                           \
    X(OCSP_REQUIRE, "require")

enum ocsp_mode {
#define X(symbol, name) symbol,
    OCSP_MODE_TABLE(X)
#undef X
};

// ocsp_standing is what is known of one certificate, the better the lower.
enum ocsp_standing {
    OCSP_STANDS_GOOD,    // by an answer that is not over
    OCSP_STANDS_UNASKED, // no answer, and it is worth asking
    OCSP_STANDS_SILENT, // no answer: the responder was asked a moment ago, or does not answer at all
    OCSP_STANDS_CROWDED,  // no answer: there is no room to ask about it now
    OCSP_STANDS_UNPLACED, // no answer: there is nobody whom one may ask
    OCSP_STANDS_UNKNOWN,
    OCSP_STANDS_REVOKED,
};

// ocsp_view is one certificate as a profile sees it.
struct ocsp_view {
    enum ocsp_standing standing;
    enum ocsp_fault
        fault; // without an answer: what came in its place the last time; NONE: nothing yet
};

// ocsp_why is why a certificate has no answer. In static memory.
struct ocsp_why {
    const char *name;     // one word for programs, mostly that of a fault
    const char *sentence; // for people
};

struct ocsp_verdict {
    enum reason reason; // REASON_NONE, revoked, ocsp_unknown, ocsp_unavailable
    const char *detail; // one sentence in static memory; "" with REASON_NONE
    const struct ocsp_why *
        why; // one has no answer: refused (ocsp_unavailable), or let in for all that; NULL: all have
    bool waits; // an answer is to be waited for; `reason` is what holds until then
};

// ocsp_decide decides about a chain of which `count` certificates are asked about, the leaf first. Nothing is asked of none.
struct ocsp_verdict ocsp_decide(enum ocsp_mode mode, const struct ocsp_view *views, size_t count);

// ocsp_mode_name gives its word; static memory.
const char *ocsp_mode_name(enum ocsp_mode mode);
