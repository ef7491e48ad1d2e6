// revocation_list: a CRL (RFC 5280 section 5), version 2, full, made and signed.
//
// Knows no files and no index; the caller gives the rows and a number that only grows.
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

// revocation_list_format makes a CRL in the name of `issuer`, signs it and writes it as PEM; `*out`
// is the caller's. ERR_MEMORY.
enum err revocation_list_format(const struct revocation_plan *plan, X509 *issuer, EVP_PKEY *key,
                                struct pem *out) MUST_USE;
