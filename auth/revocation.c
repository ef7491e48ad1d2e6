// Lists by who signed them, denied certificates by digest, and the verdict on a record.
#include "auth/revocation.h"

#include <stdlib.h>

struct denied {
    uint8_t digest[CHAIN_DIGEST_LEN];
};

struct revocation {
    struct crl *crls[REVOCATION_MAX_CRLS]; // refs
    size_t crl_count;
    struct denied *denied; // owned; sorted once finished
    size_t denied_count;
    size_t denied_capacity;
};

struct revocation *revocation_create(void)
{
    return calloc(1, sizeof(struct revocation));
}

struct revocation *revocation_copy(const struct revocation *base)
{
    struct revocation *copy = revocation_create();
    if (copy == NULL)
        return NULL;
    for (size_t i = 0; i < base->denied_count; i++) {
        if (revocation_deny(copy, base->denied[i].digest) != ERR_OK) {
            revocation_destroy(copy);
            return NULL;
        }
    }
    for (size_t i = 0; i < base->crl_count; i++)
        copy->crls[copy->crl_count++] = crl_ref(base->crls[i]);
    return copy;
}

void revocation_destroy(struct revocation *revocation)
{
    if (revocation == NULL)
        return;
    for (size_t i = 0; i < revocation->crl_count; i++)
        crl_unref(revocation->crls[i]);
    free(revocation->denied);
    free(revocation);
}

// is_same_scope tells whether two lists speak for the same certificates.
static bool is_same_scope(const struct crl *a, const struct crl *b)
{
    if (crl_authority(a) == NULL || crl_authority(b) == NULL)
        return false;
    return memcmp(crl_authority(a), crl_authority(b), CRL_AUTHORITY_LEN) == 0 &&
           crl_covers(a, true) == crl_covers(b, true) &&
           crl_covers(a, false) == crl_covers(b, false);
}

enum err revocation_take_crl(struct revocation *revocation, struct crl *crl, struct errinfo *info)
{
    for (size_t i = 0; i < revocation->crl_count; i++) {
        struct crl *other = revocation->crls[i];
        if (!is_same_scope(other, crl))
            continue;
        const bool is_older = crl_is_older(crl, other);
        crl_unref(is_older ? crl : other);
        if (!is_older)
            revocation->crls[i] = crl;
        return ERR_OK;
    }
    if (revocation->crl_count == REVOCATION_MAX_CRLS) {
        crl_unref(crl);
        return errinfo_set(info, ERR_LIMIT, "more than %d CRLs in one trust profile",
                           REVOCATION_MAX_CRLS);
    }
    revocation->crls[revocation->crl_count++] = crl;
    return ERR_OK;
}

enum err revocation_deny(struct revocation *revocation, const uint8_t digest[CHAIN_DIGEST_LEN])
{
    if (revocation->denied_count == REVOCATION_MAX_DENIED)
        return ERR_LIMIT;
    if (revocation->denied_count == revocation->denied_capacity) {
        const size_t capacity =
            revocation->denied_capacity == 0 ? 16 : revocation->denied_capacity * 2;
        struct denied *grown = reallocarray(revocation->denied, capacity, sizeof *grown);
        if (grown == NULL)
            return ERR_MEMORY;
        revocation->denied = grown;
        revocation->denied_capacity = capacity;
    }
    struct denied *added = &revocation->denied[revocation->denied_count++];
    ASSERT(bytes_copy(added->digest, sizeof added->digest, slice_of(digest, CHAIN_DIGEST_LEN)));
    return ERR_OK;
}

static int compare_denied(const void *a, const void *b)
{
    return memcmp(a, b, CHAIN_DIGEST_LEN);
}

enum err revocation_finish(struct revocation *revocation, int64_t now_s, struct errinfo *info)
{
    for (size_t i = 0; i < revocation->crl_count; i++) {
        const struct crl *crl = revocation->crls[i];
        if (crl_this_update_s(crl) > now_s + REVOCATION_SKEW_S)
            return errinfo_set(info, ERR_INPUT,
                               "the CRL of %.200s begins in the future: is the clock of this "
                               "machine right?",
                               crl_issuer(crl));
    }
    if (revocation->denied_count > 1)
        qsort(revocation->denied, revocation->denied_count, sizeof *revocation->denied,
              compare_denied);
    return ERR_OK;
}

static bool is_denied(const struct revocation *revocation, const uint8_t *digest)
{
    return revocation->denied_count > 0 &&
           bsearch(digest, revocation->denied, revocation->denied_count, sizeof *revocation->denied,
                   compare_denied) != NULL;
}

const struct crl *revocation_find(const struct revocation *revocation,
                                  const uint8_t authority[CRL_AUTHORITY_LEN], bool is_ca)
{
    const struct crl *found = NULL;
    for (size_t i = 0; i < revocation->crl_count; i++) {
        const struct crl *crl = revocation->crls[i];
        const uint8_t *signer = crl_authority(crl);
        if (signer != NULL && memcmp(signer, authority, CRL_AUTHORITY_LEN) == 0 &&
            crl_covers(crl, is_ca) && (found == NULL || crl_is_older(found, crl)))
            found = crl;
    }
    return found;
}

// judge_link gives what the list of a certificate's issuer says of it.
static enum reason judge_link(const struct revocation *revocation, const struct chain_link *link,
                              int64_t now_s, bool keeps_expired)
{
    const struct crl *crl = revocation_find(revocation, link->authority, link->is_ca);
    if (crl == NULL || !link->has_serial)
        return REASON_CRL_MISSING;
    if (crl_has_serial(crl, slice_of(link->serial, link->serial_len)))
        return REASON_REVOKED; // an old list too: nobody comes back from it
    if (now_s + REVOCATION_SKEW_S < crl_this_update_s(crl))
        return REASON_CRL_MISSING;
    if (now_s > crl_next_update_s(crl) && !keeps_expired)
        return REASON_CRL_EXPIRED;
    return REASON_NONE;
}

enum reason revocation_judge(const struct revocation *revocation, const struct chain_record *record,
                             int64_t now_s, bool keeps_expired, const char **out_detail)
{
    bool is_missing = false;
    bool is_expired = false;
    *out_detail = "";
    for (size_t i = 0; i < record->count; i++) {
        if (is_denied(revocation, record->links[i].sha256) ||
            is_denied(revocation, record->links[i].issuer_serial)) {
            *out_detail = "a certificate of the chain is on the profile's list `denied`";
            return REASON_DENIED_CERTIFICATE;
        }
    }
    for (size_t i = 0; i + 1 < record->count && revocation->crl_count > 0; i++) {
        const enum reason reason = judge_link(revocation, &record->links[i], now_s, keeps_expired);
        if (reason == REASON_REVOKED) {
            *out_detail = i == 0 ? "the client's certificate has been revoked"
                                 : "a CA certificate of the chain has been revoked";
            return reason;
        }
        is_missing |= reason == REASON_CRL_MISSING;
        is_expired |= reason == REASON_CRL_EXPIRED;
    }
    if (is_missing) {
        *out_detail = "there is no CRL for a CA of the chain, so nobody knows whether it has been "
                      "revoked";
        return REASON_CRL_MISSING;
    }
    if (is_expired) {
        *out_detail = "the CRL of a CA of the chain has expired";
        return REASON_CRL_EXPIRED;
    }
    return REASON_NONE;
}

size_t revocation_crl_count(const struct revocation *revocation)
{
    return revocation->crl_count;
}

const struct crl *revocation_crl_at(const struct revocation *revocation, size_t index)
{
    ASSERT(index < revocation->crl_count);
    return revocation->crls[index];
}
