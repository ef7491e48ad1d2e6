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

// find gives the place of `like`, or the one that makes room for it.
static struct top_place *find(struct tops *tops, const struct top_place *like)
{
    struct top_place *least = &tops->places[0];
    for (size_t i = 0; i < TOPS_PLACES; i++) {
        struct top_place *place = &tops->places[i];
        if (is_same(place, like))
            return place;
        if (place->count < least->count)
            least = place;
    }
    return least;
}

// take counts `more`, in its own place or in the place of the least one.
static void take(struct tops *tops, const struct top_place *more)
{
    struct top_place *place = find(tops, more);
    if (is_same(place, more)) {
        const bool is_later = more->last_s >= place->last_s;
        place->count += more->count;
        place->over += more->over;
        place->failures += more->failures;
        if (is_later)
            place->last_s = more->last_s;
        if (is_later && more->id[0] != '\0')
            (void)string_copy(place->id, sizeof place->id, slice_of_string(more->id));
        return;
    }
    const uint64_t before = place->count;
    *place = *more;
    place->count += before;
    place->over += before;
}

void tops_note(struct tops *tops, const struct top_subject *subject, int64_t now_s)
{
    struct top_place one = {.count = 1, .failures = subject->is_failure, .last_s = now_s};
    copy_cut(one.who, sizeof one.who, or_empty(subject->who));
    copy_cut(one.what, sizeof one.what, or_empty(subject->what));
    copy_cut(one.why, sizeof one.why, or_empty(subject->why));
    copy_cut(one.id, sizeof one.id, or_empty(subject->id));
    one.hash = hash_texts(&one);
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
