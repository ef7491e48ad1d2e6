// Whole numbers only: what rounding takes from a share is a byte a second.
#include "proxy/fleet/bandwidth_share.h"

// clamp keeps a share from 1 to the limit: 0 would be no limit.
static uint64_t clamp(uint64_t share, uint64_t limit)
{
    if (share > limit)
        return limit;
    return share == 0 ? 1 : share;
}

uint64_t bandwidth_demand(uint64_t limit, uint64_t share, uint64_t used, bool is_held)
{
    if (is_held || used >= share)
        return limit;
    if (used == 0)
        return 0;
    const uint64_t demand = used + used / 4 + 1; // room to grow into until the next second
    return demand < limit ? demand : limit;
}

uint64_t bandwidth_share_alone(uint64_t limit, uint32_t members)
{
    return clamp(limit / members, limit);
}

uint64_t bandwidth_share_of(uint64_t limit, uint64_t demand, const struct bandwidth_sums *sums,
                            uint32_t members)
{
    const bool is_sound = sums->instances > 0 && sums->hungry >= 0 && sums->modest >= 0 &&
                          sums->hungry <= sums->instances &&
                          sums->instances <= BANDWIDTH_INSTANCES_MAX &&
                          (uint64_t)sums->modest <= limit;
    if (!is_sound || demand == 0)
        return bandwidth_share_alone(limit, members);
    const uint64_t instances = (uint64_t)sums->instances;
    const uint64_t rest = limit - (uint64_t)sums->modest;
    const bool is_modest = demand * instances < limit;
    if (sums->hungry > 0)
        return is_modest ? clamp(demand, limit) : clamp(rest / (uint64_t)sums->hungry, limit);
    return clamp((is_modest ? demand : limit / instances) + rest / instances, limit);
}
