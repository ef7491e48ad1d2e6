// The newest sample is before `next`.
#include "proxy/page/history.h"

void history_add(struct history *history, const struct sample *sample)
{
    history->samples[history->next] = *sample;
    history->next = (history->next + 1) % HISTORY_SAMPLES;
    if (history->count < HISTORY_SAMPLES)
        history->count++;
}

const struct sample *history_at(const struct history *history, size_t index)
{
    const size_t oldest = history->next + HISTORY_SAMPLES - history->count;
    return &history->samples[(oldest + index) % HISTORY_SAMPLES];
}

const struct sample *history_last(const struct history *history)
{
    return history->count == 0 ? NULL : history_at(history, history->count - 1);
}

const struct sample *history_before(const struct history *history, int64_t seconds)
{
    if (history->count < 2)
        return NULL;
    const struct sample *last = history_last(history);
    for (size_t i = history->count - 1; i > 0; i--) {
        const struct sample *sample = history_at(history, i - 1);
        if (last->at_s - sample->at_s >= seconds)
            return sample;
    }
    return history_at(history, 0);
}

int64_t history_quantile_ms(const struct histogram *first, const struct histogram *last,
                            const struct histogram_bounds *bounds, unsigned percent)
{
    uint64_t total = 0;
    uint64_t seen = 0;
    for (size_t i = 0; i <= bounds->count; i++)
        total += last->counts[i] - first->counts[i];
    if (total == 0)
        return -1;
    for (size_t i = 0; i < bounds->count; i++) {
        seen += last->counts[i] - first->counts[i];
        if (seen * 100 >= total * percent)
            return bounds->bounds[i].ms;
    }
    return INT64_MAX;
}
