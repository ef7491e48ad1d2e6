// crl: one certificate revocation list (RFC 5280 section 5), read once into a compact index.
//
// The procedure:
//   1. Parse: a CertificateList in DER, nothing after it. Extensions and entries that change what
//      the list means and that are not understood make it not loadable: delta, indirect, split by
//      reason or distribution point, for attribute certificates, unknown and critical.
//   2. Index: the serials as fixed-width numbers, sorted. An entry costs as many bytes as the
//      longest serial has, at most 32.
//   3. Verify: a certificate of the profile that has the issuer's name and may sign CRLs must have
//      signed it. When none has the name, the list waits: its digest and signature are kept until a
//      verified chain brings the issuer's key. Before that it says nothing about anybody.
// Immutable afterwards and counted by reference; look-ups from any thread. Knows no files and no clock.
#pragma once

#include <openssl/x509.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "auth/base/err.h"
#include "auth/base/slice.h"
#include "auth/base/text.h"
#include "auth/cert_id.h"
#include "auth/crl_points.h"
#include "auth/crl_signature.h"
#include "auth/verification.h"

enum {
    CRL_SERIAL_MAX = CERT_SERIAL_MAX, // bytes
    CRL_NUMBER_MAX = 20,              // bytes, as RFC 5280 says
    CRL_MAX_ENTRIES = 1 << 24,        // 16 million
};

// crl is a list on the heap; all may read its fields.
struct crl {
    atomic_size_t refs;
    char *issuer;          // owned; RFC 4514
    int64_t this_update_s; // Unix seconds
    int64_t next_update_s; // Unix seconds
    bool has_number;
    size_t number_len;
    uint8_t number[CRL_NUMBER_MAX]; // big-endian, no leading zeros
    bool covers_leaves;
    bool covers_cas;
    struct crl_points points; // that it is the list of; not there for a list of all certificates
    uint8_t name[CERT_DIGEST_LEN];   // cert_id_of_name of its issuer
    uint8_t key_id[CERT_DIGEST_LEN]; // SHA-256 of its authority key identifier; zeros without one
    bool has_authority;              // it is known who signed it
    uint8_t authority[CERT_DIGEST_LEN]; // as cert_id_of_authority made it
    // its issuer was not known when it was read; its signature is kept, and crl_verify will tell
    bool is_waiting;
    uint8_t digest
        [CERT_DIGEST_LEN]; // of what is signed and of the signature; zeros where that is too weak
    struct crl_signature signature;
    size_t width;     // bytes of one serial in the index
    size_t count;     // entries that revoke
    uint8_t *serials; // owned; count x width bytes, sorted, with leading zeros
};

// crl_signers are the certificates that a list may be signed by, and how strictly it is read.
struct crl_signers {
    X509 *const *certs; // borrowed
    size_t count;
    bool is_strict; // RFC 5280 to the letter: version 2, CRL number and authority key identifier
};

// crl_create reads one list in DER. `der` is only borrowed for the call. A list whose issuer's name
// none of the signers has (or only namesakes, by the key identifiers) is read too, and waits for its
// issuer; one below the floor for signatures has no authority for ever. ERR_INPUT, ERR_LIMIT or ERR_MEMORY
// with the sentence in `info`; ERR_INPUT also when a signer has the name and the signature is not its,
// or is below the floor, ERR_LIMIT also for one that would wait and is signed with Ed25519 and larger
// than CRL_SIGNATURE_MAX_KEPT.
enum err crl_create(struct slice der, const struct crl_signers *signers, struct crl **out,
                    struct errinfo *info) MUST_USE;

// crl_ref takes another reference and returns its argument. Any thread.
struct crl *crl_ref(struct crl *crl);

// crl_unref gives one back; the last one frees it. NULL is allowed. Any thread.
void crl_unref(struct crl *crl);

// crl_soon_s gives from when on, in Unix seconds, a list ends soon that is good from `this_update_s` to `next_update_s`: in the last
// quarter of its life, and in its last seven days at the most. Pure.
int64_t crl_soon_s(int64_t this_update_s, int64_t next_update_s);

// crl_has_serial tells whether a certificate with this serial is revoked: big-endian, no leading
// zeros. Under a microsecond with a million entries.
bool crl_has_serial(const struct crl *crl, struct slice serial);

// crl_verify tells whether the owner of `key`, a SubjectPublicKeyInfo that is not below the floor, has signed a list
// that waits. VERIFICATION_UNKNOWN without memory. Costs one verification; no list is hashed, but one with Ed25519.
enum verification crl_verify(const struct crl *crl, struct slice key) MUST_USE;

// crl_has_same_points tells whether both are of the same distribution point, or both of none.
bool crl_has_same_points(const struct crl *a, const struct crl *b);

// crl_covers_kinds_of tells whether `crl` speaks for CAs and for other certificates where `other` does.
bool crl_covers_kinds_of(const struct crl *crl, const struct crl *other);

// crl_covers_points_of tells whether `crl` is of every distribution point that `other` is of, or of none, which is all.
bool crl_covers_points_of(const struct crl *crl, const struct crl *other);

// crl_compare_scope orders lists by whom they speak of: 0 when both speak of the same certificates.
int crl_compare_scope(const struct crl *a, const struct crl *b);

// crl_is_same tells whether both are one list: the same bytes are signed, and by the same signature.
bool crl_is_same(const struct crl *a, const struct crl *b);

// crl_claims_same_issuer tells whether both say that they are of the same CA, by its name and by a key identifier that both
// have. Anybody can write that.
bool crl_claims_same_issuer(const struct crl *a, const struct crl *b);

// crl_is_older tells whether `crl` was issued before `other`: by thisUpdate, and when these are equal by
// CRL number, where both have one.
bool crl_is_older(const struct crl *crl, const struct crl *other);

// crl_has_lower_number tells whether both have a CRL number and that of `crl` is the lower one.
bool crl_has_lower_number(const struct crl *crl, const struct crl *other);

// crl_format_number appends the CRL number, decimal up to 64 bits, else hexadecimal after `0x`;
// `none` without one.
void crl_format_number(const struct crl *crl, struct text *out);
