// Every part of an entry makes one key, every name of an identity makes the keys of all the parts
// that it could fit: itself, and for patterns each prefix of a URI that ends in a `/`, each suffix
// of a DNS name that begins with a dot. So an entry that fits is always among those found; that the
// others fit is never taken for granted.
#include "auth/client_index.h"

#include <stdlib.h>

#include "auth/base/hash.h"
#include "auth/key_index.h"
#include "auth/match.h"

enum key_kind {
    KEY_ANONYMOUS,
    KEY_ANY,
    KEY_TRUST,
    KEY_URI,
    KEY_URI_PREFIX, // with its final `/`
    KEY_DNS,
    KEY_DNS_SUFFIX, // with its first dot
    KEY_EMAIL,      // in lower case: more than fit, never fewer
    KEY_IP,
    KEY_CN,
    KEY_SUBJECT,
    KEY_ISSUER,
    KEY_SERIAL,
    KEY_SHA256,
    KEY_SPKI_SHA256,
};

enum { ENTRY_KEYS_MAX = 12 };

struct entry_place {
    uint32_t client;
    uint32_t entry;
};

struct client_index {
    const struct key_index *keys;     // from a key to indices of places
    const struct entry_place *places; // arena; every entry in file order
    size_t uri_slashes_max;           // in any URI pattern
    size_t dns_dots_max;              // in any DNS pattern
};

static uint64_t key_of_string(enum key_kind kind, const char *text)
{
    return key_of_bytes((uint8_t)kind, slice_of_string(text));
}

// key_backward hashes in lower case from the end, as names are looked up.
static uint64_t key_backward(enum key_kind kind, struct slice bytes)
{
    uint64_t hash = hash_begin();
    for (size_t i = bytes.len; i-- > 0;)
        hash = hash_add(hash, ascii_lower(bytes.data[i]));
    return hash_end(hash_add(hash, (uint8_t)kind));
}

static size_t count_byte(struct slice bytes, uint8_t byte)
{
    size_t count = 0;
    for (size_t i = 0; i < bytes.len; i++)
        count += bytes.data[i] == byte;
    return count;
}

// ---- the keys of an entry -----------------------------------------------------------------------

struct entry_keys {
    uint64_t keys[ENTRY_KEYS_MAX];
    size_t count;
};

static void put(struct entry_keys *out, uint64_t key)
{
    ASSERT(out->count < ENTRY_KEYS_MAX);
    out->keys[out->count++] = key;
}

static uint64_t uri_key(const char *uri)
{
    const struct slice text = slice_of_string(uri);
    return match_is_uri_pattern(text)
               ? key_of_bytes(KEY_URI_PREFIX, slice_first(text, text.len - 1))
               : key_of_bytes(KEY_URI, text);
}

static uint64_t dns_key(const char *dns)
{
    const struct slice text = slice_of_string(dns);
    return match_is_dns_pattern(text) ? key_backward(KEY_DNS_SUFFIX, slice_from(text, 1))
                                      : key_backward(KEY_DNS, text);
}

// keys_of gives a key for each part of the entry; none when it can fit nobody.
static void keys_of(const struct match_entry *entry, struct entry_keys *out)
{
    out->count = 0;
    if (entry->anonymous)
        put(out, key_of_string(KEY_ANONYMOUS, ""));
    if (entry->any)
        put(out, key_of_string(KEY_ANY, ""));
    if (entry->trust != NULL)
        put(out, key_of_string(KEY_TRUST, entry->trust));
    if (entry->uri != NULL)
        put(out, uri_key(entry->uri));
    if (entry->dns != NULL)
        put(out, dns_key(entry->dns));
    if (entry->email != NULL)
        put(out, key_backward(KEY_EMAIL, slice_of_string(entry->email)));
    if (entry->ip != NULL)
        put(out,
            key_of_bytes(KEY_IP, slice_of(entry->ip->bytes, entry->ip->family == IP_V4 ? 4 : 16)));
    if (entry->cn != NULL)
        put(out, key_of_string(KEY_CN, entry->cn));
    if (entry->subject.data != NULL)
        put(out, key_of_bytes(KEY_SUBJECT, entry->subject));
    if (entry->issuer.data != NULL)
        put(out, key_of_bytes(KEY_ISSUER, entry->issuer));
    if (entry->serial.data != NULL)
        put(out, key_of_bytes(KEY_SERIAL, entry->serial));
    // A digest leaves nothing to choose: the others would only be longer lists.
    if (entry->sha256 != NULL || entry->spki_sha256 != NULL)
        out->count = 0;
    if (entry->sha256 != NULL)
        put(out, key_of_bytes(KEY_SHA256, slice_of(entry->sha256, IDENTITY_DIGEST_LEN)));
    if (entry->spki_sha256 != NULL)
        put(out, key_of_bytes(KEY_SPKI_SHA256, slice_of(entry->spki_sha256, IDENTITY_DIGEST_LEN)));
}

// ---- building -----------------------------------------------------------------------------------

static size_t count_entries(const struct policy *policy)
{
    size_t count = 0;
    for (size_t i = 0; i < policy->client_count; i++)
        count += policy->clients[i].match_count;
    return count;
}

static void note_depth(struct client_index *index, const struct match_entry *entry)
{
    const size_t slashes = entry->uri == NULL ? 0 : count_byte(slice_of_string(entry->uri), '/');
    const size_t dots = entry->dns == NULL ? 0 : count_byte(slice_of_string(entry->dns), '.');
    if (slashes > index->uri_slashes_max)
        index->uri_slashes_max = slashes;
    if (dots > index->dns_dots_max)
        index->dns_dots_max = dots;
}

// file_all files every entry under each of its keys, to see which are rare.
static enum err file_all(const struct policy *policy, struct key_index_builder *builder)
{
    uint32_t id = 0;
    struct entry_keys keys;
    for (size_t i = 0; i < policy->client_count; i++) {
        for (size_t j = 0; j < policy->clients[i].match_count; j++, id++) {
            keys_of(&policy->clients[i].matches[j], &keys);
            for (size_t k = 0; k < keys.count; k++)
                TRY(key_index_builder_add(builder, keys.keys[k], id));
        }
    }
    return ERR_OK;
}

// rarest gives the key that the fewest entries have.
static uint64_t rarest(const struct key_index *all, const struct entry_keys *keys)
{
    uint64_t best = keys->keys[0];
    size_t best_count = key_index_find(all, best).count;
    for (size_t i = 1; i < keys->count; i++) {
        const size_t count = key_index_find(all, keys->keys[i]).count;
        if (count < best_count) {
            best = keys->keys[i];
            best_count = count;
        }
    }
    return best;
}

static enum err file_rarest(const struct policy *policy, const struct key_index *all,
                            struct client_index *index, struct entry_place *places,
                            struct key_index_builder *builder)
{
    uint32_t id = 0;
    struct entry_keys keys;
    for (size_t i = 0; i < policy->client_count; i++) {
        for (size_t j = 0; j < policy->clients[i].match_count; j++, id++) {
            const struct match_entry *entry = &policy->clients[i].matches[j];
            places[id] = (struct entry_place){.client = (uint32_t)i, .entry = (uint32_t)j};
            note_depth(index, entry);
            keys_of(entry, &keys);
            if (keys.count > 0)
                TRY(key_index_builder_add(builder, rarest(all, &keys), id));
        }
    }
    return ERR_OK;
}

enum err client_index_create(struct policy *policy, const struct client_index **out)
{
    struct key_index_builder every = {0};
    struct key_index_builder chosen = {0};
    struct arena *scratch = arena_create();
    struct client_index *index = arena_alloc(policy->arena, 1, sizeof *index);
    const size_t count = count_entries(policy);
    struct entry_place *places = arena_alloc(policy->arena, count, sizeof *places);
    enum err error = ERR_MEMORY;
    if (scratch == NULL || index == NULL || places == NULL || count > UINT32_MAX ||
        file_all(policy, &every) != ERR_OK)
        goto out;
    const struct key_index *all = key_index_builder_finish(&every, scratch);
    if (all == NULL || file_rarest(policy, all, index, places, &chosen) != ERR_OK)
        goto out;
    index->places = places;
    index->keys = key_index_builder_finish(&chosen, policy->arena);
    if (index->keys == NULL)
        goto out;
    *out = index;
    error = ERR_OK;
out:
    key_index_builder_deinit(&every);
    key_index_builder_deinit(&chosen);
    arena_destroy(scratch);
    return error;
}

// ---- asking -------------------------------------------------------------------------------------

// search is one identity on its way through the keys; `best` is the first entry that fits so far.
struct search {
    const struct client_index *index;
    const struct policy *policy;
    const struct identity *identity;
    uint32_t best; // UINT32_MAX: none yet
};

static const struct client *client_at(const struct search *search, uint32_t id)
{
    return &search->policy->clients[search->index->places[id].client];
}

static void try_key(struct search *search, uint64_t key)
{
    const struct id_list list = key_index_find(search->index->keys, key);
    for (size_t i = 0; i < list.count && list.ids[i] < search->best; i++) {
        const uint32_t entry = search->index->places[list.ids[i]].entry;
        if (match_entry_fits(&client_at(search, list.ids[i])->matches[entry], search->identity))
            search->best = list.ids[i];
    }
}

static void try_uri(struct search *search, struct slice uri)
{
    uint64_t hash = hash_add(hash_begin(), KEY_URI_PREFIX);
    size_t slashes = 0;
    try_key(search, key_of_bytes(KEY_URI, uri));
    for (size_t i = 0; i < uri.len && slashes < search->index->uri_slashes_max; i++) {
        hash = hash_add(hash, uri.data[i]);
        if (uri.data[i] != '/')
            continue;
        try_key(search, hash_end(hash));
        slashes++;
    }
}

static void try_dns(struct search *search, struct slice name)
{
    uint64_t hash = hash_begin();
    size_t dots = 0;
    try_key(search, key_backward(KEY_DNS, name));
    for (size_t i = name.len; i-- > 0 && dots < search->index->dns_dots_max;) {
        hash = hash_add(hash, ascii_lower(name.data[i]));
        if (name.data[i] != '.')
            continue;
        try_key(search, hash_end(hash_add(hash, KEY_DNS_SUFFIX)));
        dots++;
    }
}

static void try_san(struct search *search, const struct san *san)
{
    switch (san->kind) {
    case SAN_URI:
        try_uri(search, san->value);
        return;
    case SAN_DNS:
        try_dns(search, san->value);
        return;
    case SAN_EMAIL:
        try_key(search, key_backward(KEY_EMAIL, san->value));
        return;
    case SAN_IP:
        try_key(search, key_of_bytes(KEY_IP, san->value));
        return;
    }
}

static void try_names(struct search *search)
{
    const struct identity *identity = search->identity;
    const struct dn *subject = identity_subject(identity);
    const struct dn *issuer = identity_issuer(identity);
    try_key(search,
            key_of_bytes(KEY_SHA256, slice_of(identity_sha256(identity), IDENTITY_DIGEST_LEN)));
    try_key(search, key_of_bytes(KEY_SPKI_SHA256,
                                 slice_of(identity_spki_sha256(identity), IDENTITY_DIGEST_LEN)));
    try_key(search, key_of_bytes(KEY_CN, identity_common_name(identity)));
    try_key(search, key_of_bytes(KEY_SUBJECT, slice_of(subject->bytes, subject->len)));
    try_key(search, key_of_bytes(KEY_ISSUER, slice_of(issuer->bytes, issuer->len)));
    try_key(search, key_of_bytes(KEY_SERIAL, identity_serial(identity)));
    try_key(search, key_of_string(KEY_TRUST, identity_trust_name(identity)));
    try_key(search, key_of_string(KEY_ANY, ""));
}

const struct client *client_index_find(const struct client_index *index,
                                       const struct policy *policy, const struct identity *identity)
{
    struct search search = {
        .index = index, .policy = policy, .identity = identity, .best = UINT32_MAX};
    if (identity == NULL) {
        try_key(&search, key_of_string(KEY_ANONYMOUS, ""));
    } else {
        try_names(&search);
        for (size_t i = 0; i < identity_san_count(identity); i++) {
            if (identity_san(identity, i)->is_usable)
                try_san(&search, identity_san(identity, i));
        }
    }
    return search.best == UINT32_MAX ? NULL : client_at(&search, search.best);
}
