// pace: a limit in bytes a second for many flows together: how much a flow may read now, and when it has its next turn.
//
// All flows of a client, on all workers, share a `bandwidth`. Each flow has a `pacer`. When a flow has a turn it reads a
// piece and pays for it. Its next turn comes when everything paid so far has gone by. So all flows that have something to
// read take turns, piece by piece. While a flow waits it reads nothing, and TCP slows its sender down. In any time t at
// most this comes through:
//     rate * t + PACE_BURST_MS of it + one piece for each flow that is open at a time.
// The time is read where the owner keeps it, monotonic. No locks: one atomic operation a read, none where there is no limit.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PACE_BURST_MS = 50,         // of the rate may come at once after a rest
    PACE_PIECE_MS = 20,         // of the rate is shared by all that wait; then the next turn
    PACE_PIECE_MIN = 4 * 1024,  // bytes; smaller ones would cost more than they even out
    PACE_PIECE_MAX = 64 * 1024, // bytes
};

#define PACE_RATE_MAX UINT64_C(1000000000000) // bytes a second

// bandwidth is zeroed where there is no limit yet. Fields private to pace.c.
struct bandwidth {
    _Atomic uint64_t per_second; // bytes; 0: no limit
    _Atomic int64_t paid_ns;     // monotonic; when all that was read has gone by
    _Atomic uint32_t waiting;    // pacers that wait for their turn
    _Atomic uint64_t total;      // bytes that were paid for, since ever
};

// bandwidth_set sets the rate, at most PACE_RATE_MAX; 0: no limit. A new rate starts from zero: no flow waits for what was
// read under the old one. Any thread.
void bandwidth_set(struct bandwidth *bandwidth, uint64_t per_second);

// bandwidth_total gives the bytes that were read under a limit, since ever. Any thread.
uint64_t bandwidth_total(const struct bandwidth *bandwidth);

// bandwidth_is_waited_for tells whether a flow waits for its turn. Any thread.
bool bandwidth_is_waited_for(const struct bandwidth *bandwidth);

// bandwidth_is_rested tells whether everything that was read has been paid off. Any thread.
bool bandwidth_is_rested(const struct bandwidth *bandwidth, int64_t now_ms);

// pacer is zeroed where nothing is shaped. Fields private to pace.c.
struct pacer {
    struct bandwidth *bandwidth; // borrowed; NULL: never shaped
    const int64_t *clock_ms;     // borrowed; where the monotonic time stands
    uint64_t per_second;         // under which turn_ms was worked out
    int64_t turn_ms;             // monotonic; when the next piece may be read
    bool is_waiting;             // counts among the bandwidth's
};

// pacer_init begins a flow: its first turn is after everything that was read before. `bandwidth`, and `clock_ms`, which
// its owner keeps at the time, are borrowed until pacer_deinit.
void pacer_init(struct pacer *pacer, struct bandwidth *bandwidth, const int64_t *clock_ms);

// pacer_move makes it a flow of another bandwidth. A zeroed one stays as it is.
void pacer_move(struct pacer *pacer, struct bandwidth *bandwidth);

// pacer_deinit ends it. May be repeated; a zeroed one is allowed.
void pacer_deinit(struct pacer *pacer);

// pacer_ask gives how many bytes may be read now, at most `wanted`; 0: wait until pacer_turn_ms.
size_t pacer_ask(struct pacer *pacer, size_t wanted);

// pacer_pay pays for `count` bytes that were read.
void pacer_pay(struct pacer *pacer, size_t count);

// pacer_active_ms gives when a flow that last passed something on at `active_ms` could have done so: the time that the
// pacer has kept it from reading, or does, is not idle time. It may be in the future.
int64_t pacer_active_ms(const struct pacer *pacer, int64_t active_ms);

// pacer_turn_ms gives the time at which a waiting pacer should ask again; INT64_MAX if it does not wait.
int64_t pacer_turn_ms(const struct pacer *pacer);
