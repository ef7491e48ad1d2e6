// As in proxy/limits/rate.c one number is the whole bucket: the time until which the rate is spoken for.
#include "proxy/net/pace.h"

#define NS_A_MS     INT64_C(1000000)
#define NS_A_SECOND INT64_C(1000000000)

static uint64_t rate_of(const struct bandwidth *bandwidth)
{
    return atomic_load_explicit(&bandwidth->per_second, memory_order_relaxed);
}

void bandwidth_set(struct bandwidth *bandwidth, uint64_t per_second)
{
    if (rate_of(bandwidth) == per_second)
        return;
    atomic_store_explicit(&bandwidth->paid_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&bandwidth->per_second, per_second, memory_order_relaxed);
}

uint64_t bandwidth_total(const struct bandwidth *bandwidth)
{
    return atomic_load_explicit(&bandwidth->total, memory_order_relaxed);
}

bool bandwidth_is_waited_for(const struct bandwidth *bandwidth)
{
    return atomic_load_explicit(&bandwidth->waiting, memory_order_relaxed) > 0;
}

bool bandwidth_is_rested(const struct bandwidth *bandwidth, int64_t now_ms)
{
    return atomic_load_explicit(&bandwidth->paid_ns, memory_order_relaxed) <= now_ms * NS_A_MS;
}

// turn_after gives the millisecond from which on there is room after `paid_ns`.
static int64_t turn_after(int64_t paid_ns)
{
    return (paid_ns + NS_A_MS - 1) / NS_A_MS - PACE_BURST_MS;
}

void pacer_init(struct pacer *pacer, struct bandwidth *bandwidth, const int64_t *clock_ms)
{
    *pacer = (struct pacer){
        .bandwidth = bandwidth,
        .clock_ms = clock_ms,
        .per_second = rate_of(bandwidth),
        .turn_ms = turn_after(atomic_load_explicit(&bandwidth->paid_ns, memory_order_relaxed)),
    };
}

static void set_waiting(struct pacer *pacer, bool is_waiting)
{
    if (pacer->is_waiting == is_waiting)
        return;
    pacer->is_waiting = is_waiting;
    if (is_waiting)
        (void)atomic_fetch_add_explicit(&pacer->bandwidth->waiting, 1, memory_order_relaxed);
    else
        (void)atomic_fetch_sub_explicit(&pacer->bandwidth->waiting, 1, memory_order_relaxed);
}

void pacer_move(struct pacer *pacer, struct bandwidth *bandwidth)
{
    const bool is_waiting = pacer->is_waiting;
    if (pacer->bandwidth == NULL)
        return;
    set_waiting(pacer, false);
    pacer->bandwidth = bandwidth;
    set_waiting(pacer, is_waiting);
}

void pacer_deinit(struct pacer *pacer)
{
    set_waiting(pacer, false);
    pacer->bandwidth = NULL;
}

// piece_of gives how much one flow may read in its turn: less, the more wait after it.
static size_t piece_of(const struct pacer *pacer)
{
    const uint64_t others = atomic_load_explicit(&pacer->bandwidth->waiting, memory_order_relaxed);
    const uint64_t piece = pacer->per_second / (1000 / PACE_PIECE_MS) / (others + 1);
    if (piece < PACE_PIECE_MIN)
        return PACE_PIECE_MIN;
    return piece > PACE_PIECE_MAX ? PACE_PIECE_MAX : (size_t)piece;
}

size_t pacer_ask(struct pacer *pacer, size_t wanted)
{
    if (pacer->bandwidth == NULL)
        return wanted;
    const int64_t now_ms = *pacer->clock_ms;
    const uint64_t per_second = rate_of(pacer->bandwidth);
    if (per_second != pacer->per_second) {
        pacer->per_second = per_second;
        pacer->turn_ms = now_ms;
    }
    set_waiting(pacer, per_second != 0 && now_ms < pacer->turn_ms);
    if (pacer->is_waiting)
        return 0;
    if (per_second == 0)
        return wanted;
    const size_t piece = piece_of(pacer);
    return wanted < piece ? wanted : piece;
}

void pacer_pay(struct pacer *pacer, size_t count)
{
    if (pacer->bandwidth == NULL || pacer->per_second == 0)
        return;
    (void)atomic_fetch_add_explicit(&pacer->bandwidth->total, count, memory_order_relaxed);
    // Rounded up: of many small reads none is free. A piece is small enough for the product.
    const uint64_t cost =
        ((uint64_t)count * (uint64_t)NS_A_SECOND + pacer->per_second - 1) / pacer->per_second;
    const int64_t now_ns = *pacer->clock_ms * NS_A_MS;
    _Atomic int64_t *paid = &pacer->bandwidth->paid_ns;
    int64_t paid_ns = atomic_load_explicit(paid, memory_order_relaxed);
    int64_t next_ns = 0;
    do {
        next_ns = (paid_ns > now_ns ? paid_ns : now_ns) + (int64_t)cost;
    } while (!atomic_compare_exchange_weak_explicit(paid, &paid_ns, next_ns, memory_order_relaxed,
                                                    memory_order_relaxed));
    pacer->turn_ms = turn_after(next_ns);
}

int64_t pacer_active_ms(const struct pacer *pacer, int64_t active_ms)
{
    return pacer->per_second == 0 || pacer->turn_ms < active_ms ? active_ms : pacer->turn_ms;
}

int64_t pacer_turn_ms(const struct pacer *pacer)
{
    return pacer->is_waiting ? pacer->turn_ms : INT64_MAX;
}
