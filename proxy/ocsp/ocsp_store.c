// A table by certificate, one of places by issuer, and of each place its entries in nobody's use, the oldest first.
#include "proxy/ocsp/ocsp_store.h"

#include <stdlib.h>

#include "auth/base/hash.h"
#include "auth/ocsp_answer.h"

static uint64_t hash_of(const uint8_t *authority, struct slice serial)
{
    return hash_end(hash_add_slice(hash_add_slice(hash_begin(), slice_of(authority, 8)), serial));
}

static struct ocsp_entry **bucket_of(const struct ocsp_store *store, const uint8_t *authority,
                                     struct slice serial)
{
    return &store->buckets[hash_of(authority, serial) % OCSP_STORE_BUCKETS];
}

static size_t place_bucket_of(const uint8_t *authority)
{
    return hash_of(authority, (struct slice){0}) % OCSP_STORE_PLACE_BUCKETS;
}

struct slice ocsp_store_serial(const struct ocsp_entry *entry)
{
    return slice_of(entry->serial, entry->serial_len);
}

static bool is_same_digest(const uint8_t *a, const uint8_t *b)
{
    return memcmp(a, b, CERT_DIGEST_LEN) == 0;
}

static void copy_digest(uint8_t out[CERT_DIGEST_LEN], const uint8_t *digest)
{
    ASSERT(bytes_copy(out, CERT_DIGEST_LEN, slice_of(digest, CERT_DIGEST_LEN)));
}

static bool is_place_of(const struct ocsp_place *place, const struct ocsp_query *query)
{
    return place->has_nonce == query->has_nonce &&
           is_same_digest(place->authority, query->authority) &&
           slice_equal(place->issuer_name, query->subject.issuer_name) &&
           http_url_equal(&place->url, query->url);
}

bool ocsp_store_init(struct ocsp_store *store)
{
    *store = (struct ocsp_store){0};
    TAILQ_INIT(&store->places);
    store->buckets = calloc(OCSP_STORE_BUCKETS, sizeof(struct ocsp_entry *));
    store->bytes = sizeof *store + OCSP_STORE_BUCKETS * sizeof(struct ocsp_entry *);
    return store->buckets != NULL;
}

// ---- what goes -----------------------------------------------------------------------------------

static void drop_place(struct ocsp_store *store, struct ocsp_place *place)
{
    struct ocsp_place **at = &store->place_buckets[place_bucket_of(place->authority)];
    ASSERT(!place->has_turn && place->under_way == 0 && place->entry_count == 0);
    while (*at != place)
        at = &(*at)->next;
    *at = place->next;
    TAILQ_REMOVE(&store->places, place, link);
    store->place_count--;
    store->bytes -= sizeof *place + place->bytes_len;
    free(place->bytes);
    free(place);
}

static void leave_unheld(struct ocsp_store *store, struct ocsp_entry *entry)
{
    TAILQ_REMOVE(&entry->place->unheld[entry->rank], entry, age);
    store->unheld_count[entry->rank]--;
    entry->place->unheld_count[entry->rank]--;
}

// drop_entry frees one that nobody holds; its place goes with the last one.
static void drop_entry(struct ocsp_store *store, struct ocsp_entry *entry)
{
    struct ocsp_place *place = entry->place;
    struct ocsp_entry **at = bucket_of(store, place->authority, ocsp_store_serial(entry));
    ASSERT(entry->holders == 0 && !entry->is_queued && !entry->is_under_way);
    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    leave_unheld(store, entry);
    place->entry_count--;
    store->entry_count--;
    store->bytes -= sizeof *entry;
    free(entry);
    if (place->entry_count == 0)
        drop_place(store, place);
}

// drop_idle frees a place in nobody's use with its entries.
static void drop_idle(struct ocsp_store *store, struct ocsp_place *place)
{
    size_t left = place->entry_count;
    for (size_t rank = 0; rank < OCSP_RANK_COUNT; rank++) {
        // The last one takes the place with it.
        for (; left > 0 && !TAILQ_EMPTY(&place->unheld[rank]); left--)
            drop_entry(store, TAILQ_FIRST(&place->unheld[rank]));
        if (left == 0)
            return;
    }
}

void ocsp_store_deinit(struct ocsp_store *store)
{
    while (!TAILQ_EMPTY(&store->places)) {
        ASSERT(TAILQ_FIRST(&store->places)->held_count == 0);
        drop_idle(store, TAILQ_FIRST(&store->places));
    }
    free(store->buckets);
    store->buckets = NULL;
}

// ---- room ----------------------------------------------------------------------------------------

// drop_oldest drops the oldest of a rank of the place that has most of that rank; what is in use at a place does not count against
// it. False: nobody has one.
static bool drop_oldest(struct ocsp_store *store, enum ocsp_rank rank)
{
    struct ocsp_place *most = NULL;
    struct ocsp_place *place = NULL;
    if (store->unheld_count[rank] == 0)
        return false;
    TAILQ_FOREACH(place, &store->places, link)
    {
        if (most == NULL || place->unheld_count[rank] > most->unheld_count[rank])
            most = place;
    }
    ASSERT(most != NULL && most->unheld_count[rank] > 0);
    drop_entry(store, TAILQ_FIRST(&most->unheld[rank]));
    return true;
}

// kept_count counts the entries in nobody's use that take trust away.
static size_t kept_count(const struct ocsp_store *store)
{
    return store->unheld_count[OCSP_RANK_UNKNOWN] + store->unheld_count[OCSP_RANK_REVOKED];
}

// bound drops what is too much, with room for `more` entries. Those that take trust away have room of their own. False: there
// are as many others as there may be, and all are held.
static bool bound(struct ocsp_store *store, size_t more)
{
    if (store->entry_count - kept_count(store) + more > OCSP_BOOK_MAX)
        (void)drop_oldest(store, OCSP_RANK_OTHER);
    if (kept_count(store) > OCSP_BOOK_MAX_KEPT && !drop_oldest(store, OCSP_RANK_UNKNOWN))
        (void)drop_oldest(store, OCSP_RANK_REVOKED);
    return store->entry_count - kept_count(store) + more <= OCSP_BOOK_MAX_HELD;
}

// crowd is how many places there are that a new one counts with.
struct crowd {
    size_t of_issuer;
    size_t of_anchor;
};

static struct crowd crowd_of(const struct ocsp_store *store, const struct ocsp_query *query)
{
    struct crowd crowd = {0};
    const struct ocsp_place *place = NULL;
    TAILQ_FOREACH(place, &store->places, link)
    {
        crowd.of_issuer += is_same_digest(place->authority, query->authority);
        crowd.of_anchor += is_same_digest(place->anchor, query->anchor);
    }
    return crowd;
}

// find_idle gives the place that goes first, of the issuer or the anchor of `query`, or of all. NULL: all are in use.
static struct ocsp_place *find_idle(const struct ocsp_store *store, const struct ocsp_query *query,
                                    const struct crowd *crowd)
{
    const bool is_issuer_full = crowd->of_issuer >= OCSP_BOOK_URLS;
    const bool is_anchor_full = crowd->of_anchor >= OCSP_BOOK_PLACES_EACH;
    struct ocsp_place *found = NULL;
    struct ocsp_place *place = NULL;
    TAILQ_FOREACH(place, &store->places, link)
    {
        if (place->held_count == 0 &&
            (!is_issuer_full || is_same_digest(place->authority, query->authority)) &&
            (!is_anchor_full || is_same_digest(place->anchor, query->anchor)) &&
            (found == NULL ||
             place->unheld_count[OCSP_RANK_REVOKED] < found->unheld_count[OCSP_RANK_REVOKED]))
            found = place;
    }
    return found;
}

// make_place_room tells whether there is room for one more place, and makes it if need be.
static bool make_place_room(struct ocsp_store *store, const struct ocsp_query *query)
{
    const struct crowd crowd = crowd_of(store, query);
    if (store->place_count < OCSP_BOOK_PLACES && crowd.of_issuer < OCSP_BOOK_URLS &&
        crowd.of_anchor < OCSP_BOOK_PLACES_EACH)
        return true;
    struct ocsp_place *place = find_idle(store, query, &crowd);
    if (place != NULL)
        drop_idle(store, place);
    return place != NULL;
}

// ---- what comes ----------------------------------------------------------------------------------

static struct ocsp_place *find_place(const struct ocsp_store *store, const struct ocsp_query *query)
{
    struct ocsp_place *place = store->place_buckets[place_bucket_of(query->authority)];
    while (place != NULL && !is_place_of(place, query))
        place = place->next;
    return place;
}

// make_place makes an empty one, which gets its first entry at once. NULL without memory.
static struct ocsp_place *make_place(struct ocsp_store *store, const struct ocsp_query *query)
{
    const struct slice name = query->subject.issuer_name;
    const struct slice key = query->subject.issuer_key;
    struct ocsp_place **bucket = &store->place_buckets[place_bucket_of(query->authority)];
    struct ocsp_place *place = calloc(1, sizeof *place);
    uint8_t *bytes = malloc(name.len + key.len + 1);
    if (place == NULL || bytes == NULL) {
        free(place);
        free(bytes);
        return NULL;
    }
    ASSERT(bytes_copy(bytes, name.len, name) && bytes_copy(bytes + name.len, key.len, key));
    *place = (struct ocsp_place){
        .has_nonce = query->has_nonce,
        .timeout_ms = query->timeout_ms,
        .url = *query->url,
        .bytes = bytes,
        .bytes_len = name.len + key.len,
        .issuer_name = slice_of(bytes, name.len),
        .issuer_key = slice_of(bytes + name.len, key.len),
        .next = *bucket,
    };
    copy_digest(place->authority, query->authority);
    copy_digest(place->anchor, query->anchor);
    TAILQ_INIT(&place->queue);
    for (size_t rank = 0; rank < OCSP_RANK_COUNT; rank++)
        TAILQ_INIT(&place->unheld[rank]);
    *bucket = place;
    TAILQ_INSERT_TAIL(&store->places, place, link);
    store->place_count++;
    store->bytes += sizeof *place + place->bytes_len;
    return place;
}

struct ocsp_entry *ocsp_store_find(const struct ocsp_store *store, const struct ocsp_query *query)
{
    struct ocsp_entry *entry = *bucket_of(store, query->authority, query->subject.serial);
    while (entry != NULL && !(slice_equal(ocsp_store_serial(entry), query->subject.serial) &&
                              is_place_of(entry->place, query)))
        entry = entry->next;
    return entry;
}

// is_about tells whether an entry is of a certificate, whoever is asked about it.
static bool is_about(const struct ocsp_entry *entry, const uint8_t *authority,
                     struct slice issuer_name, struct slice serial)
{
    return slice_equal(ocsp_store_serial(entry), serial) &&
           is_same_digest(entry->place->authority, authority) &&
           slice_equal(entry->place->issuer_name, issuer_name);
}

const struct ocsp_entry *ocsp_store_revocation(const struct ocsp_store *store,
                                               const struct ocsp_query *query)
{
    const struct ocsp_entry *found = NULL;
    const struct ocsp_entry *entry = *bucket_of(store, query->authority, query->subject.serial);
    for (; entry != NULL; entry = entry->next) {
        if (entry->has_revoked &&
            is_about(entry, query->authority, query->subject.issuer_name, query->subject.serial) &&
            (found == NULL || entry->revoked_s > found->revoked_s))
            found = entry;
    }
    return found;
}

bool ocsp_store_is_held_elsewhere(const struct ocsp_store *store, const struct ocsp_entry *entry)
{
    const struct ocsp_place *place = entry->place;
    const struct slice serial = ocsp_store_serial(entry);
    const struct ocsp_entry *other = *bucket_of(store, place->authority, serial);
    while (other != NULL && !(other != entry && other->holders > 0 &&
                              is_about(other, place->authority, place->issuer_name, serial)))
        other = other->next;
    return other != NULL;
}

static void note_held(struct ocsp_store *store, struct ocsp_entry *entry)
{
    entry->holders = 1;
    entry->place->held_count++;
    store->held_count++;
}

struct ocsp_entry *ocsp_store_make(struct ocsp_store *store, const struct ocsp_query *query,
                                   bool *out_is_crowded)
{
    const struct slice serial = query->subject.serial;
    *out_is_crowded = false;
    if (serial.len > OCSP_SERIAL_MAX_LEN)
        return NULL;
    // Room first: the place may be the one that goes with its last entry.
    *out_is_crowded = !bound(store, 1);
    struct ocsp_place *place = *out_is_crowded ? NULL : find_place(store, query);
    if (place == NULL && !*out_is_crowded)
        *out_is_crowded = !make_place_room(store, query);
    struct ocsp_entry *entry = *out_is_crowded ? NULL : calloc(1, sizeof *entry);
    if (place == NULL && entry != NULL)
        place = make_place(store, query);
    if (place == NULL || entry == NULL) {
        free(entry);
        return NULL;
    }
    struct ocsp_entry **bucket = bucket_of(store, query->authority, serial);
    entry->place = place;
    entry->serial_len = (uint8_t)serial.len;
    ASSERT(bytes_copy(entry->serial, sizeof entry->serial, serial));
    entry->next = *bucket;
    *bucket = entry;
    place->entry_count++;
    store->entry_count++;
    store->bytes += sizeof *entry;
    note_held(store, entry);
    return entry;
}

void ocsp_store_hold(struct ocsp_store *store, struct ocsp_entry *entry)
{
    if (entry->holders > 0) {
        entry->holders++;
        return;
    }
    leave_unheld(store, entry);
    note_held(store, entry);
}

static enum ocsp_rank rank_of(const struct ocsp_entry *entry)
{
    if (entry->has_revoked)
        return OCSP_RANK_REVOKED;
    return entry->has_answer && entry->status == OCSP_UNKNOWN ? OCSP_RANK_UNKNOWN : OCSP_RANK_OTHER;
}

void ocsp_store_release(struct ocsp_store *store, struct ocsp_entry *entry)
{
    struct ocsp_place *place = entry->place;
    ASSERT(entry->holders > 0);
    if (--entry->holders > 0)
        return;
    store->held_count--;
    entry->rank = (uint8_t)rank_of(entry);
    TAILQ_INSERT_TAIL(&place->unheld[entry->rank], entry, age);
    store->unheld_count[entry->rank]++;
    place->unheld_count[entry->rank]++;
    if (--place->held_count == 0) {
        TAILQ_REMOVE(&store->places, place, link);
        TAILQ_INSERT_TAIL(&store->places, place, link);
    }
    const bool says_something = entry->has_answer || entry->failures > 0;
    if (!says_something)
        drop_entry(store, entry);
    else
        (void)bound(store, 0);
}
