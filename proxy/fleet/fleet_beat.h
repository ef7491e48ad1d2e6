// fleet_beat: what the store answers to the script `beat`, as a value. The store is not believed: numbers are bounded. Pure.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proxy/store/resp.h"

enum { FLEET_MEMBERS_MAX = 65536 };

struct fleet_beat {
    int64_t now_ms;            // the store's clock, Unix time
    bool was_known;            // the store has our leases still
    uint32_t members;          // proxies that are alive, 1 to FLEET_MEMBERS_MAX
    int64_t revision;          // of the blocks
    int64_t orders;            // number of the last one
    int64_t blocks;            // entries on blocks that the store has
    int64_t mended;            // values that made no sense, and do now
    const struct resp *scarce; // names of accounts, RESP_STRING; borrowed from the answer
    size_t scarce_count;       // at most FLEET_SCARCE_MAX
};

// fleet_beat_parse reads an answer. ERR_INPUT: it is none.
enum err fleet_beat_parse(const struct resp *answer, struct fleet_beat *out) MUST_USE;

// fleet_beat_names tells whether an account is scarce.
bool fleet_beat_names(const struct fleet_beat *beat, const char *account);
