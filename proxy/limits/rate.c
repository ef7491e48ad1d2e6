// One event costs an interval of 1/rate. Room for one is there while the debt is at most burst - 1 intervals.
#include "proxy/limits/rate.h"

// interval_of gives what one event costs; rounded up, so that no more than the rate is ever let through.
static int64_t interval_of(uint32_t per_second)
{
    return (RATE_NS_A_SECOND + per_second - 1) / per_second;
}

// debt_at tells how much of what was taken is not paid for yet. A full bucket is the most that counts: it may
// have been filled when the rate was another one, or by a clock that was ahead.
static int64_t debt_at(int64_t paid_ns, int64_t now_ns, int64_t full_ns)
{
    if (paid_ns <= now_ns)
        return 0;
    const int64_t debt_ns = paid_ns - now_ns;
    return debt_ns > full_ns ? full_ns : debt_ns;
}

bool rate_take(struct rate *rate, uint32_t per_second, uint32_t burst, int64_t now_ns,
               int64_t *out_wait_ns)
{
    const int64_t interval_ns = interval_of(per_second);
    int64_t paid_ns = atomic_load_explicit(&rate->paid_ns, memory_order_relaxed);
    int64_t debt_ns = 0;
    do {
        debt_ns = debt_at(paid_ns, now_ns, interval_ns * burst);
        *out_wait_ns = debt_ns + interval_ns - interval_ns * burst;
        if (*out_wait_ns > 0)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&rate->paid_ns, &paid_ns,
                                                    now_ns + debt_ns + interval_ns,
                                                    memory_order_relaxed, memory_order_relaxed));
    *out_wait_ns = 0;
    return true;
}

int64_t rate_wait(const struct rate *rate, uint32_t per_second, uint32_t burst, int64_t now_ns,
                  int64_t max_wait_ns)
{
    const int64_t free_ns = interval_of(per_second) * (burst - 1);
    const int64_t paid_ns = atomic_load_explicit(&rate->paid_ns, memory_order_relaxed);
    const int64_t debt_ns = debt_at(paid_ns, now_ns, free_ns + max_wait_ns);
    return debt_ns <= free_ns ? 0 : debt_ns - free_ns;
}

void rate_charge(struct rate *rate, uint32_t per_second, uint32_t burst, int64_t now_ns,
                 int64_t max_wait_ns)
{
    const int64_t interval_ns = interval_of(per_second);
    const int64_t most_ns = interval_ns * (burst - 1) + max_wait_ns;
    int64_t paid_ns = atomic_load_explicit(&rate->paid_ns, memory_order_relaxed);
    int64_t debt_ns = 0;
    do {
        debt_ns = debt_at(paid_ns, now_ns, most_ns) + interval_ns;
        if (debt_ns > most_ns)
            debt_ns = most_ns;
    } while (!atomic_compare_exchange_weak_explicit(&rate->paid_ns, &paid_ns, now_ns + debt_ns,
                                                    memory_order_relaxed, memory_order_relaxed));
}

bool rate_is_rested(const struct rate *rate, int64_t now_ns)
{
    return atomic_load_explicit(&rate->paid_ns, memory_order_relaxed) <= now_ns;
}
