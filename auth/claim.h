// claim: an identity from what is said of a certificate, without the certificate: what an audit record has
// kept of it, or what somebody asks `sallyport explain` about. For questions about policy only: nothing
// is verified, so it must never come near a connection.
#pragma once

#include "auth/identity.h"

struct claimed_san {
    enum san_kind kind;
    struct slice text; // SAN_IP as an address in text
};

// claim is what is said. What is left out (empty, NULL, 0) is not there, and fits no entry that asks for it.
struct claim {
    const char *trust_name; // the profile that is to count as having verified it
    struct slice subject;   // RFC 4514
    struct slice issuer;    // RFC 4514
    const struct claimed_san *sans;
    size_t san_count;
    const struct extension *extensions;
    size_t extension_count;
    struct slice policies;      // OIDs, a set (extension.h)
    struct slice qc;            // likewise
    struct slice serial;        // big-endian bytes
    const uint8_t *sha256;      // 32 bytes, of the certificate
    const uint8_t *spki_sha256; // 32 bytes, of its public key
    int64_t not_after_s;        // Unix seconds
};

// claim_to_identity makes the identity that a certificate with these names would have; the caller owns it.
// Names count as usable by the same test as a certificate's own. ERR_INPUT for a name that cannot be read
// and ERR_LIMIT for too many or too long ones, with the sentence in `info`; ERR_MEMORY.
enum err claim_to_identity(const struct claim *claim, struct identity **out,
                           struct errinfo *info) MUST_USE;
