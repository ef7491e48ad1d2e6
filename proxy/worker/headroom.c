// While there is room the kernel is not asked. When it is tight, a descriptor is opened and closed to see its
// number.
#include "proxy/worker/headroom.h"

#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "proxy/log/log.h"
#include "proxy/net/loop_memory.h"

enum {
    RESERVE_MAX = 64,     // for DNS, second attempts at connecting, reloads, the audit log
    RESERVE_SHARE = 8,    // but never more than one in so many
    LOG_EVERY_MS = 10000, // of one worker
    POOLED_MAX = 1024,    // connections to targets that a worker lets wait for a next request
    DIALS_MAX = 1024,     // connects of a worker at a time, but for the first of each request
    DIALS_SHARE = 64,     // but never more than one descriptor in so many
    DIALS_MIN = 8,        // nor fewer
    POOLED_SHARE = 128,   // but never more than one descriptor in so many
};

// reserve_of gives how many descriptors are kept free.
static uint64_t reserve_of(const struct headroom *headroom)
{
    const uint64_t share = headroom->descriptors / RESERVE_SHARE;
    return share < RESERVE_MAX ? share : RESERVE_MAX;
}

// spoken_for tells how many descriptors are in use or may be soon, with one more session; `fd` is, or was, the lowest
// free one.
static uint64_t spoken_for(const struct headroom *headroom, const struct ledger *ledger, int fd)
{
    const uint64_t reserve = reserve_of(headroom);
    const struct ledger_totals totals = ledger_read(ledger);
    // These have no tunnel, and may want one.
    const uint64_t waiting =
        totals.sessions > totals.tunnels ? totals.sessions - totals.tunnels : 0;
    const uint64_t known = headroom->base + 2 * (totals.tunnels + waiting + 1);
    const uint64_t seen = (uint64_t)fd + 1 + waiting;
    return reserve + (known > seen ? known : seen);
}

void headroom_note(struct headroom *headroom, const struct ledger *ledger, int fd)
{
    if (headroom->descriptors != 0 && spoken_for(headroom, ledger, fd) >= headroom->descriptors)
        headroom->is_tight = true;
}

// is_still_tight asks the kernel.
static bool is_still_tight(const struct headroom *headroom, const struct ledger *ledger, int any_fd)
{
    const int fd = fcntl(any_fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return true;
    (void)close(fd);
    return spoken_for(headroom, ledger, fd) >= headroom->descriptors;
}

// is_to_be_said tells whether the last word about it was long enough ago.
static bool is_to_be_said(struct headroom *headroom, int64_t now_ms)
{
    if (headroom->logged_ms != 0 && now_ms - headroom->logged_ms < LOG_EVERY_MS)
        return false;
    headroom->logged_ms = now_ms;
    return true;
}

bool headroom_has_room(struct headroom *headroom, const struct ledger *ledger, int any_fd,
                       int64_t now_ms)
{
    if (!loop_memory_has_reserve()) {
        if (is_to_be_said(headroom, now_ms))
            log_error(LOG_NO_MEMORY,
                      "no memory: no new connections until there is some; live ones go on");
        return false;
    }
    if (!headroom->is_tight)
        return true;
    headroom->is_tight = is_still_tight(headroom, ledger, any_fd);
    if (headroom->is_tight && is_to_be_said(headroom, now_ms)) {
        log_error(
            LOG_LIMIT_DESCRIPTORS,
            "all %" PRIu64
            " descriptors are in use or reserved: no new connections until some have ended; live ones continue (raise LimitNOFILE if this is not an attack)",
            headroom->descriptors);
    }
    return !headroom->is_tight;
}

uint32_t headroom_sessions_max(const struct headroom *headroom)
{
    const uint64_t taken = reserve_of(headroom) + headroom->base;
    const uint64_t left = headroom->descriptors > taken ? (headroom->descriptors - taken) / 2 : 1;
    if (headroom->descriptors == 0)
        return 0;
    return left > UINT32_MAX ? UINT32_MAX : (uint32_t)left;
}

// share_of gives one of `divisor` descriptors, at most `max`; `max` where the number of descriptors is unknown.
static size_t share_of(const struct headroom *headroom, uint64_t divisor, size_t max)
{
    const uint64_t share = headroom->descriptors / divisor;
    return headroom->descriptors == 0 || share > max ? max : (size_t)share;
}

size_t headroom_dials_max(const struct headroom *headroom)
{
    const size_t share = share_of(headroom, DIALS_SHARE, DIALS_MAX);
    return share < DIALS_MIN ? DIALS_MIN : share;
}

size_t headroom_pooled_max(const struct headroom *headroom)
{
    return share_of(headroom, POOLED_SHARE, POOLED_MAX);
}
