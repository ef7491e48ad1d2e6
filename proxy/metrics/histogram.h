// histogram: how long something took, counted in fixed ranges, for one thread.
//
// A value of plain counts: noting a time allocates nothing, takes no lock and asks no clock. The histograms of several
// threads are added count by count, since a struct histogram is nothing but uint64_t.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { HISTOGRAM_BOUNDS_MAX = 13 };

// histogram_bounds is the upper bounds of the ranges, rising; above the last one there is one more range.
struct histogram_bounds {
    size_t count; // at most HISTOGRAM_BOUNDS_MAX
    struct histogram_bound {
        int64_t ms;       // what takes no longer is in this range
        const char *text; // the same in seconds, as the value of a label
    } bounds[HISTOGRAM_BOUNDS_MAX];
};

extern const struct histogram_bounds histogram_waits; // 1 ms to 10 s: handshakes, DNS, connects
extern const struct histogram_bounds histogram_lives; // 100 ms to a day: tunnels

// Zeroed: nothing was noted.
struct histogram {
    uint64_t counts[HISTOGRAM_BOUNDS_MAX + 1]; // of each range by itself
    uint64_t sum_ms;
};

// histogram_note counts one that took `ms` milliseconds; less than nothing, after the clock went back, is nothing.
void histogram_note(struct histogram *histogram, const struct histogram_bounds *bounds, int64_t ms);
