// http2_budget: how much of what costs us and moves no byte a client may do on one connection (CVE-2023-44487,
// CVE-2025-8671, RFC 9113 10.5).
//
// Pure. Each kind has a bucket: so many at once, and so many a second after that.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum http2_cost {
    HTTP2_COST_RESET, // a stream that ends by a reset before it was answered, whoever sent it
    HTTP2_COST_CONTROL, // a frame that carries nothing: PING, SETTINGS, PRIORITY, empty DATA, unknown ones
    HTTP2_COST_WINDOW, // a WINDOW_UPDATE; each DATA frame of ours earns some
    HTTP2_COST_COUNT,
};

struct http2_bucket {
    uint32_t spent; // in thousandths
    int64_t at_ms;  // monotonic; when `spent` was right
};

// Zeroed: nothing is spent.
struct http2_budget {
    struct http2_bucket buckets[HTTP2_COST_COUNT];
    uint64_t earned_windows; // WINDOW_UPDATE frames that DATA of ours lets the client send
};

// http2_budget_take counts one of `cost`. False: it is one too many.
bool http2_budget_take(struct http2_budget *budget, enum http2_cost cost, int64_t now_ms);

// http2_budget_earn lets the client send the WINDOW_UPDATE frames that a DATA frame of ours with `len` bytes asks for,
// whenever they come: it may read much before we read what it says about it.
void http2_budget_earn(struct http2_budget *budget, size_t len);

// http2_cost_text says what there was too much of. Static memory.
const char *http2_cost_text(enum http2_cost cost);
