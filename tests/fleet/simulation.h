// simulation: a fleet in virtual time: proxies with the leases of proxy/fleet, links that are slow, break and lose what is under
// way, and a store (store_model.h) that stops, jumps in time, and is replaced by a replica that lacks the last writes.
//
// The same seed gives the same run. What is promised is checked at each tunnel that is opened and each token that is used; the
// first thing that does not hold ends the run.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum simulation_fault {
    FAULT_NONE,
    FAULT_PARTITION,  // some proxies do not reach the store for a while
    FAULT_STORE_DOWN, // nobody does
    FAULT_FAIL_OVER,  // a replica takes over that lacks the last writes
    FAULT_CRASH,      // some proxies are gone, and so are their tunnels
    FAULT_UPGRADE,    // some proxies have a successor, and keep what is open
    FAULT_CLOCK,      // the store's clock jumps, forward or back
    FAULT_EMPTY,      // the store has lost everything, and goes on
    FAULT_SLOW,       // answers take longer than anybody waits
    FAULT_COUNT,
};

const char *simulation_fault_name(enum simulation_fault fault);

struct simulation_options {
    uint64_t seed;
    uint32_t proxies; // 2 to 1,000
    enum simulation_fault fault;
    bool refuses; // on_lost
};

// What a run has come to. Times are virtual.
struct simulation_report {
    bool has_failed;
    char sentence[256]; // what did not hold
    uint32_t limit;
    uint32_t most_open; // tunnels at a time
    uint32_t bound;     // what is promised during the fault
    int64_t
        reached_ms; // from the healing, or from when fewer were open, until the limit was nearly reached; -1: it was not
    int64_t freed_ms;         // FAULT_CRASH: until what the dead have held was free
    uint64_t tunnels;         // opened
    uint64_t refused;         // because the limit is full
    uint64_t lost;            // because the store is lost or slow
    uint64_t questions;       // of leases
    uint64_t quiet_tunnels;   // opened before the fault
    uint64_t quiet_questions; // of leases, before the fault
    int64_t worst_wait_ms;    // of a request that got a tunnel
};

// simulation_rush has so many ask for a tunnel at the same moment, spread over the proxies, and again until they have one. No tunnel
// ends. It is a failure unless exactly `limit` are open in the end, and never more.
struct simulation_report simulation_rush(uint64_t seed, uint32_t proxies, uint32_t limit,
                                         uint32_t attempts);

struct simulation_report simulation_run(const struct simulation_options *options);
