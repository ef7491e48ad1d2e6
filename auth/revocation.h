// revocation: the revocation lists and the denied certificates of one trust profile. Private to
// auth.
//
// A list speaks for the key and name that signed it, and for the certificates in its scope (RFC 5280
// 5.2.5): all, CAs or others, those of one distribution point. Of several lists of one issuer and scope
// the newest counts. How a certificate is judged:
//   1. Take the lists that have its issuer's name. One that waits for its issuer is verified with the
//      issuer's key from the record, once a key; the answer is remembered. No memory to verify it: nobody knows
//      what it says, and the certificate is refused (no_memory), this time.
//   2. A serial on any list of that name and key is revoked, whatever the list's scope and age.
//   3. A list covers the certificate when it is of its kind, and either of no distribution point, or of one
//      whose URI the certificate names too, or the certificate names none and all lists of the issuer
//      name the same.
//   4. One list that covers it and has not expired is enough; else it is missing, or expired.
// Knows nothing of chains but their records, and nothing of files and clocks. Any thread may judge.
#pragma once

#include "auth/chain_record.h"
#include "auth/crl.h"
#include "auth/reason.h"

enum {
    REVOCATION_MAX_CRLS = 1024,
    REVOCATION_MAX_DENIED = 200000, // twice what a configuration may name: another one adds to it
    REVOCATION_SKEW_S = 300,
    REVOCATION_MAX_CHECKS = 64, // lists verified for one chain; see revocation_judge
};

struct revocation;

// revocation_create makes an empty one. NULL without memory.
struct revocation *revocation_create(void) MUST_USE;

// revocation_copy makes one with the same lists, shared, and the same denied certificates, to which more
// can be added. NULL without memory.
struct revocation *revocation_copy(const struct revocation *base) MUST_USE;

// revocation_destroy frees it. NULL is allowed.
void revocation_destroy(struct revocation *revocation);

// revocation_take_crl adds a list and owns the reference afterwards, whatever comes of it. From then on every
// certificate needs one. ERR_LIMIT, ERR_MEMORY.
enum err revocation_take_crl(struct revocation *revocation, struct crl *crl,
                             struct errinfo *info) MUST_USE;

// revocation_deny adds a certificate that is refused, by a digest: the certificate's SHA-256, or
// what cert_id_of_serial gives. One that was taken over from another is not added again. ERR_LIMIT, ERR_MEMORY.
enum err revocation_deny(struct revocation *revocation,
                         const uint8_t digest[CERT_DIGEST_LEN]) MUST_USE;

// revocation_keep_denied denies what the finished `before` denies; to be called before any revocation_deny.
// ERR_LIMIT, ERR_MEMORY.
enum err revocation_keep_denied(struct revocation *revocation,
                                const struct revocation *before) MUST_USE;

// revocation_finish makes it ready to judge; nothing is added afterwards. ERR_INPUT when a list
// begins more than five minutes after `now_s`, unless revocation_copy has taken it over: the clock may have been set
// back since, and what is in force must not keep newer lists out. Until it has begun it covers nobody.
enum err revocation_finish(struct revocation *revocation, int64_t now_s,
                           struct errinfo *info) MUST_USE;

// revocation_rules say what of the lists counts.
struct revocation_rules {
    bool keeps_expired; // a list that has expired still counts
    bool is_leaf_only;  // only the leaf needs a list; whom a list names is revoked all the same
};

// revocation_judge judges a path at `now_s`: REASON_NONE, or denied_certificate, revoked,
// no_memory, crl_missing, crl_expired: the first of them that holds for any of its certificates. Denied counts
// for all of them, the anchor included; lists for all below the anchor. `*out_detail` is one sentence in
// static memory.
enum reason revocation_judge(const struct revocation *revocation, const struct chain_record *record,
                             int64_t now_s, struct revocation_rules rules, const char **out_detail);

// revocation_crl_count and revocation_crl_at give the lists in force, and those of unknown issuers.
size_t revocation_crl_count(const struct revocation *revocation);
const struct crl *revocation_crl_at(const struct revocation *revocation, size_t index);

// revocation_goes_back tells whether a list took the place of an older one with a higher number, as after
// a CA was restored from a backup.
bool revocation_goes_back(const struct revocation *revocation, size_t index);

// revocation_find_like gives the list that speaks for the same issuer and the same certificates as `crl`,
// which may be of another profile; REVOCATION_MAX_CRLS when there is none.
size_t revocation_find_like(const struct revocation *revocation, const struct crl *crl);

// revocation_has_list_of tells whether there is a list of this issuer, whose key is known.
bool revocation_has_list_of(const struct revocation *revocation,
                            const uint8_t authority[CERT_DIGEST_LEN]);
