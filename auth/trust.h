// trust: a trust profile (anchors, helpers, limits) and the verification of a client's chain
// against it (RFC 5280 section 6, purpose clientAuth).
//
// Immutable once built; verification may run on any thread at once. No files, no clock: PEM comes
// as bytes, time as an argument. The work on one chain is bounded by counts, not by time.
#pragma once

#include <openssl/x509.h>

#include "auth/identity.h"
#include "auth/reason.h"

enum {
    TRUST_CHAIN_MAX_CERTIFICATES = 16,
    TRUST_CHAIN_MAX_BYTES = 64 * 1024,
    TRUST_DEFAULT_MAX_DEPTH = 3, // intermediates between leaf and anchor
};

struct trust;

struct trust_options {
    const char *name;       // of the profile; copied
    uint32_t max_depth;     // intermediates between leaf and anchor; never more than 8
    int64_t max_lifetime_s; // a leaf issued for longer is refused; 0 = no limit
};

// trust_create makes an empty profile.
enum err trust_create(const struct trust_options *options, struct trust **out) MUST_USE;

// trust_destroy frees it. NULL is allowed.
void trust_destroy(struct trust *trust);

// trust_add_ca reads every certificate in `pem`: a self-issued one is an anchor; another one is a
// helper when its issuer is also in the profile (signature included), and an anchor when not:
// decided by trust_finish, over everything added. ERR_INPUT with the reason in `info` when there is
// no certificate in it, or one that cannot be read, is no CA (basicConstraints CA:TRUE, keyCertSign
// where there is a key usage) or has a critical extension that is not understood, or a private key.
// The same certificate twice counts once.
enum err trust_add_ca(struct trust *trust, struct slice pem, struct errinfo *info) MUST_USE;

// trust_add_intermediates reads helpers for chain building; they are never anchors.
enum err trust_add_intermediates(struct trust *trust, struct slice pem,
                                 struct errinfo *info) MUST_USE;

// trust_finish sorts out anchors and helpers; afterwards the profile is immutable. `now_s` is Unix
// seconds: an anchor outside its validity is ERR_INPUT. No anchor at all is ERR_INPUT.
enum err trust_finish(struct trust *trust, int64_t now_s, struct errinfo *info) MUST_USE;

// What `check` says about a profile: its certificates in the order added.
struct trust_certificate {
    const char *subject; // RFC 4514, borrowed from the profile
    bool is_anchor;      // else a helper
    int64_t not_after_s; // Unix seconds
    const char *warning; // NULL, or a sentence, such as a basicConstraints that is not critical
};
size_t trust_certificate_count(const struct trust *trust);
struct trust_certificate trust_certificate_at(const struct trust *trust, size_t index);

const char *trust_name(const struct trust *trust);

// trust_client_ca_names gives the subjects of the anchors for a CertificateRequest, each a DER Name
// in a CRYPTO_BUFFER; the caller owns the stack (sk_CRYPTO_BUFFER_pop_free). NULL without memory.
STACK_OF(CRYPTO_BUFFER) *trust_client_ca_names(const struct trust *trust) MUST_USE;

// trust_verdict is what verification found. On ERR_OK from trust_verify `identity` is set and owned
// by the caller; otherwise `reason` says why not, `detail` is one sentence for a person, and
// `presented` holds what the leaf claims, where it could be read (owned by the caller, may be
// NULL).
struct trust_verdict {
    enum reason reason;         // REASON_NONE when accepted
    const char *detail;         // static memory; "" when accepted
    struct identity *identity;  // owned by the caller; NULL unless accepted
    struct identity *presented; // owned by the caller; NULL when accepted or unreadable
    int64_t not_after_s;        // the earliest of the chain, Unix seconds
    uint32_t depth;             // intermediates between leaf and anchor, when accepted
};

// trust_verify judges a presented chain (leaf first, the rest in any order) at `now_s`. ERR_OK,
// ERR_DENIED with a reason, or ERR_MEMORY (also with reason no_memory). `*out` is fully written.
// Floors, always: RSA >= 2048, P-256/384/521, Ed25519, SHA-256 or better (an anchor's own signature
// excepted) else weak_key; every leaf has clientAuth (or no EKU) and, with a KU, digitalSignature.
//
// When several things are wrong, the reason is the first of: no_certificate, work_limit (size),
// bad_certificate (cannot be read); unknown_ca, missing_intermediate; chain_too_long; weak_key;
// bad_purpose and bad_certificate (extensions), bad_signature, not_yet_valid and expired,
// name_constraint; too_long_lived. A CA of the same name as an anchor's, but another key, is
// unknown_ca where the key identifiers tell, and bad_signature where there are none.
// missing_intermediate is a strong hint: the issuer's name is an anchor's but for the CN, or the
// authority key identifier names an anchor as the issuer's issuer; else it is unknown_ca.
// A self-signed anchor is good as a client's certificate too, if it is fit for one.
enum err trust_verify(const struct trust *trust, const STACK_OF(CRYPTO_BUFFER) *chain,
                      int64_t now_s, struct trust_verdict *out) MUST_USE;
