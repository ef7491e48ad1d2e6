// history: the last hour in numbers: a ring of samples, one every ten seconds, in fixed memory.
//
// A value for one thread. Counters are kept as they are; a rate is the difference of two samples.
#pragma once

#include <stdbool.h>

#include "proxy/metrics/histogram.h"

enum {
    HISTORY_EVERY_S = 10,
    HISTORY_SAMPLES = 361, // of an hour, with both ends
};

// sample is the proxy at one time.
struct sample {
    int64_t at_s; // Unix seconds
    uint64_t bytes_up;
    uint64_t bytes_down;
    uint64_t allowed;
    uint64_t denied;
    uint64_t failed;
    uint64_t would_deny;
    uint64_t tunnels; // opened
    uint64_t handshakes;
    uint64_t resumed;
    uint64_t refused;
    uint64_t dns_answers;
    uint64_t dns_missing; // names that do not exist
    uint64_t dns_failed;
    uint64_t reloads; // good ones
    struct histogram connect_time;
    struct histogram dns_time;
};

// Zeroed: empty.
struct history {
    struct sample samples[HISTORY_SAMPLES];
    size_t next; // where the next one goes
    size_t count;
};

// history_add adds a sample, and forgets the oldest one of more than an hour.
void history_add(struct history *history, const struct sample *sample);

// history_at gives a sample; 0 is the oldest. `index` is below `count`.
const struct sample *history_at(const struct history *history, size_t index);

// history_last gives the newest sample; NULL: there is none. history_before gives the newest that is at least `seconds`
// older than the newest, or the oldest one; NULL: there is only one.
const struct sample *history_last(const struct history *history);
const struct sample *history_before(const struct history *history, int64_t seconds);

// history_quantile_ms gives the upper bound of the range in which the `percent`-th of a hundred times lies that were noted
// from `first` to `last`; -1: none was; INT64_MAX: above all bounds.
int64_t history_quantile_ms(const struct histogram *first, const struct histogram *last,
                            const struct histogram_bounds *bounds, unsigned percent);
