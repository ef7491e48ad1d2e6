// Buckets of equal width within each power of two.
#include "tests/bench/load/histogram.h"

#include <stdio.h>

static unsigned bucket_of(uint64_t ns)
{
    if (ns < HISTOGRAM_STEPS)
        return (unsigned)ns;
    const unsigned top = 63 - (unsigned)__builtin_clzll(ns);
    const unsigned shift = top - 6;
    const unsigned index = (shift + 1) * HISTOGRAM_STEPS + (unsigned)((ns >> shift) & 63);
    return index < HISTOGRAM_BUCKETS ? index : HISTOGRAM_BUCKETS - 1;
}

// upper_ns gives the largest duration of a bucket.
static uint64_t upper_ns(unsigned index)
{
    if (index < HISTOGRAM_STEPS)
        return index;
    const unsigned shift = index / HISTOGRAM_STEPS - 1;
    return ((uint64_t)(HISTOGRAM_STEPS + index % HISTOGRAM_STEPS + 1) << shift) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t ns)
{
    histogram->buckets[bucket_of(ns)]++;
    histogram->count++;
    if (ns > histogram->max_ns)
        histogram->max_ns = ns;
}

uint64_t histogram_at(const struct histogram *histogram, double share)
{
    const double wanted = share * (double)histogram->count;
    uint64_t seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen > 0 && (double)seen >= wanted)
            return upper_ns(i) < histogram->max_ns ? upper_ns(i) : histogram->max_ns;
    }
    return histogram->max_ns;
}

void histogram_print(const struct histogram *histogram)
{
    printf("\"count\":%llu,\"p50_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f",
           (unsigned long long)histogram->count, (double)histogram_at(histogram, 0.5) / 1e3,
           (double)histogram_at(histogram, 0.99) / 1e3,
           (double)histogram_at(histogram, 0.999) / 1e3, (double)histogram->max_ns / 1e3);
}
