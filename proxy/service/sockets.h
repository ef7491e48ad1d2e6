// sockets: the listening sockets of all workers for one snapshot: opened by main, handed to the workers,
// kept over a reload where a listener stays in its place.
#pragma once

#include "proxy/config/snapshot.h"

// Zeroed is empty. The fields are private to sockets.c, except `bound`.
struct sockets {
    struct endpoint *bound; // owned; where each listener of the snapshot listens, ports known
    int *fds; // owned; of listener l for worker w at [w * listener_count + l]; -1: kept
    size_t listener_count;
    uint32_t worker_count;
};

// sockets_open opens a socket for each worker on each listener of `snapshot`, except on those whose place
// `old_snapshot` has too: the workers keep the ones they have. `old_snapshot` and `old` are NULL at start.
// All or nothing; ERR_SYSTEM or ERR_MEMORY with a sentence in `info`.
enum err sockets_open(const struct snapshot *snapshot, uint32_t worker_count,
                      const struct snapshot *old_snapshot, const struct sockets *old,
                      struct sockets *out, struct errinfo *info) MUST_USE;

// sockets_of gives the descriptors of one worker, one a listener (-1: the one it has already). The worker takes a
// descriptor by writing -1 in its place. The array is borrowed until sockets_close.
int *sockets_of(struct sockets *sockets, uint32_t worker);

// sockets_carry moves what no worker has taken from `old` to the same place in `sockets`, so that a worker that missed
// `old_snapshot` gets it with `snapshot`.
void sockets_carry(struct sockets *sockets, const struct snapshot *snapshot, struct sockets *old,
                   const struct snapshot *old_snapshot);

// sockets_close closes what no worker has taken, and frees.
void sockets_close(struct sockets *sockets);
