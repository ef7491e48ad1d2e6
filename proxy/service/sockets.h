// sockets: the listening sockets of all workers for one snapshot: opened by main, or given to the process by the one before
// it; handed to the workers; kept over a reload where a listener stays in its place.
//
// main keeps a copy of each descriptor, so that it can hand the sockets on to the next process.
#pragma once

#include "proxy/config/snapshot.h"

// given_sockets are those of one listener that the process was started with.
struct given_sockets {
    char name[NAME_MAX_LEN + 1]; // of the listener that they were opened for
    struct endpoint configured;  // where its configuration wanted it
    struct endpoint bound;       // where they listen
    int *fds;                    // owned; -1: was taken
    size_t fd_count;
};

// Zeroed is empty. The fields are private to sockets.c, except `bound`, and the others for reading.
struct sockets {
    struct endpoint *bound; // owned; where each listener of the snapshot listens, ports known
    // owned; of listener l and share s for worker w at [(w * shares + s) * listener_count + l]; -1: kept, or none
    int *fds;
    int *copies; // owned; of what the workers have, in the same order; -1: none
    size_t listener_count;
    uint32_t worker_count;
    uint32_t
        shares; // sockets of one listener that a worker may have; the same as long as the process lives
    bool is_given_up; // another process listens: nothing is opened any more
};

// sockets_open opens a socket for each worker on each listener of `snapshot`, at the start. What of the given ones fits is
// taken, all of it: were a socket closed, those who wait in its queue would be reset. All or nothing; ERR_DENIED
// (somebody has the address), ERR_SYSTEM or ERR_MEMORY with a sentence in `info`.
enum err sockets_open(const struct snapshot *snapshot, uint32_t worker_count,
                      struct given_sockets *given, size_t given_count, struct sockets *out,
                      struct errinfo *info) MUST_USE;

// sockets_open_next opens them for a reload, except on those listeners whose place `old_snapshot` has too: the workers keep
// what they have. Errors as of sockets_open.
enum err sockets_open_next(const struct snapshot *snapshot, const struct snapshot *old_snapshot,
                           const struct sockets *old, struct sockets *out,
                           struct errinfo *info) MUST_USE;

// sockets_of gives the descriptors of one worker, as worker_options has them. The worker takes a descriptor by writing -1 in
// its place. The array is borrowed until sockets_close.
int *sockets_of(struct sockets *sockets, uint32_t worker);

// sockets_carry moves what stays from `old` to the same place in `sockets`: the copies, and what no worker has taken, so
// that a worker that missed `old_snapshot` gets it with `snapshot`.
void sockets_carry(struct sockets *sockets, const struct snapshot *snapshot, struct sockets *old,
                   const struct snapshot *old_snapshot);

// sockets_copies writes the descriptors of a listener to `out`, which has room for worker_count * shares, and gives their
// number. They stay the owner's.
size_t sockets_copies(const struct sockets *sockets, size_t listener, int *out);

// sockets_give_up closes main's copies: another process listens from now on. The workers close theirs.
void sockets_give_up(struct sockets *sockets);

// sockets_close closes main's copies and what no worker has taken, and frees.
void sockets_close(struct sockets *sockets);

// given_sockets_deinit closes what was not taken, and frees.
void given_sockets_deinit(struct given_sockets *given);
