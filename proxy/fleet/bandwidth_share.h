// bandwidth_share: which part of an account's bandwidth in the whole fleet this proxy has, by what its flows use.
//
// Once a second each proxy with flows of the account says what it could use, its demand, to the store (the script `share`),
// and gets the sums of all. A proxy is modest where its demand is below an equal part; it gets what it demands. The rest is
// divided equally among those that are hungry; if nobody is, among all. Where all go by the same sums, the parts add up to the limit.
//
// Until the sums are known, and while the store is lost, it is an equal part among all proxies. While use moves from one
// proxy to another the parts may add up to more than the limit for about two seconds: by the parts of those that have just begun.
//
// Pure: no clock, no store. Bandwidth is in bytes a second.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { BANDWIDTH_INSTANCES_MAX = 1000000 };

// bandwidth_sums is what the store says about all demands of an account in one direction.
struct bandwidth_sums {
    int64_t instances; // that have a demand
    int64_t modest;    // sum of the demands that are below an equal part
    int64_t hungry;    // instances whose demand is not
};

// bandwidth_demand gives what a proxy could use that has passed on `used` bytes a second of `limit`, under a share of `share`.
// `is_held`: flows have waited for their turn; then it could use everything. 0: nothing.
uint64_t bandwidth_demand(uint64_t limit, uint64_t share, uint64_t used, bool is_held);

// bandwidth_share_alone gives an equal part among `members` proxies, at least 1.
uint64_t bandwidth_share_alone(uint64_t limit, uint32_t members);

// bandwidth_share_of gives the part of a proxy with this demand. Sums that cannot be true give an equal part; it is 1 to `limit`.
uint64_t bandwidth_share_of(uint64_t limit, uint64_t demand, const struct bandwidth_sums *sums,
                            uint32_t members);
