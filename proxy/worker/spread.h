// spread: how the connections of a process are spread over its workers.
//
// The kernel chooses a worker by a hash of the addresses, whatever that worker has to do already: of eight long tunnels six may be on
// one of two, and what is small waits there while the other is idle. So a worker that has clearly more sessions than another
// hands a new connection on, before its first byte is read, to that which has fewest. After that it stays where it is.
//
// A seat is a worker's place: how many sessions it has, and an inbox for what others hand to it. A connection is handed only to a worker
// that has the same configuration, so that a listener is meant by its index. Nothing is lost: what is in the inbox of a
// worker that leaves, or takes another configuration, is taken out by spread_take first, and no more comes after it.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/base/err.h"
#include "auth/ipaddr.h"

enum {
    SPREAD_INBOX = 64
}; // connections that wait for a worker; what comes on top stays where it was accepted

struct loop_thread;
struct spread;

// newcomer is a connection that was accepted, and is nobody's session yet. Who has it owns its descriptor.
struct newcomer {
    int fd;
    struct ip_addr address; // canonical
    uint16_t port;
    uint32_t listener; // its index in the snapshot
};

// spread_create makes the seats of `count` workers; all are empty. NULL without memory. spread_destroy frees it, when all workers have
// left; NULL is allowed. Both on main's thread.
struct spread *spread_create(uint32_t count) MUST_USE;
void spread_destroy(struct spread *spread);

// spread_sit opens the seat of a worker, for connections under the snapshot of `generation`. `thread` is borrowed until
// spread_leave; `message` is posted to it when something is in the inbox.
void spread_sit(struct spread *spread, uint32_t seat, struct loop_thread *thread, unsigned message,
                uint64_t generation);

// spread_tell says how many sessions the worker has. On its thread.
void spread_tell(struct spread *spread, uint32_t seat, size_t sessions);

// spread_hand puts a connection that the worker of `seat` has accepted, under the snapshot of `generation`, into the inbox of another that has
// clearly fewer sessions, and true is returned. False: keep it.
bool spread_hand(struct spread *spread, uint32_t seat, uint64_t generation,
                 const struct newcomer *newcomer);

// spread_take moves what is in the worker's inbox to `out`, which has room for SPREAD_INBOX, and gives the number. From then on
// what comes is under the snapshot of `generation`. On its thread.
size_t spread_take(struct spread *spread, uint32_t seat, uint64_t generation,
                   struct newcomer *out) MUST_USE;

// spread_leave is spread_take for the last time: no more comes. A seat that is not taken is allowed.
size_t spread_leave(struct spread *spread, uint32_t seat, struct newcomer *out) MUST_USE;
