// crl_keeper: judges a revocation list that has come from the network, and keeps it in its file, on a thread of its own: a
// large list must not keep main from its signals.
//
// Who has signed it is remembered beside it (crl_mark_file.h). The file is replaced as a whole or not at all (a file beside it, fsync, rename). From there on it is a file like any
// other: who watches it reads it. One list at a time.
#pragma once

#include <pthread.h>

#include "auth/crl_offer.h"
#include "proxy/config/snapshot.h"
#include "proxy/loop/wakeup.h"

// crl_keeping is one list. All is borrowed until crl_keeper_join.
struct crl_keeping {
    struct slice bytes;
    const char *trust;          // name of the profile
    const char *path;           // of the file
    const struct http_url *url; // where it comes from
    bool is_learned;            // certificates have named it: it counts with others (crl_folder.h)
};

// The results are the owner's to read after crl_keeper_join. Everything else is private to crl_keeper.c.
struct crl_keeper {
    struct wakeup done; // owned by the owner; rung when the thread is done
    enum err error;     // ERR_OK: it is kept, or was the one that is kept already
    struct crl_offer offer;
    struct errinfo info; // with an error: a sentence
    pthread_t thread;
    struct snapshot *snapshot; // ref
    struct crl_keeping keeping;
};

// crl_keeper_start begins with a list, to be judged by the profile in `snapshot`, of which it takes a reference. False when
// there is no thread; then crl_keeper_join must not follow.
bool crl_keeper_start(struct crl_keeper *keeper, struct snapshot *snapshot,
                      const struct crl_keeping *keeping) MUST_USE;

// crl_keeper_join waits for the end.
void crl_keeper_join(struct crl_keeper *keeper);
