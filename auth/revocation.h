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
//      whose URI the certificate names too, or the certificate names none, all lists of the issuer
//      name the same, none is to come, and the list is not only there because certificates have named it: a part
//      of the lists says nothing about a certificate that does not say which part is its own.
//   4. One list that covers it and has not expired is enough; else it is missing, or expired.
// Knows nothing of chains but their records, and nothing of files and clocks. Any thread may judge.
#pragma once

#include "auth/chain_record.h"
#include "auth/crl.h"
#include "auth/crl_issuers.h"
#include "auth/reason.h"
#include "auth/trust_options.h"

enum {
    REVOCATION_MAX_CRLS = 1024,
    REVOCATION_MAX_DENIED = 200000, // twice what a configuration may name: another one adds to it
    REVOCATION_SKEW_S = 300,
    REVOCATION_MAX_CHECKS = 64, // lists verified for one chain; see revocation_judge
};

// revocation_list is a list in force, or one whose issuer is not known.
struct revocation_list {
    struct crl *crl; // ref
    // it took the place of an older one with a higher number, as after a CA was restored from a backup
    bool goes_back;
    bool is_learned; // it is only there because certificates have named it
    bool is_copied;  // from another revocation that was finished: its beginning was looked at
};

// revocation is embedded in its profile, which may read `lists`; the other fields are private to revocation.c. A zeroed
// one is empty.
struct revocation {
    struct revocation_list lists[REVOCATION_MAX_CRLS];
    size_t count;
    bool is_partial; // a list that the profile goes by is not there yet
    // the same; by name, scope and age once finished
    const struct crl *by_name[REVOCATION_MAX_CRLS];
    struct crl_answers *answers;        // owned; NULL when no list waits
    uint8_t (*denied)[CERT_DIGEST_LEN]; // owned; sorted once finished
    size_t denied_count;
    size_t sorted_count; // of them, in front, are sorted already
    size_t denied_cap;
    struct crl_issuers *issuers; // ref; shared with copies; NULL: none
};

// revocation_copy puts the same lists and issuers, shared, and the same denied certificates into an empty one, to which more
// can be added. ERR_MEMORY.
enum err revocation_copy(const struct revocation *base, struct revocation *out) MUST_USE;

// revocation_deinit frees what it holds.
void revocation_deinit(struct revocation *revocation);

// revocation_take_crl adds a list and owns the reference afterwards, whatever comes of it. From then on every
// certificate needs one. Only one list takes the place of another: the newer of two that are known to be signed by the same
// key. Those of which nobody knows that stand beside each other. `is_learned`: certificates have named it, and nobody says that it is
// all that the CA has. ERR_LIMIT, ERR_MEMORY.
enum err revocation_take_crl(struct revocation *revocation, struct crl *crl, bool is_learned,
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

// revocation_judge judges a path at `now_s`: REASON_NONE, or denied_certificate, revoked,
// no_memory, crl_missing, crl_expired: the first of them that holds for any of its certificates. Denied counts
// for all of them, the anchor included; lists for all below the anchor. `*out_detail` is one sentence in
// static memory.
enum reason revocation_judge(const struct revocation *revocation, const struct chain_record *record,
                             int64_t now_s, const struct trust_options *options,
                             const char **out_detail);

// revocation_may_change tells whether a newer list could make another verdict of this one: nothing else is wrong.
static inline bool revocation_may_change(enum reason reason)
{
    return reason == REASON_NONE || reason == REASON_CRL_MISSING || reason == REASON_CRL_EXPIRED;
}

// revocation_signer gives who has signed a list, as far as it is known: a CA of the profile, or one that a client has sent
// along. cert_id_of_authority in `out`.
bool revocation_signer(const struct revocation *revocation, const struct crl *crl,
                       uint8_t out[CERT_DIGEST_LEN]);

// revocation_denies tells whether a certificate that the issuer of `link` has made besides, with this serial and SHA-256, is
// denied, or on a list of that issuer; also where nobody could find out. `issuer` is the next link of the path. A pure
// look-up, but for the first time that a list waits for its issuer.
bool revocation_denies(const struct revocation *revocation, const struct chain_link *link,
                       const struct chain_link *issuer, struct slice serial,
                       const uint8_t sha256[CERT_DIGEST_LEN], int64_t now_s);

// revocation_find_like gives the list that speaks for the same certificates as `crl`, which may be of another profile, and is
// known to be of the same `signer` (NULL: it is not known), or is the same list; REVOCATION_MAX_CRLS when there is none.
size_t revocation_find_like(const struct revocation *revocation, const struct crl *crl,
                            const uint8_t *signer);

// revocation_find_claim gives the next list, from `from` on, that only says that it is of the same issuer as `crl`, for the
// same certificates, and of which nobody knows who has signed it; REVOCATION_MAX_CRLS when there is none.
size_t revocation_find_claim(const struct revocation *revocation, const struct crl *crl,
                             size_t from);

// revocation_has_list_of tells whether there is a list of this issuer, whose key is known.
bool revocation_has_list_of(const struct revocation *revocation,
                            const uint8_t authority[CERT_DIGEST_LEN]);
