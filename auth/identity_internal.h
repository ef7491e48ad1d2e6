// What the two ways to an identity share: from a certificate (identity.c), and from what somebody says of
// one (claim.c).
#pragma once

#include "auth/identity.h"

struct identity {
    size_t other_owners;         // beside the first one; see identity_share
    char *trust_name;            // owned
    struct chain_record *record; // owned; NULL when only presented
    struct dn subject;
    struct dn issuer;
    struct san *sans;   // owned
    uint8_t *san_bytes; // owned; what the values of `sans` point into
    size_t san_count;
    size_t serial_len;
    uint8_t serial[IDENTITY_SERIAL_MAX];
    uint8_t sha256[IDENTITY_DIGEST_LEN];
    uint8_t spki_sha256[IDENTITY_DIGEST_LEN];
    int64_t not_before_s;
    int64_t not_after_s;
};

// san_is_spiffe tells whether it is a SPIFFE id; a leaf with two of them is nobody by URI.
bool san_is_spiffe(const struct san *san);
