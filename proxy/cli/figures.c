// The largest unit that leaves a whole part.
#include "proxy/cli/figures.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { STEP = 1024, MINUTE_S = 60, HOUR_S = 60 * MINUTE_S, DAY_S = 24 * HOUR_S };

const char *figure_bytes(uint64_t bytes, char out[FIGURE_CAP])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    enum { LAST = sizeof units / sizeof *units - 1 };
    double value = (double)bytes;
    size_t unit = 0;
    while (unit < LAST && value >= STEP - 0.5) {
        value /= STEP;
        unit++;
    }
    const bool has_fraction = unit > 0 && value < 9.95;
    (void)snprintf(out, FIGURE_CAP, "%.*f %s", has_fraction ? 1 : 0, value, units[unit]);
    return out;
}

const char *figure_age(int64_t seconds, char out[FIGURE_CAP])
{
    const int64_t s = seconds < 0 ? 0 : seconds;
    if (s < MINUTE_S)
        (void)snprintf(out, FIGURE_CAP, "%" PRId64 "s", s);
    else if (s < HOUR_S)
        (void)snprintf(out, FIGURE_CAP, "%" PRId64 "m%02" PRId64 "s", s / MINUTE_S, s % MINUTE_S);
    else if (s < DAY_S)
        (void)snprintf(out, FIGURE_CAP, "%" PRId64 "h%02" PRId64 "m", s / HOUR_S,
                       s % HOUR_S / MINUTE_S);
    else
        (void)snprintf(out, FIGURE_CAP, "%" PRId64 "d%02" PRId64 "h", s / DAY_S,
                       s % DAY_S / HOUR_S);
    return out;
}
