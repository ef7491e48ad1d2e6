// crl_issuers: the CAs that clients have sent along and that may sign revocation lists, by name and key, so that a list that
// waits for its issuer can be told from one that somebody else has made, before the next client comes. Private to auth.
//
// Only a chain that was verified up to an anchor puts one in. Bounded, and it only grows: what finds no room is left out, and
// its lists go on waiting. Any thread may note and read at once, and nobody waits: who finds it in use notes nothing, this time.
#pragma once

#include "auth/chain_record.h"
#include "auth/crl.h"

enum {
    CRL_ISSUERS_MAX = 256,
    CRL_ISSUERS_MAX_OF_ANCHOR = 128, // so that the clients of one CA leave room for others
};

struct crl_issuers;

// crl_issuers_create makes an empty one with one reference, the caller's. NULL without memory.
struct crl_issuers *crl_issuers_create(void) MUST_USE;

// crl_issuers_ref takes another reference and returns its argument, crl_issuers_unref gives one back. NULL is allowed.
struct crl_issuers *crl_issuers_ref(struct crl_issuers *issuers);
void crl_issuers_unref(struct crl_issuers *issuers);

// crl_issuers_note notes the CAs of a verified path between the leaf and the anchor. NULL: nothing.
void crl_issuers_note(struct crl_issuers *issuers, const struct chain_record *record);

// crl_issuers_inherit notes those of `before` (NULL: none) whose anchor `is_anchor` still knows, by the SHA-256 of its
// certificate. NULL issuers: nothing.
void crl_issuers_inherit(struct crl_issuers *issuers, const struct crl_issuers *before,
                         bool (*is_anchor)(const void *arg, const uint8_t *sha256),
                         const void *arg);

// crl_issuers_find tells which of them has signed a list that waits: cert_id_of_authority in `out`. False: none, or there was
// no memory to find out. One verification for each that has the list's name. NULL issuers: none.
bool crl_issuers_find(const struct crl_issuers *issuers, const struct crl *crl,
                      uint8_t out[CERT_DIGEST_LEN]);
