// trust: a trust profile (anchors, helpers, limits) and the verification of a client's chain
// against it (RFC 5280 section 6, purpose clientAuth).
//
// Immutable once built; verification may run on any thread at once. No files, no clock: PEM comes
// as bytes, time as an argument. The work on one chain is bounded by counts, not by time.
#pragma once

#include <openssl/x509.h>

#include "auth/http_url.h"
#include "auth/identity.h"
#include "auth/pem.h"
#include "auth/reason.h"
#include "auth/trust_options.h"
#include "auth/usages.h"

enum {
    TRUST_DEFAULT_MAX_DEPTH = 3, // intermediates between leaf and anchor
    TRUST_MAX_DEPTH = 8,         // with leaf and anchor the ten certificates of a path
};

struct trust;

// trust_create makes an empty profile.
enum err trust_create(const struct trust_options *options, struct trust **out) MUST_USE;

// trust_revise makes an unfinished profile that is like the finished `base` in everything: the same
// certificates and options, its revocation lists and its denied certificates, all shared or cheap to
// copy, nothing read or verified again. More of what takes trust away may then be added (trust_add_crl,
// trust_deny_...), and of several lists for the same certificates the newest counts, as ever;
// certificates may not. trust_finish with the time of today leaves out anchors that have ended since.
// ERR_MEMORY. `base` is not kept. Any thread, while others use `base`.
enum err trust_revise(const struct trust *base, struct trust **out) MUST_USE;

// trust_drop_absent takes those anchors away from a revision whose CA, by name and key, is not among the
// CAs that were added to `present`, another profile, which need not be finished. They stay what they are
// for the others, so that no helper becomes an anchor; and the last one may go, too. ERR_MEMORY.
enum err trust_drop_absent(struct trust *trust, const struct trust *present) MUST_USE;

// trust_takes_more tells whether the finished `trust`, a revision of the finished `base`, accepts less than `base`: it
// has another list, more denied certificates or fewer anchors. The passing of time does not count.
bool trust_takes_more(const struct trust *trust, const struct trust *base);

// trust_destroy frees it. NULL is allowed.
void trust_destroy(struct trust *trust);

// trust_add_ca reads every certificate in `pem`, which may also be a SPIFFE bundle (see spiffe_bundle.h): a self-issued one is an anchor; another one is a
// helper when its issuer is also in the profile (signature included), and an anchor when not:
// decided by trust_finish, over everything added. ERR_INPUT with the reason in `info` when there is
// no certificate in it, or one that cannot be read, is no CA (basicConstraints CA:TRUE, keyCertSign
// where there is a key usage) or has a critical extension that is not understood, or a private key.
// The same certificate twice counts once.
enum err trust_add_ca(struct trust *trust, struct slice pem, struct errinfo *info) MUST_USE;

// trust_add_system_cas reads a bundle that others keep, such as the system's: as trust_add_ca, but
// what is no CA is left out, and what is not valid has no warning. A block that cannot be read, or holds no
// certificate, is left out and counted in `out`; one that can be read must be there.
enum err trust_add_system_cas(struct trust *trust, struct slice pem, struct pem_left_out *out,
                              struct errinfo *info) MUST_USE;

// trust_add_intermediates reads helpers for chain building; they are never anchors.
enum err trust_add_intermediates(struct trust *trust, struct slice pem,
                                 struct errinfo *info) MUST_USE;

// trust_add_crl reads revocation lists: PEM with one or more, or one in DER. To be called after every
// other trust_add_. From the first one on every certificate below the anchor needs a current list that
// covers it (see revocation.h). A certificate of the profile with the issuer's name must have signed the
// list; when none has the name, the list waits, and counts for chains whose issuer turns out to have
// signed it. Of several of one CA and scope the one with the latest thisUpdate counts. ERR_INPUT, ERR_LIMIT
// or ERR_MEMORY with the sentence in `info`, see crl.h.
enum err trust_add_crl(struct trust *trust, struct slice bytes, struct errinfo *info) MUST_USE;

// trust_add_learned_crl does the same with lists that certificates have named: each may be one of many that its CA has, so those of
// distribution points only speak for certificates that name these.
enum err trust_add_learned_crl(struct trust *trust, struct slice bytes,
                               struct errinfo *info) MUST_USE;

// trust_await_crl tells the profile that another list is to come: until then no list of a distribution point speaks for
// certificates that name none.
void trust_await_crl(struct trust *trust);

// trust_allow_wishes has the profile note which lists the certificates of verified chains name under these prefixes
// (crl_wishes.h), at most CRL_WISHES_MAX_PREFIXES, copied. Revisions share the notes. ERR_MEMORY.
enum err trust_allow_wishes(struct trust *trust, const struct http_url *prefixes,
                            size_t count) MUST_USE;

// trust_keep_seen has a finished profile know what the finished `before` has seen of its clients: the CAs that they have sent
// along, as far as their anchors are still CAs of this profile, and the lists that they have named, as far as they are under
// its prefixes. Before others use it.
void trust_keep_seen(struct trust *trust, const struct trust *before);

// trust_read_wishes gives the URLs that certificates have named lately: see crl_wishes_read. Any thread.
bool trust_read_wishes(const struct trust *trust, int64_t now_s, struct http_url *out,
                       size_t *out_count) MUST_USE;

// trust_read_unlisted gives the URLs that they have named in vain: see crl_wishes_read_unlisted. Any thread.
bool trust_read_unlisted(const struct trust *trust, bool is_said, struct http_url *out,
                         size_t *out_count, size_t *out_news) MUST_USE;

// trust_deny_sha256 and trust_deny_serial put a certificate on the list of the denied: by its
// SHA-256, 32 bytes, or by issuer and serial (big-endian). It holds for every certificate of a
// chain, the anchor included. ERR_LIMIT beyond 200,000, ERR_MEMORY.
enum err trust_deny_sha256(struct trust *trust, const uint8_t *sha256) MUST_USE;
enum err trust_deny_serial(struct trust *trust, const struct dn *issuer,
                           struct slice serial) MUST_USE;

// trust_keep_denied denies what the finished `before` denies, another profile; to be called before any
// trust_deny_... ERR_LIMIT, ERR_MEMORY.
enum err trust_keep_denied(struct trust *trust, const struct trust *before) MUST_USE;

// trust_finish sorts out anchors and helpers; afterwards the profile is immutable. `now_s` is Unix
// seconds: an anchor outside its validity is left out, as an anchor only: what else is anchor or helper
// is decided as if it counted. No anchor that counts is ERR_INPUT.
enum err trust_finish(struct trust *trust, int64_t now_s, struct errinfo *info) MUST_USE;

// trust_understand sets the OIDs (a set of extension.h, copied) of those extensions that may be critical in a client's own
// certificate although only the config gives them a meaning. To be called before the profile is used by others; finished
// or not. ERR_MEMORY.
enum err trust_understand(struct trust *trust, struct slice oids) MUST_USE;

// trust_has_same_cas tells whether both finished profiles hold the same certificates, in the same order.
bool trust_has_same_cas(const struct trust *a, const struct trust *b);

// trust_set_ocsp has the profile's clients asked about (NULL: they are not). It takes a reference of its own. To be called
// before trust_finish; a revision of a profile has its base's. Nothing in auth looks at it but trust_ocsp: answers are no part
// of a profile.
struct ocsp_settings;
void trust_set_ocsp(struct trust *trust, struct ocsp_settings *settings);

// trust_ocsp gives the settings, or NULL; borrowed.
struct ocsp_settings *trust_ocsp(const struct trust *trust);

// trust_has_anchor tells whether trust_finish has found one that is valid.
bool trust_has_anchor(const struct trust *trust);

// What `check` says about a profile: its certificates in the order added.
struct trust_certificate {
    const char *subject;  // RFC 4514, borrowed from the profile
    bool is_anchor;       // else a helper
    bool is_left_out;     // an anchor that was not valid when the profile was finished
    int64_t not_before_s; // Unix seconds
    int64_t not_after_s;  // Unix seconds
    const char *warning;  // NULL, or a sentence, such as a basicConstraints that is not critical
};
size_t trust_certificate_count(const struct trust *trust);
struct trust_certificate trust_certificate_at(const struct trust *trust, size_t index);

// What `check` says about a profile's CRLs, those that count for nobody included.
enum trust_crl_state {
    TRUST_CRL_COUNTS, // a CA of the profile has signed it
    TRUST_CRL_WAITS,  // none has its issuer's name; counts once a chain brings the issuer
    TRUST_CRL_IDLE,   // likewise, but with a signature below the floor: never counts
};
struct trust_crl {
    const char *issuer; // RFC 4514, borrowed from the profile
    enum trust_crl_state state;
    char number[48]; // the CRL number as text, `none` without one
    size_t entry_count;
    int64_t next_update_s; // Unix seconds
    int64_t soon_s;        // likewise; from then on it ends soon (crl_soon_s)
    const char *warning;   // NULL, or a sentence
};
size_t trust_crl_count(const struct trust *trust);
struct trust_crl trust_crl_at(const struct trust *trust, size_t index);

// trust_usages gives the bits of enum usage that are accepted.
uint32_t trust_usages(const struct trust *trust);

// trust_goes_by_crls tells whether certificates need a list: the profile has one, or requires_crls.
bool trust_goes_by_crls(const struct trust *trust);

// trust_keeps_expired_crls tells whether an expired list stays in use.
bool trust_keeps_expired_crls(const struct trust *trust);

// trust_lacks_crl tells whether the profile has lists, but none that the CA `index` (of
// trust_certificate_at) has signed, so that everybody directly below it gets crl_missing. Anchors that
// are left out need none; with `is_crl_for_leaves` neither does a CA that has helpers below it.
bool trust_lacks_crl(const struct trust *trust, size_t index);

// What the CRL `index` of a profile is to the one that `old`, a profile of the same name, has for the same
// CA and scope.
enum trust_succession {
    TRUST_SUCCESSION_GOOD,  // newer, or the same, or there was none
    TRUST_SUCCESSION_LOWER, // of a later date, but with a lower number: a CA restored from a backup?
    TRUST_SUCCESSION_OLD, // of no later date and a lower number, or of an earlier date without a number
                          // as high: somebody put an old file back
};
enum trust_succession trust_crl_succession(const struct trust *trust, size_t index,
                                           const struct trust *old);

// trust_check_crls_succeed refuses a profile with a CRL that is TRUST_SUCCESSION_OLD. For a reload.
// ERR_INPUT with the sentence in `info`.
enum err trust_check_crls_succeed(const struct trust *trust, const struct trust *old,
                                  struct errinfo *info) MUST_USE;

// trust_lost_crl gives the issuer of the next list of `old`, from `*index` on, that counted there and that
// `trust`, a profile of the same name, has nothing in the place of; NULL at the end. Borrowed from `old`.
const char *trust_lost_crl(const struct trust *trust, const struct trust *old, size_t *index);

const char *trust_name(const struct trust *trust);

// trust_domain gives the trust domain that SPIFFE IDs must be of; NULL: of any.
const char *trust_domain(const struct trust *trust);

// trust_finished_s gives the time for which trust_finish was told to finish it, Unix seconds.
int64_t trust_finished_s(const struct trust *trust);

// trust_client_ca_names gives the subjects of the anchors for a CertificateRequest, each a DER Name
// in a CRYPTO_BUFFER; the caller owns the stack (sk_CRYPTO_BUFFER_pop_free). NULL without memory.
STACK_OF(CRYPTO_BUFFER) *trust_client_ca_names(const struct trust *trust) MUST_USE;

// trust_verdict is what verification found. On ERR_OK from trust_verify `identity` is set and owned
// by the caller; otherwise `reason` says why not, `detail` is one sentence for a person, and
// `presented` holds what the leaf claims, where it could be read (owned by the caller, may be
// NULL).
struct trust_verdict {
    enum reason reason;         // REASON_NONE when accepted
    const char *detail;         // static memory, or the profile's; "" when accepted
    struct identity *identity;  // owned by the caller; NULL unless accepted
    struct identity *presented; // owned by the caller; NULL when accepted or unreadable
    int64_t not_after_s;        // the earliest of the chain, Unix seconds
    uint32_t depth;             // intermediates between leaf and anchor, when accepted
};

// trust_check_size looks at how many bytes of certificates a presented chain has: ERR_OK where they are `max_bytes` at
// most, or else ERR_DENIED with work_limit in `*out`. Nothing is read, so it comes before trust_verify, which bounds
// them by 64 KiB only.
enum err trust_check_size(const STACK_OF(CRYPTO_BUFFER) *chain, size_t max_bytes,
                          struct trust_verdict *out) MUST_USE;

// trust_verify judges a presented chain (leaf first, the rest in any order) at `now_s`. ERR_OK,
// ERR_DENIED with a reason, or ERR_MEMORY (also with reason no_memory). `*out` is fully written.
// Floors, always: RSA >= 2048, P-256/384/521, Ed25519, SHA-256 or better (an anchor's own signature
// excepted) else weak_key; every leaf has a usage of `usages` and, with a KU, digitalSignature; and so
// has every CA that has an extended key usage. The name of a server is not looked at here: see server_name.h.
// A leaf that is no CA and has keyCertSign or name constraints is bad_certificate.
//
// When several things are wrong, the reason is the first of: no_certificate, work_limit (size),
// bad_certificate (cannot be read); unknown_ca, missing_intermediate; chain_too_long; weak_key;
// bad_purpose and bad_certificate (extensions), bad_signature, not_yet_valid and expired,
// name_constraint; too_long_lived; denied_certificate, revoked, crl_missing, crl_expired; wrong_trust_domain. With
// `is_strict` bad_certificate comes before these four. A CA of the same name as an anchor's, but another key, is
// unknown_ca where the key identifiers tell, and bad_signature where there are none.
// missing_intermediate is a strong hint: the issuer's name is an anchor's but for the CN, or the
// authority key identifier names an anchor as the issuer's issuer; else it is unknown_ca.
// A self-signed anchor is good as a client's certificate too, if it is fit for one.
enum err trust_verify(const struct trust *trust, const STACK_OF(CRYPTO_BUFFER) *chain,
                      int64_t now_s, struct trust_verdict *out) MUST_USE;

// trust_judge_names tells whether a profile that is bound to a trust domain accepts the names of `identity`, verified or
// only claimed: REASON_NONE, or REASON_WRONG_TRUST_DOMAIN with a sentence of the profile's in `*out_detail`.
// trust_verify and trust_recheck ask it.
enum reason trust_judge_names(const struct trust *trust, const struct identity *identity,
                              const char **out_detail);

// trust_denies_delegate tells whether the profile takes no OCSP answer that was signed with the certificate `delegate`
// (auth/ocsp_answer.h), made by the issuer of the `index`th certificate of the chain of `record`: it is denied, or a list of
// that issuer has it.
struct ocsp_delegate;
bool trust_denies_delegate(const struct trust *trust, const struct chain_record *record,
                           size_t index, const struct ocsp_delegate *delegate, int64_t now_s);

// trust_recheck judges a chain again that trust_verify accepted, by the verdict's identity: REASON_NONE, or why it would be refused today. `trust` may be another
// profile than then, such as that of a newer snapshot. No memory is taken but to note a new CA, and no signature is checked
// but, once for all, that of a list that waits for its issuer; a few microseconds. Looked at are: the anchor is still one (unknown_ca), max_depth
// (chain_too_long), usages (bad_purpose), critical extensions (bad_certificate), not_yet_valid, expired, too_long_lived, strict (bad_certificate),
// wrong_trust_domain, denied_certificate, revoked, crl_missing, crl_expired, in this order; but where the anchor is gone,
// denied_certificate and revoked come before unknown_ca. `*out_detail` is one sentence in static
// memory or the profile's, "" when good.
//
// For resumption and new requests every reason counts. For live tunnels crl_missing and crl_expired
// do not: these say that nobody knows, not that trust was taken away. An anchor counts by its
// certificate: one that was issued again under the same key is another, and a full handshake may
// succeed where this says unknown_ca. Helpers that were taken out do not matter.
enum reason trust_recheck(const struct trust *trust, const struct identity *identity, int64_t now_s,
                          const char **out_detail);
