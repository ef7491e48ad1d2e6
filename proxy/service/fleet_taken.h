// fleet_taken: what the log and the audit tell of blocks that other proxies have given or ended, and that hold or end here by that.
//
// On main's loop. The first ones are told one by one; of those that come within the same few seconds beyond them only how many they
// are, so that thousands at a start are no storm.
#pragma once

#include "proxy/service/fleet_store.h"

struct fleet_taken {
    struct fleet_store *store; // borrowed
    int64_t since_ms;          // monotonic; when the first of the present ones came
    size_t told;               // of them, one by one
    uint64_t blocks;           // and not told yet
    uint64_t ends;
};

// fleet_taken_note tells of a word of another proxy that has changed who is blocked here, or will do so with the next settling.
void fleet_taken_note(struct fleet_taken *taken, const struct fleet_word *word);

// fleet_taken_settle tells how many there were that were not told; where it is not `must`, only if they began long enough ago.
void fleet_taken_settle(struct fleet_taken *taken, bool must);
