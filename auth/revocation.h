// revocation: the revocation lists and the denied certificates of one trust profile. Private to
// auth.
//
// A list speaks for the key and name that signed it; of several for the same, the newest counts.
// Knows nothing of chains but their records, and nothing of files and clocks.
#pragma once

#include "auth/chain_record.h"
#include "auth/crl.h"
#include "auth/reason.h"

enum { REVOCATION_MAX_CRLS = 1024, REVOCATION_MAX_DENIED = 100000, REVOCATION_SKEW_S = 300 };

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
// what chain_issuer_serial gives. ERR_LIMIT, ERR_MEMORY.
enum err revocation_deny(struct revocation *revocation,
                         const uint8_t digest[CHAIN_DIGEST_LEN]) MUST_USE;

// revocation_finish makes it ready to judge; nothing is added afterwards. ERR_INPUT when a list
// begins more than five minutes after `now_s`.
enum err revocation_finish(struct revocation *revocation, int64_t now_s,
                           struct errinfo *info) MUST_USE;

// revocation_judge judges a path at `now_s`: REASON_NONE, or denied_certificate, revoked,
// crl_missing, crl_expired: the first of them that holds for any of its certificates. Denied counts
// for all of them, the anchor included; lists for all below the anchor. With `keeps_expired` a list
// that has expired still counts. `*out_detail` is one sentence in static memory.
enum reason revocation_judge(const struct revocation *revocation, const struct chain_record *record,
                             int64_t now_s, bool keeps_expired, const char **out_detail);

// revocation_crl_count and revocation_crl_at give the lists in force, and those of unknown issuers.
size_t revocation_crl_count(const struct revocation *revocation);
const struct crl *revocation_crl_at(const struct revocation *revocation, size_t index);

// revocation_find gives the newest list of an authority for CAs or others; NULL when there is none.
const struct crl *revocation_find(const struct revocation *revocation,
                                  const uint8_t authority[CRL_AUTHORITY_LEN], bool is_ca);
