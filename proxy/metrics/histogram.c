// The range is found by going through the bounds: most times are short.
#include "proxy/metrics/histogram.h"

const struct histogram_bounds histogram_waits = {
    .count = 13,
    .bounds = {{1, "0.001"},
               {2, "0.002"},
               {5, "0.005"},
               {10, "0.01"},
               {20, "0.02"},
               {50, "0.05"},
               {100, "0.1"},
               {200, "0.2"},
               {500, "0.5"},
               {1000, "1.0"},
               {2000, "2.0"},
               {5000, "5.0"},
               {10000, "10.0"}},
};

const struct histogram_bounds histogram_lives = {
    .count = 10,
    .bounds = {{100, "0.1"},
               {1000, "1.0"},
               {5000, "5.0"},
               {30000, "30.0"},
               {60000, "60.0"},
               {300000, "300.0"},
               {1800000, "1800.0"},
               {3600000, "3600.0"},
               {21600000, "21600.0"},
               {86400000, "86400.0"}},
};

void histogram_note(struct histogram *histogram, const struct histogram_bounds *bounds, int64_t ms)
{
    const int64_t took_ms = ms < 0 ? 0 : ms;
    size_t range = 0;
    while (range < bounds->count && took_ms > bounds->bounds[range].ms)
        range++;
    histogram->counts[range]++;
    histogram->sum_ms += (uint64_t)took_ms;
}
