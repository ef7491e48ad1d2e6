// blocks_simulation: the blocks of a fleet in virtual time: proxies that merge what they know by proxy/fleet/fleet_blocks, over links
// that are slow, break, and bring late what nobody waits for, and a store that goes away, loses all or its last writes.
//
// The same seed gives the same run. What is promised is checked whenever a proxy comes to know something, and at the end; the
// first thing that does not hold ends the run.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define BLOCKS_FAULT_TABLE(X)                                                                      \
    X(BLOCKS_NO_FAULT, "none")                                                                     \
    X(BLOCKS_PARTITION, "partition")   /* some proxies do not reach the store for a while */       \
    X(BLOCKS_STORE_DOWN, "store down") /* nobody does */                                           \
    X(BLOCKS_FAIL_OVER, "fail-over")   /* likewise, and then it lacks its last writes */           \
    X(BLOCKS_EMPTIED, "emptied")       /* likewise, and then it has nothing */                     \
    X(BLOCKS_CRASH, "crash")           /* some processes end, and come back with what they kept */ \
    X(BLOCKS_CLOCK, "clock")           /* clocks of proxies are wrong by up to forty days */       \
    X(BLOCKS_SLOW, "slow")             /* answers take up to a second */                           \
    X(BLOCKS_FLOOD, "flood")           /* comparisons do not come to an end; some also crash */

enum blocks_fault {
#define X(symbol, name) symbol,
    BLOCKS_FAULT_TABLE(X)
#undef X
        BLOCKS_FAULT_COUNT
};

const char *blocks_fault_name(enum blocks_fault fault);

struct blocks_options {
    uint64_t seed;
    uint32_t proxies; // 2 to 1,000
    enum blocks_fault fault;
};

// What a run has come to. Times are virtual.
struct blocks_report {
    bool has_failed;
    char sentence[256]; // what did not hold
    uint32_t blocks;    // that were given, without confirmations
    uint32_t confirmed; // blocks that were given once more
    uint32_t ends;
    int64_t
        median_ms; // from giving a word until all proxies go by it, where nothing is broken; -1: not measured
    int64_t longest_ms;
    int64_t
        merged_ms; // from the healing, the last word or the last start of a process until all proxies know the same
    uint64_t questions; // to the store, for blocks
};

struct blocks_report blocks_simulation_run(const struct blocks_options *options);
