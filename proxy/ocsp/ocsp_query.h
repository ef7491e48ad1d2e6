// ocsp_query: a certificate that the book is asked about, and how many of them it has room for.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "auth/http_url.h"
#include "auth/ocsp_request.h"

enum {
    OCSP_BOOK_MAX = 10000,        // entries that nobody has to hold
    OCSP_BOOK_MAX_KEPT = 10000,   // further ones that say revoked or unknown
    OCSP_BOOK_MAX_HELD = 200000,  // entries that somebody holds or nobody has to
    OCSP_BOOK_PLACES = 2048,      // responders, each for one issuer
    OCSP_BOOK_PLACES_EACH = 1024, // of them for the chains of one anchor
    OCSP_BOOK_URLS = 16,          // of them that the certificates of one issuer may name
};

// ocsp_query is one certificate and whom to ask about it. All borrowed.
struct ocsp_query {
    const uint8_t *authority; // CERT_DIGEST_LEN bytes; key and name of the issuer, see cert_id.h
    const uint8_t *anchor;    // likewise; the chain's last certificate: it answers for the room
    struct ocsp_subject subject;
    const struct http_url *url;
    int64_t timeout_ms;
    bool has_nonce;
};
