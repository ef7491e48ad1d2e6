// ocsp_note: what one process tells the next about a certificate that an OCSP responder does not call good, as bytes. Pure.
//
// In big endian, and nothing follows: `r` (revoked) or `u` (unknown); 1 or 0 for asked with a nonce or without; thisUpdate and
// nextUpdate, 8 bytes each; the digests of issuer and anchor; `timeout` in ms, 4 bytes; then, each with its length in two bytes
// before it: serial, URL, the issuer's name, the issuer's key.
#pragma once

#include "auth/base/err.h"
#include "auth/http_url.h"
#include "auth/ocsp_answer.h"
#include "auth/ocsp_request.h"

enum {
    OCSP_NOTE_FORMAT = 1,  // another number is another language
    OCSP_NOTE_MAX = 16000, // bytes
};

// ocsp_note is what is known of one certificate. What it points to is borrowed, of a note that was read from its bytes.
struct ocsp_note {
    enum ocsp_status status; // OCSP_REVOKED or OCSP_UNKNOWN
    bool has_nonce;
    int64_t this_update_s; // Unix seconds
    int64_t next_update_s;
    int64_t timeout_ms;
    const uint8_t *authority; // CERT_DIGEST_LEN bytes; see ocsp_query.h
    const uint8_t *anchor;    // likewise
    struct ocsp_subject subject;
    struct http_url url;
};

// ocsp_note_parse reads a note, strictly. ERR_INPUT: it is malformed.
enum err ocsp_note_parse(struct slice bytes, struct ocsp_note *out) MUST_USE;

// ocsp_note_format writes a note to `out` of OCSP_NOTE_MAX bytes and gives its length. 0: it is longer than that.
size_t ocsp_note_format(const struct ocsp_note *note, uint8_t out[OCSP_NOTE_MAX]) MUST_USE;
