// forge_ocsp: answers of OCSP responders for tests, good ones and every kind of bad one.
//
// A plan with nothing but an issuer and a serial makes a sound answer, signed by the issuer; each further field bends
// one thing.
#pragma once

#include "auth/ocsp_response.h"
#include "tests/unit/cert/forge.h"

struct forge_ocsp_plan {
    const struct forged *issuer; // of the certificate
    int64_t serial;              // of the certificate
    enum ocsp_status status;     // good
    int64_t other_serials[4]; // further certificates that it calls good, in front; 0 ends the list
    bool has_second;          // the certificate again, with `second_status`
    enum ocsp_status second_status; //
    const struct forged *signer;    // NULL: the issuer
    const struct forged *named;     // whom the answer names as its responder; NULL: the signer
    const struct forged *certs[12]; // that come along; NULL ends the list
    bool is_by_key;                 // the responder is named by its key
    int hash_nid;                   // of the CertID; 0: SHA-1
    const struct forged *id_issuer; // whose name and key are in the CertID; NULL: the issuer
    int64_t this_update_s;          // 0: an hour before FORGE_NOW_S
    int64_t next_update_s;          // 0: an hour after
    bool has_no_next_update;
    int64_t produced_s; // 0: as this_update_s
    int reason;         // of the revocation; 0: none
    struct slice nonce;
    bool has_nonce_twice;
    bool has_unknown_critical; // extension of the whole
    bool has_critical_single;  // of the certificate's status
    bool has_critical_other;   // of the others' statuses
    bool has_archive_cutoff;   // critical
    bool has_soft_extension;
    int response_status; // of the outside
    bool has_no_bytes;
    bool is_other_type;
    bool is_version_2;
    bool has_written_version; // v1 written out, against DER
    bool has_wrong_status_tag;
    bool has_fraction;   // in thisUpdate
    bool is_utc_time;    // thisUpdate
    bool has_tail;       // a byte after the whole
    bool has_inner_tail; // after the BasicOCSPResponse
    bool has_broken_signature;
    bool is_sha1;        // signed with
    bool is_empty;       // no SingleResponse at all
    bool has_bad_cert;   // what comes along is no certificate
    size_t filler_count; // statuses of certificates with the serials 500000 and rising, in front
};

// forge_ocsp makes one answer in DER; it lives as long as the workshop.
struct slice forge_ocsp(struct workshop *workshop, const struct forge_ocsp_plan *plan);

// forge_ocsp_subject gives what is asked about; borrowed from the workshop.
struct ocsp_subject forge_ocsp_subject(struct workshop *workshop, const struct forged *issuer,
                                       int64_t serial);
