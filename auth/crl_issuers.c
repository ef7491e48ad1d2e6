// Places are filled one after the other, and counted after that: who has seen the count may read the places.
#include "auth/crl_issuers.h"

#include <stdatomic.h>
#include <stdlib.h>

struct issuer {
    uint8_t name[CERT_DIGEST_LEN];      // cert_id_of_name
    uint8_t authority[CERT_DIGEST_LEN]; // cert_id_of_authority
    uint8_t anchor[CERT_DIGEST_LEN];    // SHA-256 of the certificate that its chain ended at
    uint8_t *key;                       // owned; SubjectPublicKeyInfo
    size_t key_len;
};

struct crl_issuers {
    atomic_size_t refs;
    atomic_bool is_busy; // somebody writes
    atomic_size_t count;
    struct issuer entries[CRL_ISSUERS_MAX];
};

struct crl_issuers *crl_issuers_create(void)
{
    struct crl_issuers *issuers = calloc(1, sizeof *issuers);
    if (issuers == NULL)
        return NULL;
    atomic_init(&issuers->refs, 1);
    atomic_init(&issuers->is_busy, false);
    atomic_init(&issuers->count, 0);
    return issuers;
}

struct crl_issuers *crl_issuers_ref(struct crl_issuers *issuers)
{
    if (issuers != NULL)
        (void)atomic_fetch_add_explicit(&issuers->refs, 1, memory_order_relaxed);
    return issuers;
}

void crl_issuers_unref(struct crl_issuers *issuers)
{
    if (issuers == NULL || atomic_fetch_sub_explicit(&issuers->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < atomic_load_explicit(&issuers->count, memory_order_relaxed); i++)
        free(issuers->entries[i].key);
    free(issuers);
}

static bool is_known(const struct crl_issuers *issuers, const uint8_t *authority, size_t count)
{
    size_t i = 0;
    while (i < count && memcmp(issuers->entries[i].authority, authority, CERT_DIGEST_LEN) != 0)
        i++;
    return i < count;
}

// has_room tells whether one more may come whose chain ends at this anchor.
static bool has_room(const struct crl_issuers *issuers, const uint8_t *anchor, size_t count)
{
    size_t of_anchor = 0;
    for (size_t i = 0; i < count; i++)
        of_anchor += memcmp(issuers->entries[i].anchor, anchor, CERT_DIGEST_LEN) == 0;
    return count < CRL_ISSUERS_MAX && of_anchor < CRL_ISSUERS_MAX_OF_ANCHOR;
}

// add fills the next place, with a copy of `key`.
static void add(struct crl_issuers *issuers, const struct issuer *wanted, struct slice key)
{
    const size_t count = atomic_load_explicit(&issuers->count, memory_order_relaxed);
    if (is_known(issuers, wanted->authority, count) || !has_room(issuers, wanted->anchor, count))
        return;
    struct issuer *entry = &issuers->entries[count];
    *entry = *wanted;
    entry->key = malloc(key.len);
    entry->key_len = key.len;
    if (entry->key == NULL)
        return;
    ASSERT(bytes_copy(entry->key, key.len, key));
    atomic_store_explicit(&issuers->count, count + 1, memory_order_release);
}

// note_link notes the CA `link`, which has issued `child`.
static void note_link(struct crl_issuers *issuers, const struct chain_link *child,
                      const struct chain_link *link, const struct chain_link *anchor)
{
    struct issuer wanted = {.key = NULL};
    const size_t seen = atomic_load_explicit(&issuers->count, memory_order_acquire);
    if (!link->signs_lists || link->key.len == 0 || is_known(issuers, child->authority, seen) ||
        atomic_exchange_explicit(&issuers->is_busy, true, memory_order_acquire))
        return;
    ASSERT(bytes_copy(wanted.name, CERT_DIGEST_LEN, slice_of(link->name, CERT_DIGEST_LEN)));
    ASSERT(
        bytes_copy(wanted.authority, CERT_DIGEST_LEN, slice_of(child->authority, CERT_DIGEST_LEN)));
    ASSERT(bytes_copy(wanted.anchor, CERT_DIGEST_LEN, slice_of(anchor->sha256, CERT_DIGEST_LEN)));
    add(issuers, &wanted, link->key);
    atomic_store_explicit(&issuers->is_busy, false, memory_order_release);
}

void crl_issuers_note(struct crl_issuers *issuers, const struct chain_record *record)
{
    for (size_t i = 1; issuers != NULL && i + 1 < record->count; i++)
        note_link(issuers, &record->links[i - 1], &record->links[i],
                  &record->links[record->count - 1]);
}

void crl_issuers_inherit(struct crl_issuers *issuers, const struct crl_issuers *before,
                         bool (*is_anchor)(const void *arg, const uint8_t *sha256), const void *arg)
{
    const size_t count =
        before == NULL ? 0 : atomic_load_explicit(&before->count, memory_order_acquire);
    for (size_t i = 0; issuers != NULL && i < count; i++) {
        const struct issuer *entry = &before->entries[i];
        if (is_anchor(arg, entry->anchor))
            add(issuers, entry, slice_of(entry->key, entry->key_len));
    }
}

bool crl_issuers_find(const struct crl_issuers *issuers, const struct crl *crl,
                      uint8_t out[CERT_DIGEST_LEN])
{
    const size_t count =
        issuers == NULL ? 0 : atomic_load_explicit(&issuers->count, memory_order_acquire);
    for (size_t i = 0; i < count && crl->is_waiting; i++) {
        const struct issuer *entry = &issuers->entries[i];
        if (memcmp(entry->name, crl->name, CERT_DIGEST_LEN) != 0 ||
            crl_verify(crl, slice_of(entry->key, entry->key_len)) != VERIFICATION_GOOD)
            continue;
        ASSERT(bytes_copy(out, CERT_DIGEST_LEN, slice_of(entry->authority, CERT_DIGEST_LEN)));
        return true;
    }
    return false;
}
