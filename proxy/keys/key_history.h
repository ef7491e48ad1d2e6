// key_history: what the keys of audit logs have signed last, of each instance of a log. It lies in a file in memory that the keeper
// gives to each holder that it starts (keeper_holder.h), and to nobody else: a later holder signs nothing that one before it would not
// have, for as long as the keeper runs.
//
// Thread-safe, and safe for several holders at once.
#pragma once

#include <pthread.h>

#include "proxy/chain/checkpoint.h"
#include "proxy/keys/key_message.h"

enum { KEY_INSTANCES_MAX = 4096 }; // of audit logs, of all keys

struct history_file;

// Private to key_history.c.
struct key_history {
    pthread_mutex_t mutex; // of this process; a lock of the file is for the others
    int fd;                // borrowed
    struct history_file *file;
};

// key_history_open opens the one in the file, which stays open as long as it. ERR_SYSTEM with a sentence: there is no memory, or the
// file is not such a one.
enum err key_history_open(struct key_history *history, int fd, struct errinfo *info) MUST_USE;

// key_history_add tells whether a checkpoint of the key `name` may be signed: it is larger than the last one of its instance, which has
// not ended, or the same; and makes it the last one. ERR_DENIED: it is not. ERR_LIMIT: there is no place for another instance.
// ERR_TIMEOUT: another holder does not let go of the file. A sentence in `info`.
enum err key_history_add(struct key_history *history, const uint8_t name[KEY_NAME_LEN],
                         const struct checkpoint *next, struct errinfo *info) MUST_USE;

void key_history_close(struct key_history *history);
