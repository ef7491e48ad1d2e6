// key_store: the serving process's side of the private keys that are apart: it has the key holder started and started again,
// has it open the keys of a configuration, and asks it for signatures.
//
// A private_key or checkpoint_signer of it is a name, a path and a public half. On a thread with a line (key_line.h) a
// signature is waited for on the loop; any other thread waits itself.
//
// Up to key_store_seal it is used by one thread; afterwards by any. It outlives every key that it has given out, and every
// line. It has a thread of its own, which waits for the holder's end.
#pragma once

#include <sys/types.h>

#include "proxy/cage/sandbox.h"
#include "proxy/config/key_source.h"

struct key_desk;
struct key_store;

// key_store_status is how things stand.
struct key_store_status {
    bool is_apart;          // a holder was started
    bool is_alive;          // there is one now
    pid_t pid;              // its number
    uint64_t restarts;      // how often another one was started in the place of one that had ended
    uint64_t signatures;    // made
    uint64_t failures;      // asked for, and not made
    size_t key_count;       // opened and not closed
    struct sandbox sandbox; // of the holder
};

// key_store_create makes one that has no holder yet: the first key that is asked for starts it. `keeper_fd` is the
// link to the keeper; it is copied. NULL without memory, or a descriptor.
struct key_store *key_store_create(int keeper_fd) MUST_USE;

// key_store_desk gives what lines are made for (key_line.h); borrowed.
struct key_desk *key_store_desk(struct key_store *store);

// key_store_source gives what reads the keys of a configuration; borrowed.
struct key_source *key_store_source(struct key_store *store);

// key_store_set_user says whose groups count for those who read keys; NULL: those of the proxy itself. Before the first key is
// asked for. Errors are those of rights_find_user.
enum err key_store_set_user(struct key_store *store, const char *user,
                            struct errinfo *info) MUST_USE;

// key_store_seal ends the time in which the holder opens whatever is named: from now on it opens files only in folders in which
// there was a key, and in `folders`. Before anything is read from the network. Nothing happens where no key is apart. ERR_SYSTEM with a
// sentence: there is no holder, or it has no whole sandbox and `needs_sandbox`.
enum err key_store_seal(struct key_store *store, const char *const *folders, size_t folder_count,
                        bool needs_sandbox, struct errinfo *info) MUST_USE;

// key_store_status_read may be called on any thread.
void key_store_status_read(struct key_store *store, struct key_store_status *out);

// key_store_destroy ends the holder. NULL is allowed.
void key_store_destroy(struct key_store *store);
