// chain: one presented chain, judged against a profile's anchors and helpers. Private to auth.
//
// The procedure, RFC 5280 section 6, for one chain at one moment:
//   1. Parse: at most 16 certificates and 64 KiB (work_limit), every one readable, in DER, the
//      leaf's extensions well formed (bad_certificate).
//   2. Search paths from the leaf upwards over names and key identifiers. An anchor ends a path;
//      presented certificates and helpers only ever stand between. None ends at an anchor:
//      unknown_ca, or missing_intermediate where the missing issuer is akin to an anchor.
//   3. Judge each path until one is good: length, key and signature floor, every issuer a CA
//      (chain_too_long, weak_key, bad_purpose); then X509_verify_cert with this one anchor as all
//      that is trusted: extensions, purpose and path lengths from the leaf up, signatures from the
//      anchor down, name constraints; what it leaves undone of these is in constraints.h. Then validity.
//   4. What the library does not look at: the anchor's own pathlen and purpose, digitalSignature
//      in the leaf's key usage, the leaf's lifetime, signs of a CA in a leaf that is none; with
//      `strict` the letter of RFC 5280.
//   5. Denied certificates and revocation lists, for the path as it was built.
// The reason is that of the first path, unless that is a bad signature and a later one fails for
// something else (two CAs of one name). So trust comes before time: an expired certificate of an
// unknown CA is unknown_ca. Names compared and signatures checked are counted
// (work_limit): the worst that was measured is some 16 ms (tests/bench/hostile.py).
#pragma once

#include <openssl/x509.h>
#include <stdbool.h>

#include "auth/base/err.h"
#include "auth/reason.h"
#include "auth/crl_wishes.h"
#include "auth/revocation.h"

enum {
    CHAIN_MAX_CERTIFICATES = 16,   // presented
    CHAIN_MAX_BYTES = 64 * 1024,   // presented
    CHAIN_MAX_PATH = 10,           // certificates of one path, leaf and anchor included
    CHAIN_MAX_SIGNATURES = 32,     // checked for one presented chain
    CHAIN_MAX_COST = 200,          // of them together, as strength.h counts
    CHAIN_MAX_COMPARISONS = 20000, // of names, for one presented chain
    CHAIN_MAX_CONSTRAINTS = 50000, // comparisons of names with constraints, likewise
};

// presented_chain is what the client sent, parsed. All owned.
struct presented_chain {
    X509 *certs[CHAIN_MAX_CERTIFICATES]; // leaf first
    size_t count;
};

// chain_set is what a chain is judged against; all borrowed, none of it changes.
struct chain_set {
    const STACK_OF(X509) *anchors;
    // would be anchors if they were valid; only ever named in a detail
    const STACK_OF(X509) *left_out;
    const STACK_OF(X509) *helpers;
    X509_STORE *store; // empty: nothing is trusted but the anchor that a path ends in
    const struct revocation *revocation;
    const struct trust_options *options;
    struct crl_wishes *wishes; // what verified certificates name is noted here; NULL: nowhere
    struct slice understood;   // OIDs of extensions that may be critical in the leaf
};

// chain_finding is the verdict on a chain.
struct chain_finding {
    enum reason reason;          // REASON_NONE when the chain is good
    const char *detail;          // static memory; "" when good
    struct chain_record *record; // owned by the caller; NULL unless the chain is good
    // Kinds of names that a CA of the path constrains, whose SANs must be beyond doubt.
    bool has_dns_constraint;
    bool has_email_constraint;
    bool has_uri_constraint;
};

// chain_parse reads the certificates. ERR_DENIED with the reason in `*out_finding`; `out` may then
// hold those that could be read, the leaf first if at all, and is to be given to chain_deinit too.
enum err chain_parse(const STACK_OF(CRYPTO_BUFFER) *buffers, struct presented_chain *out,
                     struct chain_finding *out_finding) MUST_USE;

// chain_deinit frees what chain_parse made.
void chain_deinit(struct presented_chain *chain);

// chain_judge judges a parsed chain at `now_s` and fully writes `*out`. ERR_OK, ERR_DENIED,
// ERR_MEMORY.
enum err chain_judge(const struct chain_set *set, const struct presented_chain *chain,
                     int64_t now_s, struct chain_finding *out) MUST_USE;
