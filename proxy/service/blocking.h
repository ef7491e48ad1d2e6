// blocking: the operator's blocks: from a word to a list that is on its way into force, and kept in the file of state.
//
// main's thread. Knows no control socket, and nobody who waits for the list to be in force.
#pragma once

#include "proxy/fleet/fleet_blocks.h"
#include "proxy/service/state.h"

enum blocking_outcome {
    BLOCKING_DONE,
    BLOCKING_FAILED,     // or done, and not kept: the message says so
    BLOCKING_UNREADABLE, // the argument
};

struct blocking {
    enum blocking_outcome outcome;
    bool is_changed;     // another list is on its way into force
    uint64_t generation; // with is_changed: of the snapshot that workers go by then
    uint64_t obeyed;     // likewise: number of the list that old processes have to go by
    struct errinfo message;
    // The block whose word the store has to get, so that the other proxies of the fleet hear of it, and which word; "": nobody else has to.
    char told[BLOCK_TEXT_CAP];
    enum fleet_op op;
};

// blocking_add blocks what `argument` says, on behalf of the user `uid`. A name that no client has is refused unless `is_forced`:
// a block on a typing error must not look like one.
void blocking_add(struct service *service, const char *argument, bool is_forced, uid_t uid,
                  struct blocking *out);

// blocking_remove takes the block away that `argument` says.
void blocking_remove(struct service *service, const char *argument, uid_t uid,
                     struct blocking *out);

// blocking_is_told tells whether nothing has to be waited for any more: the store has the word, or it is said in outcome and message
// that the other proxies do not hear of it now, and why. `is_late`: it has been waited for long enough.
bool blocking_is_told(const struct service *service, bool is_late, struct blocking *blocking);

// blocking_begin brings what is kept into the first snapshot, before any worker has it. ERR_INPUT without memory for it.
enum err blocking_begin(struct service *service, struct errinfo *info) MUST_USE;

// blocking_adopt brings into force, here and in old processes, what other proxies have changed in the words that are kept.
// False without memory: then nothing has changed.
bool blocking_adopt(struct service *service);

// blocking_keep writes the blocks down; false when they will not be known after a restart: service->blocks_problem says why.
// Where another process serves now, or is about to, it writes nothing: the file is that one's.
bool blocking_keep(struct service *service);
