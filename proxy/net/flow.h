// flow: one direction of a tunnel. It moves bytes from one stream to another until the end or an error.
//
// A flow holds a buffer only while it has read bytes that it could not write yet. It knows neither TLS nor sessions, and
// decides nothing: its owner asks what happened.
#pragma once

#include "proxy/net/buffer.h"
#include "proxy/net/pace.h"
#include "proxy/net/records.h"
#include "proxy/net/stream.h"

enum flow_status {
    FLOW_WAITS,       // for an event: see flow_wants_read and flow_wants_write
    FLOW_MORE,        // its share of this turn is spent; call again soon
    FLOW_DONE,        // the end has been read and passed on
    FLOW_FROM_FAILED, // reset or TLS error where it reads
    FLOW_TO_FAILED,   // likewise where it writes
};

// What a step does. An owner that looks at the bytes before they go on lets the flow fill its buffer, and then drains it.
enum flow_mode {
    FLOW_MOVES,  // reads and writes
    FLOW_FILLS,  // reads once, and writes nothing
    FLOW_DRAINS, // writes what has been read
};

struct flow {
    struct stream *from;      // borrowed
    struct stream *to;        // borrowed
    struct buffer_pool *pool; // borrowed
    struct buffer *buffer;    // borrowed from the pool; NULL when nothing waits
    size_t preamble_len;      // bytes at the front of the buffer that are not the stream's
    uint64_t passed;          // bytes of the stream written so far, without the preamble
    bool keeps_records;       // cut at the borders of inner TLS records
    enum flow_mode mode;      // set by the owner
    bool demands_close; // set by the owner: an end without close_notify is a failure of `from`
    bool has_end;       // the end has been read
    bool is_blocked;    // waits for room to write
    bool is_done;
    struct record_scanner scanner;
    struct pacer pacer; // how fast it may read; zeroed: nothing is shaped
};

// flow_init prepares a flow. `keeps_records`: see record_scanner.
void flow_init(struct flow *flow, struct stream *from, struct stream *to, struct buffer_pool *pool,
               bool keeps_records);

// flow_deinit gives the buffer back and leaves the bandwidth. A zeroed flow is allowed.
void flow_deinit(struct flow *flow);

// flow_preload puts bytes in front of what will be read. With `is_preamble` they are not part of the stream: they get a
// record of their own and are not counted. Call it before the first flow_step, preambles first, with at most BUFFER_CAP
// bytes in all. ERR_MEMORY or ERR_LIMIT.
enum err flow_preload(struct flow *flow, struct slice bytes, bool is_preamble) MUST_USE;

// flow_set_pace makes the flow share `bandwidth` with the other flows of it, and charges what was preloaded. `clock_ms`
// holds the monotonic time. Both are borrowed until flow_deinit. Call it before the first flow_step.
void flow_set_pace(struct flow *flow, struct bandwidth *bandwidth, const int64_t *clock_ms);

// flow_step moves the bytes that can be moved now, up to a fair share, as far as `mode` lets it.
enum flow_status flow_step(struct flow *flow);

// flow_wants_read and flow_wants_write tell what a waiting flow waits for: bytes from `from`, room in `to`.
bool flow_wants_read(const struct flow *flow);
bool flow_wants_write(const struct flow *flow);
