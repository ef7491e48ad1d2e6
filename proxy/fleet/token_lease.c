// The store says how many tokens there are; here is only decided how many to have in hand.
#include "proxy/fleet/token_lease.h"

#include "auth/base/err.h"
#include "proxy/fleet/lease.h"

// A rate is of whole events a second: nobody has to wait for one for longer than that.
enum { COUNT_BITS = 20, WAIT_MAX_MS = 1000 };

uint64_t token_lot_make(uint32_t count, int64_t ends_ms)
{
    ASSERT(count <= TOKEN_LOT_MAX && ends_ms >= 0);
    return (uint64_t)ends_ms << COUNT_BITS | count;
}

uint32_t token_lot_left(uint64_t lot, int64_t now_ms)
{
    return (int64_t)(lot >> COUNT_BITS) > now_ms ? (uint32_t)(lot & TOKEN_LOT_MAX) : 0;
}

bool token_lot_take(uint64_t lot, int64_t now_ms, uint64_t *out)
{
    *out = lot;
    if (token_lot_left(lot, now_ms) == 0)
        return false;
    *out = lot - 1;
    return true;
}

// What is used counts at once, and fades by half each beat.
void token_lease_beat(struct token_lease *lease, const struct token_view *view, int64_t beat_ms)
{
    const uint32_t had = lease->left_before + lease->granted;
    // What has ended unused counts as used here: a lot too large is followed by one of the same size once.
    const uint32_t gone = had > view->left ? had - view->left : 0;
    const uint64_t a_second = beat_ms > 0 ? (uint64_t)gone * 1000 / (uint64_t)beat_ms : 0;
    const uint32_t faded = lease->used / 2;
    const uint32_t used = a_second > TOKEN_LOT_MAX ? TOKEN_LOT_MAX : (uint32_t)a_second;
    lease->used = used > faded ? used : faded;
    lease->left_before = view->left;
    lease->granted = 0;
}

// lot_of gives the size of a lot ahead of need: what is used in half a second, and no more than the proxy's part of the rate.
static uint32_t lot_of(const struct token_lease *lease, const struct token_view *view)
{
    const uint32_t part = view->per_second / view->members;
    // Since the last beat there may have been more than before it: then lots grow without waiting for the next one.
    const uint32_t used = lease->used > lease->granted ? lease->used : lease->granted;
    const uint32_t half = used / 2;
    return half < part ? half : part;
}

uint32_t token_lease_low(const struct token_lease *lease, const struct token_view *view)
{
    return lot_of(lease, view) / 4;
}

bool token_lease_ask(struct token_lease *lease, const struct token_view *view, uint32_t *out_want)
{
    const uint32_t ahead = lot_of(lease, view);
    const bool is_due = lease->faults > 0 || view->waiting > view->left ||
                        (ahead > 1 && view->left <= token_lease_low(lease, view));
    if (lease->is_asked || !is_due || view->now_ms < lease->not_before_ms)
        return false;
    const uint32_t need = view->waiting > view->left ? view->waiting - view->left : 0;
    const uint64_t want = (uint64_t)need + ahead;
    *out_want = want > view->burst ? view->burst : (uint32_t)want;
    if (*out_want == 0) // only to see whether it answers again
        *out_want = 1;
    lease->is_asked = true;
    return true;
}

uint32_t token_lease_answer(struct token_lease *lease, uint32_t want, int64_t granted,
                            int64_t wait_us, int64_t now_ms, int64_t *out_wait_ms)
{
    const uint32_t got = granted < 0 ? 0 : granted > want ? want : (uint32_t)granted;
    const int64_t wait_ms = wait_us <= 0 ? 0 : wait_us / 1000 + (wait_us % 1000 != 0);
    *out_wait_ms = wait_ms > WAIT_MAX_MS ? WAIT_MAX_MS : wait_ms;
    lease->is_asked = false;
    lease->faults = 0;
    lease->granted += got;
    if (got < want)
        lease->not_before_ms =
            now_ms + (*out_wait_ms < TOKEN_FULL_WAIT_MS ? TOKEN_FULL_WAIT_MS : *out_wait_ms);
    return got;
}

void token_lease_fail(struct token_lease *lease, int64_t now_ms)
{
    lease->is_asked = false;
    lease->faults++;
    lease->not_before_ms = now_ms + lease_fault_pause(lease->faults);
}

void token_lease_unanswered(struct token_lease *lease)
{
    lease->is_asked = false;
}

void token_lease_unclaim(struct token_lease *lease)
{
    lease->not_before_ms = 0;
    lease->faults = 0;
}
