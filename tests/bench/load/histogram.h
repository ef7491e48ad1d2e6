// histogram: how long things took, in buckets of 1.6 %, so that millions of samples need no memory.
#pragma once

#include <stdint.h>

enum { HISTOGRAM_STEPS = 64, HISTOGRAM_BUCKETS = 40 * HISTOGRAM_STEPS };

struct histogram {
    uint64_t count;
    uint64_t max_ns;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

// histogram_add counts one duration.
void histogram_add(struct histogram *histogram, uint64_t ns);

// histogram_at gives the duration that `share` (0 to 1) of the samples do not exceed, in nanoseconds;
// 0 without samples.
uint64_t histogram_at(const struct histogram *histogram, double share);

// histogram_print writes the JSON members count, p50_us, p99_us, p999_us and max_us to stdout.
void histogram_print(const struct histogram *histogram);
