// handshake_failure: what a failed TLS handshake of a client is in the words of the audit. Pure.
#pragma once

#include "auth/reason.h"
#include "proxy/tls/failure_text.h"
#include "proxy/tls/tls_stream.h"

// handshake_judgement is what was said of the client's certificate. REASON_NONE: nothing.
struct handshake_judgement {
    enum reason reason;
    const char *detail; // borrowed; or NULL
};

// handshake_failure_reason gives why it failed; REASON_TIMEOUT while it has not.
enum reason handshake_failure_reason(const struct tls_stream *tls,
                                     const struct handshake_judgement *judgement);

// handshake_failure_detail gives a sentence about it, or "": static memory, or the judgement's.
const char *handshake_failure_detail(const struct tls_stream *tls, enum reason reason,
                                     const struct handshake_judgement *judgement);

// handshake_failure_code gives TLS's own word for it as a token, in `out`, or NULL where it says nothing, or nothing more
// than the reason.
const char *handshake_failure_code(const struct tls_stream *tls, char out[FAILURE_CODE_CAP]);

// handshake_alert gives the alert for a certificate that was refused for this reason.
enum tls_alert handshake_alert(enum reason reason);
