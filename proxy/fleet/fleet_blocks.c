// An array of entries, sorted by the names that they have in a store, and searched by halves.
#include "proxy/fleet/fleet_blocks.h"

#include <openssl/sha.h>
#include <stdlib.h>

#include "auth/base/hex.h"
#include "auth/base/text.h"

enum { NAME_LEN = SHA256_DIGEST_LENGTH };

// How an entry stands to the store, as was seen last.
enum standing {
    STANDING_SAME,   // the store has it
    STANDING_DUE,    // the store should get it
    STANDING_BEYOND, // the store has something newer that was not taken
};

struct entry {
    struct fleet_word word; // its text follows the entry
    uint8_t name[NAME_LEN];
    enum standing standing;
    bool is_met; // in this comparison, or put or given since it has begun
    bool has_seal;
    uint8_t seal[FLEET_SEAL_LEN]; // of what was in the store when it was met last
    char text[];
};

struct fleet_blocks {
    struct entry **entries; // owned, each; sorted by name
    size_t count;
    size_t cap;
    size_t block_count;
    uint64_t newest; // highest version seen
};

const char *fleet_finding_name(enum fleet_finding finding)
{
    static const char *const names[] = {
#define X(symbol, name) name,
        FLEET_FINDING_TABLE(X)
#undef X
    };
    ASSERT((size_t)finding < FLEET_FINDING_COUNT);
    return names[finding];
}

struct fleet_blocks *fleet_blocks_create(void)
{
    return calloc(1, sizeof(struct fleet_blocks));
}

void fleet_blocks_destroy(struct fleet_blocks *blocks)
{
    if (blocks == NULL)
        return;
    for (size_t i = 0; i < blocks->count; i++)
        free(blocks->entries[i]);
    free(blocks->entries);
    free(blocks);
}

size_t fleet_blocks_count(const struct fleet_blocks *blocks)
{
    return blocks->count;
}

size_t fleet_blocks_block_count(const struct fleet_blocks *blocks)
{
    return blocks->block_count;
}

const struct fleet_word *fleet_blocks_at(const struct fleet_blocks *blocks, size_t index)
{
    ASSERT(index < blocks->count);
    return &blocks->entries[index]->word;
}

static void digest(const char *text, uint8_t out[NAME_LEN])
{
    const struct slice bytes = slice_of_string(text);
    (void)SHA256(bytes.data, bytes.len, out);
}

void fleet_blocks_name(const char *text, char out[FLEET_NAME_CAP])
{
    uint8_t name[NAME_LEN];
    struct text hex;
    digest(text, name);
    text_init(&hex, out, FLEET_NAME_CAP);
    text_append_hex(&hex, slice_of(name, sizeof name));
}

// search gives the place of a name, or the one where it belongs, and whether it is there.
static bool search(const struct fleet_blocks *blocks, const uint8_t name[NAME_LEN], size_t *out)
{
    size_t low = 0;
    size_t high = blocks->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = memcmp(blocks->entries[middle]->name, name, NAME_LEN);
        if (order == 0) {
            *out = middle;
            return true;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *out = low;
    return false;
}

static struct entry *find(const struct fleet_blocks *blocks, const char *text)
{
    uint8_t name[NAME_LEN];
    size_t index = 0;
    digest(text, name);
    return search(blocks, name, &index) ? blocks->entries[index] : NULL;
}

const struct fleet_word *fleet_blocks_find(const struct fleet_blocks *blocks, const char *text)
{
    const struct entry *entry = find(blocks, text);
    return entry == NULL ? NULL : &entry->word;
}

// make copies a word with its text.
static struct entry *make(const struct fleet_word *word)
{
    const struct slice text = slice_of_string(word->block.text);
    struct entry *entry = calloc(1, sizeof *entry + text.len + 1);
    if (entry == NULL)
        return NULL;
    (void)bytes_copy(entry->text, text.len, text);
    entry->word = *word;
    entry->word.block.text = entry->text;
    entry->standing = word->is_shared ? STANDING_SAME : STANDING_DUE;
    entry->is_met = true;
    digest(entry->text, entry->name);
    return entry;
}

// has_room makes room for one entry more.
static bool has_room(struct fleet_blocks *blocks)
{
    if (blocks->count < blocks->cap)
        return true;
    const size_t cap = blocks->cap == 0 ? 64 : 2 * blocks->cap;
    struct entry **entries = reallocarray(blocks->entries, cap, sizeof(struct entry *));
    if (entries == NULL)
        return false;
    blocks->entries = entries;
    blocks->cap = cap;
    return true;
}

static void insert(struct fleet_blocks *blocks, size_t index, struct entry *entry)
{
    for (size_t i = blocks->count; i > index; i--)
        blocks->entries[i] = blocks->entries[i - 1];
    blocks->entries[index] = entry;
    blocks->count++;
}

static void drop(struct fleet_blocks *blocks, size_t index)
{
    if (blocks->entries[index]->word.op == FLEET_BLOCK)
        blocks->block_count--;
    free(blocks->entries[index]);
    blocks->count--;
    for (size_t i = index; i < blocks->count; i++)
        blocks->entries[i] = blocks->entries[i + 1];
}

// put takes a word; `*out` is its entry.
static enum err put(struct fleet_blocks *blocks, const struct fleet_word *word, struct entry **out)
{
    struct entry *entry = make(word);
    size_t index = 0;
    if (entry == NULL || !has_room(blocks)) {
        free(entry);
        return ERR_MEMORY;
    }
    const bool is_there = search(blocks, entry->name, &index);
    const bool was_block = is_there && blocks->entries[index]->word.op == FLEET_BLOCK;
    const bool is_block = word->op == FLEET_BLOCK;
    if (is_block && !was_block && blocks->block_count >= BLOCKS_MAX) {
        free(entry);
        return ERR_LIMIT;
    }
    if (is_there) {
        const struct fleet_word *old = &blocks->entries[index]->word;
        if (word->version != 0) {
            entry->word.after = old->is_shared ? old->version : old->after;
            (void)string_copy(entry->word.after_by, FLEET_INSTANCE_CAP,
                              slice_of_string(old->is_shared ? old->by : old->after_by));
        }
        entry->has_seal = blocks->entries[index]->has_seal;
        (void)bytes_copy(entry->seal, sizeof entry->seal,
                         slice_of(blocks->entries[index]->seal, FLEET_SEAL_LEN));
        free(blocks->entries[index]);
        blocks->entries[index] = entry;
    } else {
        insert(blocks, index, entry);
    }
    blocks->block_count += is_block;
    blocks->block_count -= was_block;
    if (word->version > blocks->newest)
        blocks->newest = word->version;
    *out = entry;
    return ERR_OK;
}

enum err fleet_blocks_put(struct fleet_blocks *blocks, const struct fleet_word *word)
{
    struct entry *entry = NULL;
    return put(blocks, word, &entry);
}

void fleet_blocks_forget(struct fleet_blocks *blocks, const char *text)
{
    uint8_t name[NAME_LEN];
    size_t index = 0;
    digest(text, name);
    if (search(blocks, name, &index))
        drop(blocks, index);
}

// time_of gives the version that the time alone would give.
static uint64_t time_of(int64_t now_s)
{
    return now_s < 0 || now_s > INT64_MAX / 1000 ? 0 : (uint64_t)now_s * 1000;
}

uint64_t fleet_blocks_next(const struct fleet_blocks *blocks, int64_t now_s)
{
    const uint64_t now = time_of(now_s);
    const uint64_t next = blocks->newest + 1;
    // A clock that is so far ahead would make a word that nobody takes, and each later one of ours with it.
    const bool is_wrong = blocks->newest != 0 && now > blocks->newest + FLEET_VERSION_STEP;
    const uint64_t version = next > now || is_wrong ? next : now;
    return version > FLEET_VERSION_MAX ? FLEET_VERSION_MAX : version;
}

uint64_t fleet_blocks_newest(const struct fleet_blocks *blocks)
{
    return blocks->newest;
}

void fleet_blocks_note_newest(struct fleet_blocks *blocks, uint64_t version)
{
    if (version > blocks->newest)
        blocks->newest = version;
}

static bool is_end(const struct entry *entry)
{
    return entry->word.op == FLEET_UNBLOCK;
}

bool fleet_blocks_is_older(const struct fleet_blocks *blocks, const struct fleet_word *word,
                           int64_t age_s, int64_t now_s)
{
    const uint64_t now = time_of(now_s);
    const uint64_t known = blocks->newest < now ? blocks->newest : now;
    return known > word->version && known - word->version > (uint64_t)age_s * 1000;
}

static bool is_old(const struct fleet_blocks *blocks, const struct fleet_word *word, int64_t now_s)
{
    return word->op == FLEET_UNBLOCK &&
           fleet_blocks_is_older(blocks, word, FLEET_END_KEPT_S, now_s);
}

static int compare_versions(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a;
    const uint64_t right = *(const uint64_t *)b;
    return left < right ? 1 : left > right ? -1 : 0;
}

// oldest_kept gives the version of the oldest end that there is room for; `*room` for how many of that very version.
static uint64_t oldest_kept(const struct fleet_blocks *blocks, size_t *room)
{
    *room = SIZE_MAX;
    const size_t end_count = blocks->count - blocks->block_count;
    if (end_count <= FLEET_ENDS_MAX)
        return 0;
    uint64_t *versions = calloc(end_count, sizeof *versions);
    size_t count = 0;
    if (versions == NULL)
        return 0; // the next time
    for (size_t i = 0; i < blocks->count; i++) {
        if (is_end(blocks->entries[i]))
            versions[count++] = blocks->entries[i]->word.version;
    }
    qsort(versions, count, sizeof *versions, compare_versions);
    const uint64_t oldest = versions[FLEET_ENDS_MAX - 1];
    for (*room = 0; *room < FLEET_ENDS_MAX && versions[FLEET_ENDS_MAX - 1 - *room] == oldest;)
        ++*room;
    free(versions);
    return oldest;
}

size_t fleet_blocks_expire(struct fleet_blocks *blocks, int64_t now_s)
{
    size_t room = 0;
    const uint64_t oldest = oldest_kept(blocks, &room);
    size_t kept = 0;
    for (size_t i = 0; i < blocks->count; i++) {
        struct entry *entry = blocks->entries[i];
        const uint64_t version = entry->word.version;
        bool is_surplus = is_end(entry) && version < oldest;
        if (is_end(entry) && version == oldest)
            is_surplus = room == 0;
        if (is_end(entry) && version == oldest && room > 0)
            room--;
        if (is_old(blocks, &entry->word, now_s) || is_surplus)
            free(entry);
        else
            blocks->entries[kept++] = entry;
    }
    const size_t gone = blocks->count - kept;
    blocks->count = kept;
    return gone;
}

void fleet_blocks_version_all(struct fleet_blocks *blocks, const char *by, int64_t now_s)
{
    const uint64_t version = fleet_blocks_next(blocks, now_s);
    for (size_t i = 0; i < blocks->count; i++) {
        struct entry *entry = blocks->entries[i];
        if (entry->word.version != 0)
            continue;
        entry->word.version = version;
        (void)string_copy(entry->word.by, sizeof entry->word.by, slice_of_string(by));
        entry->standing = STANDING_DUE;
        blocks->newest = version;
    }
}

void fleet_blocks_localize(struct fleet_blocks *blocks)
{
    size_t kept = 0;
    for (size_t i = 0; i < blocks->count; i++) {
        struct entry *entry = blocks->entries[i];
        if (is_end(entry)) {
            free(entry);
            continue;
        }
        entry->word.version = 0;
        entry->word.by[0] = '\0';
        entry->word.after = 0;
        entry->word.after_by[0] = '\0';
        blocks->entries[kept++] = entry;
    }
    blocks->count = kept;
    fleet_blocks_unshare(blocks);
}

enum err fleet_blocks_list(const struct fleet_blocks *blocks, struct blocklist **out)
{
    struct block *list = calloc(blocks->block_count + 1, sizeof *list);
    size_t count = 0;
    *out = NULL;
    if (list == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < blocks->count; i++) {
        if (!is_end(blocks->entries[i]))
            list[count++] = blocks->entries[i]->word.block;
    }
    const enum err error = blocklist_create(list, count, out);
    free(list);
    return error;
}

// compare gives the order of two words on one block: the higher one holds. Total, so that all proxies agree.
static int compare(const struct fleet_word *a, const struct fleet_word *b)
{
    if (a->version != b->version)
        return a->version < b->version ? -1 : 1;
    if (a->op != b->op)
        return a->op == FLEET_BLOCK ? 1 : -1;
    const int by = strcmp(a->by, b->by);
    if (by != 0)
        return by;
    if (a->block.since_s != b->block.since_s)
        return a->block.since_s < b->block.since_s ? -1 : 1;
    if (a->block.uid != b->block.uid)
        return a->block.uid < b->block.uid ? -1 : 1;
    return 0;
}

void fleet_blocks_begin(struct fleet_blocks *blocks)
{
    for (size_t i = 0; i < blocks->count; i++)
        blocks->entries[i]->is_met = false;
}

// read_name reads the name of an entry. False: nothing of ours is called so.
static bool read_name(struct slice name, uint8_t out[NAME_LEN])
{
    size_t digits = 0;
    return hex_is_lower(name) && hex_read(name, out, NAME_LEN, &digits) &&
           digits == 2 * (size_t)NAME_LEN;
}

bool fleet_blocks_has_name(const struct fleet_blocks *blocks, const char *name)
{
    uint8_t key[NAME_LEN];
    size_t index = 0;
    return read_name(slice_of_string(name), key) && search(blocks, key, &index);
}

// keep_seal notes how the entry stands in the store.
static void keep_seal(struct entry *entry, const uint8_t *seal)
{
    (void)bytes_copy(entry->seal, sizeof entry->seal, slice_of(seal, FLEET_SEAL_LEN));
    entry->has_seal = true;
}

// take makes a newer word ours, or one on a block that is new.
static enum fleet_finding take(struct fleet_blocks *blocks, const struct fleet_word *word,
                               const uint8_t *seal)
{
    struct fleet_word shared = *word;
    struct entry *entry = NULL;
    shared.is_shared = true;
    const enum err error = put(blocks, &shared, &entry);
    if (error != ERR_OK)
        return error == ERR_LIMIT ? FLEET_NO_ROOM : FLEET_NO_MEMORY;
    entry->word.after = word->after;
    (void)string_copy(entry->word.after_by, FLEET_INSTANCE_CAP, slice_of_string(word->after_by));
    entry->standing = STANDING_SAME;
    keep_seal(entry, seal);
    return FLEET_TAKEN;
}

// is_named_so tells whether a word stands under the name that is its own.
static bool is_named_so(const struct fleet_word *word, const uint8_t name[NAME_LEN])
{
    uint8_t own[NAME_LEN];
    digest(word->block.text, own);
    return memcmp(own, name, NAME_LEN) == 0 && word->version > 0 &&
           word->version <= FLEET_VERSION_MAX;
}

// insist makes a block of ours newer than a word whose author did not know of it, or of which ours did not know.
static enum fleet_finding insist(struct fleet_blocks *blocks, struct entry *entry,
                                 const struct fleet_word *word)
{
    uint64_t *version = &entry->word.version;
    const uint64_t newest = word->version > *version ? word->version : *version;
    *version =
        newest >= FLEET_VERSION_MAX ? FLEET_VERSION_MAX : newest + 1; // then it wins as it is
    entry->word.is_shared = false;
    entry->standing = STANDING_DUE;
    if (*version > blocks->newest)
        blocks->newest = *version;
    return FLEET_BEHIND;
}

// is_known tells whether the author of `word` knew of a block that a store has had, or of a newer one.
static bool is_known(const struct fleet_word *word, const struct fleet_word *block)
{
    if (strcmp(word->by, block->by) == 0 || block->version < word->after)
        return true;
    return block->version == word->after && strcmp(block->by, word->after_by) == 0;
}

// outlives tells whether a block of ours has to become newer than a word of the store: a newer end whose author did not know of it,
// or a block of which one of the two authors did not know, after whose end ours would be gone too. Of a block that no store has
// had nobody else knows.
static bool outlives(const struct fleet_word *ours, const struct fleet_word *word, int order)
{
    if (ours->op != FLEET_BLOCK)
        return false;
    if (order < 0)
        return word->op == FLEET_BLOCK && !is_known(ours, word);
    return ours->is_shared ? word->op == FLEET_UNBLOCK && !is_known(word, ours)
                           : strcmp(word->by, ours->by) != 0;
}

// is_outlived tells whether a block of the store outlives a newer end of ours.
static bool is_outlived(const struct fleet_word *ours, const struct fleet_word *word)
{
    return ours->op == FLEET_UNBLOCK && word->op == FLEET_BLOCK && !is_known(ours, word);
}

// is_too_far tells whether a version cannot have come about by counting, or by any clock.
static bool is_too_far(const struct fleet_blocks *blocks, const struct fleet_word *word,
                       int64_t now_s)
{
    const uint64_t now = time_of(now_s);
    const uint64_t known = blocks->newest > now ? blocks->newest : now;
    return word->version > known + FLEET_VERSION_STEP;
}

static void stand(struct entry *entry, enum standing standing)
{
    if (entry != NULL)
        entry->standing = standing;
}

enum fleet_finding fleet_blocks_meet(struct fleet_blocks *blocks, struct slice name,
                                     const struct fleet_word *word,
                                     const uint8_t seal[FLEET_SEAL_LEN], int64_t now_s)
{
    uint8_t key[NAME_LEN];
    size_t index = 0;
    if (!read_name(name, key))
        return FLEET_FORGED;
    struct entry *entry = search(blocks, key, &index) ? blocks->entries[index] : NULL;
    if (entry != NULL) {
        keep_seal(entry, seal);
        entry->is_met = true;
    }
    if (word == NULL || !is_named_so(word, key)) {
        stand(entry, STANDING_DUE);
        return FLEET_FORGED;
    }
    if (is_too_far(blocks, word, now_s)) {
        stand(entry, STANDING_BEYOND);
        return FLEET_FORGED;
    }
    const int order = entry == NULL ? 1 : compare(word, &entry->word);
    if (order > 0 && is_old(blocks, word, now_s)) {
        if (entry != NULL && entry->word.op == FLEET_BLOCK)
            (void)insist(blocks, entry, word); // for whom it is not old has its end come again
        else
            stand(entry, STANDING_DUE);
        return FLEET_OLD;
    }
    if (entry != NULL && order != 0 && outlives(&entry->word, word, order))
        return insist(blocks, entry, word);
    if (entry == NULL || order > 0 || is_outlived(&entry->word, word)) {
        stand(entry, STANDING_BEYOND); // unless it is taken
        return take(blocks, word, seal);
    }
    entry->standing = order == 0 ? STANDING_SAME : STANDING_DUE;
    if (order < 0)
        return entry->word.is_shared ? FLEET_ROLLED_BACK : FLEET_BEHIND;
    entry->word.is_shared = true;
    return FLEET_SAME;
}

size_t fleet_blocks_end(struct fleet_blocks *blocks, int64_t now_s)
{
    size_t vanished = 0;
    for (size_t i = 0; i < blocks->count; i++) {
        struct entry *entry = blocks->entries[i];
        if (entry->is_met)
            continue;
        // Of an end that nobody keeps any more somebody with a faster clock may have been rid already.
        const bool is_ending =
            is_end(entry) &&
            fleet_blocks_is_older(blocks, &entry->word, FLEET_END_KEPT_S / 10 * 9, now_s);
        entry->standing = is_ending ? STANDING_SAME : STANDING_DUE;
        entry->has_seal = false;
        vanished += entry->word.is_shared && !is_ending;
    }
    return vanished;
}

bool fleet_blocks_due(const struct fleet_blocks *blocks, size_t *cursor, struct fleet_due *out)
{
    while (*cursor < blocks->count) {
        const struct entry *entry = blocks->entries[(*cursor)++];
        if (entry->standing != STANDING_DUE || entry->word.version == 0)
            continue;
        struct text hex;
        out->word = &entry->word;
        out->has_seal = entry->has_seal;
        (void)bytes_copy(out->seal, sizeof out->seal, slice_of(entry->seal, FLEET_SEAL_LEN));
        text_init(&hex, out->name, sizeof out->name);
        text_append_hex(&hex, slice_of(entry->name, NAME_LEN));
        return true;
    }
    return false;
}

bool fleet_blocks_note_shared(struct fleet_blocks *blocks, const char *text, uint64_t version)
{
    struct entry *entry = find(blocks, text);
    if (entry == NULL || entry->word.version != version)
        return false;
    const bool is_news = !entry->word.is_shared;
    entry->word.is_shared = true;
    entry->standing = STANDING_SAME;
    entry->is_met = true;
    return is_news;
}

void fleet_blocks_reseal(struct fleet_blocks *blocks, const char *name)
{
    uint8_t key[NAME_LEN];
    size_t index = 0;
    if (read_name(slice_of_string(name), key) && search(blocks, key, &index) &&
        blocks->entries[index]->standing == STANDING_SAME)
        blocks->entries[index]->standing = STANDING_DUE;
}

void fleet_blocks_unshare(struct fleet_blocks *blocks)
{
    for (size_t i = 0; i < blocks->count; i++) {
        blocks->entries[i]->word.is_shared = false;
        blocks->entries[i]->has_seal = false;
        blocks->entries[i]->standing = STANDING_DUE;
    }
}
