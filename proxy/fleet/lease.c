// All questions are absolute, so that a lost answer needs no memory of what was asked: `has_excess` alone says that one is owed.
#include "proxy/fleet/lease.h"

static uint32_t min_of(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

// spare_of gives the spare places as a number of them.
static uint32_t spare_of(int32_t spare)
{
    return spare > 0 ? (uint32_t)spare : 0;
}

uint32_t lease_open(const struct lease *lease, int32_t spare)
{
    return spare <= 0 ? lease->granted + (uint32_t)-spare : lease->granted - (uint32_t)spare;
}

// batch_of gives how many places to have ahead of need: what was opened in the last second, and no more than each
// proxy's part of half of the limit. The store bounds it further, by what is free.
static uint32_t batch_of(const struct lease *lease, const struct lease_view *view)
{
    if (view->is_scarce)
        return 0;
    const uint32_t quarter = lease_open(lease, view->spare) / 4; // so many come and go by accident
    const uint32_t usual = quarter < LEASE_BATCH_MIN ? LEASE_BATCH_MIN : quarter;
    const uint32_t wish = lease->grown + view->waiting;
    return min_of(wish < usual ? usual : wish, view->limit / (2 * view->members));
}

int32_t lease_low(const struct lease *lease, const struct lease_view *view)
{
    return (int32_t)(batch_of(lease, view) / 2);
}

// note_use keeps by how much the open tunnels have grown: half of it fades each beat.
static void note_use(struct lease *lease, uint32_t open)
{
    const uint32_t grown = open > lease->open_before ? open - lease->open_before : 0;
    const uint32_t faded = lease->grown / 2;
    lease->grown = grown > faded ? grown : faded;
    lease->open_before = open;
}

uint32_t lease_surplus(struct lease *lease, const struct lease_view *view)
{
    const uint32_t open = lease_open(lease, view->spare);
    const uint32_t spare = spare_of(view->spare);
    const uint32_t idle = min_of(spare, lease->spare_before);
    note_use(lease, open);
    lease->has_excess = lease->has_excess || lease->is_above; // asked each beat until it is over
    lease->spare_before = spare;
    if (open > 0 || view->waiting > 0)
        lease->empty_since_ms = 0;
    else if (lease->empty_since_ms == 0)
        lease->empty_since_ms = view->now_ms;
    if (view->is_scarce)
        return spare;
    if (lease->empty_since_ms != 0 && view->now_ms - lease->empty_since_ms >= LEASE_IDLE_MS)
        return spare;
    const uint32_t kept = 2 * batch_of(lease, view);
    return idle > kept ? idle - kept : 0;
}

void lease_shrink(struct lease *lease, uint32_t taken)
{
    lease->granted -= taken;
    lease->has_excess = lease->has_excess || taken > 0;
    lease->spare_before -= min_of(lease->spare_before, taken);
}

uint32_t lease_lower(struct lease *lease)
{
    const uint32_t taken = lease->granted;
    lease->granted = 0;
    lease->is_above = true;
    lease->has_excess = true;
    lease->spare_before = 0;
    return taken;
}

// is_short tells whether the spare places of an account in use run out.
static bool is_short(const struct lease *lease, const struct lease_view *view)
{
    return lease->empty_since_ms == 0 && lease->granted > 0 && batch_of(lease, view) > 1 &&
           view->spare <= lease_low(lease, view);
}

// is_due tells whether there is something to ask.
static bool is_due(const struct lease *lease, const struct lease_view *view)
{
    if (view->now_ms < lease->fault_until_ms)
        return false;
    if (view->waiting > spare_of(view->spare) && view->now_ms >= lease->not_before_ms)
        return true;
    if (lease->has_excess || lease_open(lease, view->spare) > lease->told)
        return true; // the store is to know what is really open
    if (!lease->is_claimed)
        return lease->granted > 0;
    return is_short(lease, view) && view->now_ms >= lease->ahead_from_ms;
}

bool lease_ask(struct lease *lease, const struct lease_view *view, struct lease_question *out)
{
    if (lease->is_asked || !is_due(lease, view))
        return false;
    const uint32_t open = lease_open(lease, view->spare);
    const uint32_t spare = spare_of(view->spare);
    const uint32_t keep = open > lease->granted ? open : lease->granted;
    const uint32_t need = view->waiting > spare ? view->waiting - spare : 0;
    const bool is_ahead = need > 0 || is_short(lease, view);
    *out = (struct lease_question){
        .keep = keep,
        .need = need,
        .want = is_ahead ? open + view->waiting + batch_of(lease, view) : 0,
    };
    lease->is_asked = true;
    lease->has_excess = true; // until the answer says otherwise
    return true;
}

bool lease_wakes(const struct lease *lease, const struct lease_view *view)
{
    return !lease->is_asked && view->waiting > 0 && view->spare > 0;
}

int32_t lease_answer(struct lease *lease, const struct lease_question *question, uint32_t granted,
                     uint32_t above, int64_t now_ms, bool *out_is_full)
{
    // A store that says less than was kept, or more than was asked for, is not believed.
    const uint32_t wanted = question->keep + question->need;
    const uint32_t most = wanted > question->want ? wanted : question->want;
    const uint32_t held = granted < question->keep ? question->keep : min_of(granted, most);
    const uint32_t usable = held - min_of(held, above);
    const int32_t change = (int32_t)usable - (int32_t)lease->granted;
    lease->granted = usable;
    lease->told = held;
    lease->is_above = above > 0;
    lease->is_asked = false;
    lease->is_claimed = true;
    lease->has_excess = false;
    lease->faults = 0;
    *out_is_full = held < wanted;
    if (held < wanted)
        lease->not_before_ms = now_ms + LEASE_FULL_WAIT_MS;
    if (held <= wanted)
        lease->ahead_from_ms = now_ms + LEASE_NO_AHEAD_MS;
    return change;
}

void lease_unanswered(struct lease *lease)
{
    lease->is_asked = false;
}

void lease_fail(struct lease *lease, int64_t now_ms)
{
    lease->is_asked = false;
    lease->faults++;
    lease->fault_until_ms = now_ms + lease_fault_pause(lease->faults);
}

void lease_unclaim(struct lease *lease)
{
    lease->faults = 0;
    lease->fault_until_ms = 0;
    lease->is_claimed = false;
    lease->told = 0;
    lease->not_before_ms = 0;
    lease->ahead_from_ms = 0;
}

bool lease_is_over(const struct lease *lease, const struct lease_view *view)
{
    return lease->granted == 0 && view->spare == 0 && view->waiting == 0 && !lease->is_asked &&
           !lease->has_excess;
}
