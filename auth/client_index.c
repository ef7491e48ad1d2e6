// One chain of entries for each slot of the table, one for those that are always tried; each in file order. An identity
// is looked up under every name that it has, and of what fits the first in the file counts.
#include "auth/client_index.h"

#include "auth/base/hash.h"

enum { NONE = UINT32_MAX };

// What a key is made of, beside the kinds of SANs.
enum key_kind { KEY_SUBJECT = SAN_IP + 1, KEY_CN, KEY_SHA256, KEY_SPKI_SHA256 };

// place is one entry of `match`, numbered in file order.
struct place {
    const struct client *client;
    const struct match_entry *entry;
    uint32_t next; // in its chain; NONE: the last
};

struct client_index {
    struct place *places; // arena
    uint32_t *heads;      // arena; the first of each slot's chain, or NONE
    size_t mask;          // number of slots - 1
    uint32_t others;      // the first of those that are always tried, or NONE
};

// head_of gives the chain for a thing of this kind. Case is ignored, as in host names: more are compared, never fewer.
static uint32_t *head_of(const struct client_index *index, unsigned kind, struct slice bytes)
{
    uint64_t hash = hash_add(hash_begin(), (uint8_t)kind);
    for (size_t i = 0; i < bytes.len; i++)
        hash = hash_add(hash, ascii_lower(bytes.data[i]));
    return &index->heads[hash_end(hash) & index->mask];
}

// chain_of gives the chain of an entry: that of the most telling exact thing it asks for.
static uint32_t *chain_of(struct client_index *index, const struct match_entry *entry)
{
    const struct slice uri = entry->uri == NULL ? (struct slice){0} : slice_of_string(entry->uri);
    const struct slice dns = entry->dns == NULL ? (struct slice){0} : slice_of_string(entry->dns);
    if (entry->sha256 != NULL)
        return head_of(index, KEY_SHA256, slice_of(entry->sha256, IDENTITY_DIGEST_LEN));
    if (entry->spki_sha256 != NULL)
        return head_of(index, KEY_SPKI_SHA256, slice_of(entry->spki_sha256, IDENTITY_DIGEST_LEN));
    if (entry->uri != NULL && !match_is_uri_pattern(uri))
        return head_of(index, SAN_URI, uri);
    if (entry->ip != NULL)
        return head_of(index, SAN_IP,
                       slice_of(entry->ip->bytes, entry->ip->family == IP_V4 ? 4 : 16));
    if (entry->email != NULL)
        return head_of(index, SAN_EMAIL, slice_of_string(entry->email));
    if (entry->dns != NULL && !match_is_dns_pattern(dns))
        return head_of(index, SAN_DNS, dns);
    if (entry->subject.data != NULL)
        return head_of(index, KEY_SUBJECT, entry->subject);
    return entry->cn != NULL ? head_of(index, KEY_CN, slice_of_string(entry->cn)) : &index->others;
}

enum err client_index_create(struct arena *arena, const struct client *clients, size_t count,
                             const struct client_index **out)
{
    size_t entry_count = 0;
    for (size_t i = 0; i < count; i++)
        entry_count += clients[i].match_count;
    size_t slot_count = 1;
    while (slot_count < entry_count)
        slot_count *= 2;
    struct client_index *index = arena_alloc(arena, 1, sizeof *index);
    struct place *places = arena_alloc(arena, entry_count, sizeof *places);
    uint32_t *heads = arena_alloc(arena, slot_count, sizeof *heads);
    if (index == NULL || places == NULL || heads == NULL || entry_count >= NONE)
        return ERR_MEMORY;
    for (size_t i = 0; i < slot_count; i++)
        heads[i] = NONE;
    *index = (struct client_index){
        .places = places, .heads = heads, .mask = slot_count - 1, .others = NONE};
    // From the last to the first, each in front of its chain: so a chain is in file order.
    for (size_t i = count; i-- > 0;) {
        for (size_t j = clients[i].match_count; j-- > 0;) {
            const struct match_entry *entry = &clients[i].matches[j];
            uint32_t *chain = chain_of(index, entry);
            places[--entry_count] = (struct place){&clients[i], entry, *chain};
            *chain = (uint32_t)entry_count;
        }
    }
    *out = index;
    return ERR_OK;
}

// search is one identity on its way through the chains; `best` is the first entry that fits so far.
struct search {
    const struct client_index *index;
    const struct identity *identity;
    uint32_t best; // NONE: none yet
};

static void try_chain(struct search *search, uint32_t first)
{
    const struct place *places = search->index->places;
    for (uint32_t i = first; i < search->best; i = places[i].next) {
        if (match_entry_fits(places[i].entry, search->identity))
            search->best = i;
    }
}

static void try_key(struct search *search, unsigned kind, struct slice bytes)
{
    try_chain(search, *head_of(search->index, kind, bytes));
}

const struct client *client_index_find(const struct client_index *index,
                                       const struct identity *identity)
{
    struct search search = {.index = index, .identity = identity, .best = NONE};
    try_chain(&search, index->others);
    if (identity != NULL) {
        try_key(&search, KEY_SHA256, slice_of(identity_sha256(identity), IDENTITY_DIGEST_LEN));
        try_key(&search, KEY_SPKI_SHA256,
                slice_of(identity_spki_sha256(identity), IDENTITY_DIGEST_LEN));
        try_key(&search, KEY_SUBJECT, dn_slice(identity_subject(identity)));
        try_key(&search, KEY_CN, identity_common_name(identity));
    }
    for (size_t i = 0; identity != NULL && i < identity_san_count(identity); i++) {
        const struct san *san = identity_san(identity, i);
        if (san->is_usable)
            try_key(&search, san->kind, san->value);
    }
    return search.best == NONE ? NULL : index->places[search.best].client;
}
