// forge_crl: revocation lists for tests, good ones and every kind of bad one.
//
// A plan with nothing but an issuer makes a sound, empty list; each further field bends one thing.
#pragma once

#include "tests/unit/cert/forge.h"

enum { FORGE_MAX_SERIALS = 8 };

struct forge_crl_plan {
    const struct forged *issuer;        // signs it
    const struct forged *named;         // has the name that stands in it; NULL: the issuer
    int64_t serials[FORGE_MAX_SERIALS]; // revoked; 0 ends the list
    struct slice serial_der;            // one more, the INTEGER's content as it is
    size_t filler_count;                // entries with 16-byte serials, see forge_filler
    int reason;                         // of every entry; 0: without
    int64_t number;                     // 0: 1
    struct slice number_bytes;          // in place of `number`
    int64_t this_update_s;              // 0: a day before
    int64_t next_update_s;              // 0: a day after
    bool has_no_next_update;
    bool has_no_number;
    bool has_critical_number;
    bool has_number_twice;
    bool has_no_key_id;
    bool is_v1; // no version and no extensions
    bool is_delta;
    bool is_indirect;
    bool is_for_some_reasons;
    bool is_for_attributes;
    bool is_for_leaves;
    bool is_for_cas;
    const char *points[FORGE_MAX_NAMES]; // URIs of its distribution point; NULL: a list of all
    bool has_directory_point;            // of a distribution point without URI
    bool has_unknown_critical;
    bool has_unknown_soft;
    bool has_entry_issuer;
    bool has_critical_in_entry;
    bool has_other_key_id; // of nobody
    bool is_sha1;
    bool has_other_inner_algorithm;
    bool has_broken_signature;
};

// forge_crl makes one list in DER; it lives as long as the workshop.
struct slice forge_crl(struct workshop *workshop, const struct forge_crl_plan *plan);

// forge_crl_pem gives a list as PEM.
struct slice forge_crl_pem(struct workshop *workshop, struct slice der);

enum { FORGE_FILLER_LEN = 16 };

// forge_filler writes the serial of the filler with this index. They are not in order.
void forge_filler(size_t index, uint8_t out[FORGE_FILLER_LEN]);
