// revocation_list: makes and signs one complete CRL, version 2 (RFC 5280 section 5).
//
// Knows no files. The caller gives the entries of the index and a number that only grows.
#pragma once

#include <openssl/x509.h>

#include "proxy/pki/index.h"
#include "proxy/pki/keypair.h"

struct revocation_plan {
    const struct index_entry *entries; // the revoked ones among them are listed
    size_t entry_count;
    bool is_of_cas;        // lists INDEX_CA alone, else everything else
    uint64_t number;       // CRL number
    int64_t this_update_s; // Unix seconds
    int64_t next_update_s;
};

// revocation_list_write makes a CRL in the name of `issuer`, signs it, and appends it to `out` as PEM. False: no memory.
bool revocation_list_write(const struct revocation_plan *plan, X509 *issuer, EVP_PKEY *key,
                           BIO *out) MUST_USE;
