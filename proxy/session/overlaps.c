// A pair is a hash in the first free place. 0 is a free one.
#include "proxy/session/overlaps.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "auth/base/hash.h"
#include "auth/base/text.h"
#include "proxy/log/log.h"

struct overlaps {
    _Atomic uint64_t pairs[OVERLAPS_MAX];
};

struct overlaps *overlaps_create(void)
{
    return calloc(1, sizeof(struct overlaps));
}

void overlaps_destroy(struct overlaps *overlaps)
{
    free(overlaps);
}

// add_text adds a text with its end, so that no two texts run into each other.
static uint64_t add_text(uint64_t hash, const char *text)
{
    return hash_add(hash_add_slice(hash, slice_of_string(text)), 0);
}

static uint64_t pair_of(const struct client *owner, const struct client *other)
{
    uint64_t hash = hash_begin();
    hash = add_text(add_text(hash, owner->file->name), owner->name);
    hash = hash_end(add_text(add_text(hash, other->file->name), other->name));
    return hash == 0 ? 1 : hash;
}

bool overlaps_remember(struct overlaps *overlaps, const struct client *owner,
                       const struct client *other, bool *out_is_last)
{
    const uint64_t pair = pair_of(owner, other);
    *out_is_last = false;
    for (size_t i = 0; i < OVERLAPS_MAX; i++) {
        uint64_t there = 0;
        if (atomic_compare_exchange_strong(&overlaps->pairs[i], &there, pair)) {
            *out_is_last = i + 1 == OVERLAPS_MAX;
            return true;
        }
        if (there == pair)
            return false;
    }
    return false;
}

bool overlaps_note(struct overlaps *overlaps, const struct policy *policy,
                   const struct identity *identity, const struct client *found)
{
    const struct client *other = policy_find_other(policy, identity, found);
    bool is_last = false;
    if (other == NULL)
        return false;
    if (!overlaps_remember(overlaps, found, other, &is_last))
        return true;
    char data[2 * IDENTITY_DIGEST_LEN + 1];
    struct text digest;
    text_init(&digest, data, sizeof data);
    text_append_hex(&digest, slice_of(identity->sha256, sizeof identity->sha256));
    log_warning(LOG_CERTIFICATE_CONTESTED,
                "the certificate with the SHA-256 %s fits client `%s` (%s:%" PRIu32
                ") and client `%s` of another file (%s:%" PRIu32
                "), too: it belongs to the file that had it first; agree on who "
                "names it, and see `sallyport explain`%s",
                data, found->name, found->file->name, found->line, other->name, other->file->name,
                other->line, is_last ? "; further such clients are only counted" : "");
    return true;
}
