// fleet_blocks: what several proxies know together about blocks: for each block the newest word on it, and how the words of
// others and of a store are merged into it.
//
// A word is a block or its end (a tombstone), and has a version: one higher than every version that its author had seen, and no
// lower than the time in milliseconds (a hybrid logical clock). So a word is newer than those that its author has forgotten, too, as
// long as his clock is roughly right. The higher version wins. Of the same version the block wins over its end, then fixed rules decide, so that
// all proxies come to the same result in any order. Words are never lost by merging: a store that has less, or something
// older, is repaired with ours. An end ends only what was known where it was given: each word says which word of the store it comes
// after. A block by somebody else that is newer than that one, or that no store has had yet, was given meanwhile, and outlives the end
// whatever its version. So where two proxies both block, the one that comes second to the store becomes newer than the first.
//
// A comparison with the store goes over everything that the store has: fleet_blocks_begin, fleet_blocks_meet for each entry,
// fleet_blocks_end. What the store should have then is given by fleet_blocks_due. Pure; for one thread. Knows no store, no
// seals and no files.
#pragma once

#include <sys/types.h>

#include "auth/blocklist.h"

enum {
    FLEET_ENDS_MAX = 10000,            // tombstones; those of the lowest versions go
    FLEET_END_KEPT_S = 30 * 24 * 3600, // how long one is kept, by the versions
    FLEET_INSTANCE_CAP = 17,           // 16 lower-case hexadecimal digits and a NUL
    FLEET_NAME_CAP = 65,               // 64 of them and a NUL
    FLEET_SEAL_LEN = 20, // of the digest by which an entry of the store is known again
};

// The highest version that there is. One that is ahead of the time, and of all that are known, by more than FLEET_VERSION_STEP (70
// years) is not taken: nobody gets there by counting or by a clock that is wrong, and after it there would soon be none left.
#define FLEET_VERSION_MAX  ((uint64_t)1 << 52)
#define FLEET_VERSION_STEP ((uint64_t)1 << 41)

enum fleet_op { FLEET_BLOCK, FLEET_UNBLOCK };

// fleet_word is what is known about one block.
struct fleet_word {
    struct block block; // its text is borrowed; since_s is when the word was given, uid by whom
    enum fleet_op op;
    uint64_t version;            // 0: of a proxy without a store
    char by[FLEET_INSTANCE_CAP]; // the instance where it was given; "": not known
    bool is_shared;              // a store has had it: it cannot be missing there
    // The newest word on this block that a store was known to have when this one was given: its version, 0 for none, and where it was
    // given. fleet_blocks_put sets them where the word takes the place of another one.
    uint64_t after;
    char after_by[FLEET_INSTANCE_CAP];
};

struct fleet_blocks;

// fleet_blocks_create makes an empty set; NULL without memory. NULL is allowed for _destroy.
struct fleet_blocks *fleet_blocks_create(void) MUST_USE;
void fleet_blocks_destroy(struct fleet_blocks *blocks);

size_t fleet_blocks_count(const struct fleet_blocks *blocks);       // of all words
size_t fleet_blocks_block_count(const struct fleet_blocks *blocks); // of those that block

// fleet_blocks_at gives a word, in the order of their names; borrowed until the set changes.
const struct fleet_word *fleet_blocks_at(const struct fleet_blocks *blocks, size_t index);

// fleet_blocks_find gives the word on the block of this text; NULL: there is none.
const struct fleet_word *fleet_blocks_find(const struct fleet_blocks *blocks, const char *text);

// fleet_blocks_has_name tells whether there is a word that stands under this name in a store.
bool fleet_blocks_has_name(const struct fleet_blocks *blocks, const char *name);

// fleet_blocks_name writes the name under which the word on a block stands in a store.
void fleet_blocks_name(const char *text, char out[FLEET_NAME_CAP]);

// fleet_blocks_put takes a word, in the place of what was known of its block; its texts are copied. ERR_LIMIT: it would be one
// block more than BLOCKS_MAX; ERR_MEMORY. Then nothing has changed.
enum err fleet_blocks_put(struct fleet_blocks *blocks, const struct fleet_word *word) MUST_USE;

// fleet_blocks_forget drops what is known of a block, without leaving a word.
void fleet_blocks_forget(struct fleet_blocks *blocks, const char *text);

// fleet_blocks_next gives the version of a word that is given at `now_s`, Unix seconds; FLEET_VERSION_MAX at most. Where that is further
// ahead of all that was seen than anybody would take, it is no clock to go by: then only one higher than that.
uint64_t fleet_blocks_next(const struct fleet_blocks *blocks, int64_t now_s);

// fleet_blocks_newest gives the highest version that was ever seen, also of what is not kept any more. fleet_blocks_note_newest notes
// that one was.
uint64_t fleet_blocks_newest(const struct fleet_blocks *blocks);
void fleet_blocks_note_newest(struct fleet_blocks *blocks, uint64_t version);

// fleet_blocks_is_older tells whether a word is older than `age_s` seconds. That is told by its version, which is a time: by how much
// lower it is than the highest one that was seen, and than `now_s`, Unix seconds. So neither a clock that was behind where it was given
// makes it old, nor one that is ahead here; where nothing is said nothing ages.
bool fleet_blocks_is_older(const struct fleet_blocks *blocks, const struct fleet_word *word,
                           int64_t age_s, int64_t now_s);

// fleet_blocks_expire drops the ends that are older than FLEET_END_KEPT_S, and the oldest above FLEET_ENDS_MAX. `now_s` is Unix
// seconds. Gives how many.
size_t fleet_blocks_expire(struct fleet_blocks *blocks, int64_t now_s);

// fleet_blocks_version_all gives words without a version one, so that a store can have them. `by` is this instance, `now_s` Unix seconds.
void fleet_blocks_version_all(struct fleet_blocks *blocks, const char *by, int64_t now_s);

// fleet_blocks_localize makes it what a proxy knows that shares nothing: blocks stay, without versions; ends go; the
// highest version that was seen stays.
void fleet_blocks_localize(struct fleet_blocks *blocks);

// fleet_blocks_list makes the list of those that are blocked, with one reference. ERR_MEMORY.
enum err fleet_blocks_list(const struct fleet_blocks *blocks, struct blocklist **out) MUST_USE;

// -- comparing with a store

#define FLEET_FINDING_TABLE(X)                                                                     \
    X(FLEET_SAME, "same")               /* it has what we have */                                  \
    X(FLEET_TAKEN, "taken")             /* it had a newer word, which is ours now */               \
    X(FLEET_BEHIND, "behind")           /* it does not have our newer word yet */                  \
    X(FLEET_ROLLED_BACK, "rolled_back") /* it had a newer word once, and has an older one */       \
    X(FLEET_FORGED, "forged")           /* it does not open, or is not what its name says */       \
    X(FLEET_VANISHED, "vanished")       /* it had the word once, and has none */                   \
    X(FLEET_OLD, "old")                 /* an end that nobody keeps any more: not taken */         \
    X(FLEET_NO_ROOM, "no_room")         /* one block more than fits: not taken */                  \
    X(FLEET_NO_MEMORY, "no_memory")     /* not taken */

enum fleet_finding {
#define X(symbol, name) symbol,
    FLEET_FINDING_TABLE(X)
#undef X
        FLEET_FINDING_COUNT
};

const char *fleet_finding_name(enum fleet_finding finding);

// fleet_blocks_begin begins a comparison; one that was under way is forgotten. What the store should get stays so meanwhile.
void fleet_blocks_begin(struct fleet_blocks *blocks);

// fleet_blocks_meet compares the entry `name` of the store. `word` is what it says, NULL when it does not open; `seal` is the
// digest of the entry as it stands there. What is taken counts as shared.
enum fleet_finding fleet_blocks_meet(struct fleet_blocks *blocks, struct slice name,
                                     const struct fleet_word *word,
                                     const uint8_t seal[FLEET_SEAL_LEN], int64_t now_s);

// fleet_blocks_end ends the comparison: what was not met, nor put or given since it has begun, is missing in the store. Gives how many words have vanished.
size_t fleet_blocks_end(struct fleet_blocks *blocks, int64_t now_s);

// fleet_due is a word that the store should get.
struct fleet_due {
    const struct fleet_word *word; // borrowed until the set changes
    char name[FLEET_NAME_CAP];
    uint8_t seal[FLEET_SEAL_LEN]; // of what stands there at the moment
    bool has_seal;                // false: nothing does
};

// fleet_blocks_due gives the next word that the store should get, from `*cursor` on, which begins at 0 and is moved. False:
// there is none any more.
bool fleet_blocks_due(const struct fleet_blocks *blocks, size_t *cursor, struct fleet_due *out);

// fleet_blocks_note_shared notes that the store has the word of this version on the block of this text. True: that was news.
bool fleet_blocks_note_shared(struct fleet_blocks *blocks, const char *text, uint64_t version);

// fleet_blocks_reseal has the store get the word under this name once more, as it stands: it was sealed by another key. Only after
// fleet_blocks_meet of it.
void fleet_blocks_reseal(struct fleet_blocks *blocks, const char *name);

// fleet_blocks_unshare forgets what a store has: there is another one, or none.
void fleet_blocks_unshare(struct fleet_blocks *blocks);
