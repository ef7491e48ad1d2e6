// A table that is searched as a whole: it is small, and a hash is compared first.
#include "proxy/metrics/tops.h"

#include <stdlib.h>

#include "auth/base/hash.h"

static const char *or_empty(const char *text)
{
    return text == NULL ? "" : text;
}

// copy_cut copies as much of a text as fits, not cutting a character of UTF-8 into two.
static void copy_cut(char *out, size_t cap, const char *text)
{
    struct slice bytes = slice_first(slice_of_string(text), cap - 1);
    while (bytes.len > 0 && ((uint8_t)text[bytes.len] & 0xC0) == 0x80)
        bytes.len--;
    (void)string_copy(out, cap, bytes);
}

// hash_texts gives the hash of the texts as they are kept, never 0.
static uint64_t hash_texts(const struct top_place *place)
{
    const char *const texts[] = {place->who, place->what, place->why};
    uint64_t hash = hash_begin();
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        hash = hash_add(hash_add_slice(hash, slice_of_string(texts[i])), 0);
    hash = hash_end(hash);
    return hash == 0 ? 1 : hash;
}

static bool is_same(const struct top_place *a, const struct top_place *b)
{
    return a->hash == b->hash && strcmp(a->who, b->who) == 0 && strcmp(a->what, b->what) == 0 &&
           strcmp(a->why, b->why) == 0;
}

// owned_count counts the places of an owner.
static size_t owned_count(const struct tops *tops, uint64_t owner)
{
    size_t count = 0;
    for (size_t i = 0; i < TOPS_PLACES; i++)
        count += tops->places[i].hash != 0 && tops->places[i].owner == owner;
    return count;
}

// lesser gives the one that makes room first; `place` may be NULL.
static struct top_place *lesser(struct top_place *place, struct top_place *other)
{
    return place == NULL || other->count < place->count ? other : place;
}

// make_room picks the place for a new one: a free one; else of its owner, who has a share already; else of an owner with more
// than a share; else any. `*out_inherits`: names of this owner may have been counted there before.
static struct top_place *make_room(struct tops *tops, uint64_t owner, bool *out_inherits)
{
    struct top_place *own = NULL;
    struct top_place *over_share = NULL;
    struct top_place *any = NULL;
    for (size_t i = 0; i < TOPS_PLACES; i++) {
        struct top_place *place = &tops->places[i];
        any = lesser(any, place); // a free one, where there is one
        if (place->owner == owner)
            own = lesser(own, place);
        else if (owned_count(tops, place->owner) > TOPS_SHARE)
            over_share = lesser(over_share, place);
    }
    *out_inherits = true;
    if (any->hash == 0)
        return any;
    if (owned_count(tops, owner) >= TOPS_SHARE)
        return own;
    *out_inherits = over_share == NULL;
    return over_share == NULL ? any : over_share;
}

static struct top_place *find(struct tops *tops, const struct top_place *like)
{
    for (size_t i = 0; i < TOPS_PLACES; i++) {
        if (is_same(&tops->places[i], like))
            return &tops->places[i];
    }
    return NULL;
}

// take counts `more`, in its own place or in the place of one that makes room.
static void take(struct tops *tops, const struct top_place *more)
{
    struct top_place *place = find(tops, more);
    if (place == NULL) {
        bool inherits = false;
        place = make_room(tops, more->owner, &inherits);
        const uint64_t before = inherits ? place->count : 0;
        *place = *more;
        place->count += before;
        place->over += before;
        return;
    }
    const bool is_later = more->last_s >= place->last_s;
    place->count += more->count;
    place->over += more->over;
    place->failures += more->failures;
    if (is_later)
        place->last_s = more->last_s;
    if (is_later && more->id[0] != '\0')
        (void)string_copy(place->id, sizeof place->id, slice_of_string(more->id));
}

void tops_note(struct tops *tops, const struct top_subject *subject, int64_t now_s)
{
    struct top_place one = {.count = 1, .failures = subject->is_failure, .last_s = now_s};
    copy_cut(one.who, sizeof one.who, or_empty(subject->who));
    copy_cut(one.what, sizeof one.what, or_empty(subject->what));
    copy_cut(one.why, sizeof one.why, or_empty(subject->why));
    copy_cut(one.id, sizeof one.id, or_empty(subject->id));
    one.hash = hash_texts(&one);
    one.owner = hash_end(hash_add_slice(
        hash_begin(), slice_of_string(subject->owner == NULL ? one.who : subject->owner)));
    take(tops, &one);
}

// compare puts the larger count first, then the later one.
static int compare(const void *a, const void *b)
{
    const struct top_place *left = a;
    const struct top_place *right = b;
    if (left->count != right->count)
        return left->count > right->count ? -1 : 1;
    return left->last_s == right->last_s ? 0 : left->last_s > right->last_s ? -1 : 1;
}

void tops_add(struct tops *sum, const struct tops *part)
{
    for (size_t i = 0; i < TOPS_PLACES; i++) {
        if (part->places[i].hash != 0)
            take(sum, &part->places[i]);
    }
}

void tops_sort(struct tops *tops)
{
    qsort(tops->places, TOPS_PLACES, sizeof tops->places[0], compare);
}
