// Three buckets that leak.
#include "proxy/http2/http2_budget.h"

enum {
    UNIT = 1000, // of `spent`, for one
    // A client may give credit for each frame, or for each KiB that it reads, and that to stream and connection.
    WINDOWS_A_DATA_FRAME = 4,
    BYTES_A_WINDOW = 512,
};

static const struct {
    uint32_t at_once;
    uint32_t per_second;
    const char *text;
} rows[HTTP2_COST_COUNT] = {
    [HTTP2_COST_RESET] = {500, 100, "too many streams were reset before they were answered"},
    [HTTP2_COST_CONTROL] = {2000, 500, "too many frames that carry nothing"},
    [HTTP2_COST_WINDOW] = {2000, 500, "too many WINDOW_UPDATE frames"},
};

bool http2_budget_take(struct http2_budget *budget, enum http2_cost cost, int64_t now_ms)
{
    struct http2_bucket *bucket = &budget->buckets[cost];
    if (cost == HTTP2_COST_WINDOW && budget->earned_windows > 0) {
        budget->earned_windows--;
        return true;
    }
    const int64_t passed_ms = now_ms > bucket->at_ms ? now_ms - bucket->at_ms : 0;
    const int64_t back = passed_ms * rows[cost].per_second * (UNIT / 1000);
    bucket->spent = back >= bucket->spent ? 0 : bucket->spent - (uint32_t)back;
    bucket->at_ms = now_ms;
    if (bucket->spent + UNIT > rows[cost].at_once * UNIT)
        return false;
    bucket->spent += UNIT;
    return true;
}

void http2_budget_earn(struct http2_budget *budget, size_t len)
{
    budget->earned_windows += WINDOWS_A_DATA_FRAME + len / BYTES_A_WINDOW;
}

const char *http2_cost_text(enum http2_cost cost)
{
    return rows[cost].text;
}
