// trust_internal: what the two halves of a trust profile share: trust.c (certificates, the verdict)
// and trust_revocation.c (lists, denied certificates, judged again). Private to auth.
#pragma once

#include "auth/revocation.h"
#include "auth/trust.h"

// entry is one certificate of the profile.
struct trust_entry {
    X509 *cert;          // owned
    char *subject;       // owned; RFC 4514
    const char *warning; // static memory, or NULL
    int64_t not_after_s;
    uint8_t sha256[CHAIN_DIGEST_LEN];
    bool is_ca_entry; // came by trust_add_ca, else by trust_add_intermediates
    bool is_anchor;   // known once finished
};

struct trust {
    char *name; // owned
    int64_t max_lifetime_s;
    uint32_t max_depth;
    struct trust_entry *entries; // owned
    size_t entry_count;
    size_t entry_capacity;
    STACK_OF(X509) *anchors;       // owned; the certificates are the entries'
    STACK_OF(X509) *helpers;       // owned; the same
    X509_STORE *store;             // owned; empty for ever, see chain.h
    STACK_OF(X509) *crl_signers;   // owned, with its certificates; beside the entries
    struct revocation *revocation; // owned
    bool is_strict;
    bool keeps_expired_crls;
    bool trusts_every_ca;
    enum trust_purpose purpose;
    bool is_finished;
};
