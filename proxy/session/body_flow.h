// body_flow: the body of one message on its way from a stream to another: read in the framing in which it
// comes, written in the one in which it goes (proxy/http/body.h). What stands in `out` in front of it, the
// head, goes with it.
//
// It holds buffers of the pool only while bytes wait. It knows no heads, sessions or policy, and decides
// nothing: its owner asks what happened. The messages after the body are never touched.
#pragma once

#include "proxy/http/body.h"
#include "proxy/net/buffer.h"
#include "proxy/net/pace.h"
#include "proxy/net/stream.h"

enum body_flow_status {
    BODY_FLOW_WAITS,       // for an event: see body_flow_wants_read and body_flow_wants_write
    BODY_FLOW_MORE,        // its share of this turn is used up; call again soon
    BODY_FLOW_DONE,        // the body has been passed on whole
    BODY_FLOW_FROM_CUT,    // the sender ended before the body did
    BODY_FLOW_FROM_BAD,    // the body is malformed: see `why`
    BODY_FLOW_FROM_FAILED, // reset or TLS error where it reads
    BODY_FLOW_TO_FAILED,   // likewise where it writes
};

// Embedded by its owner, who may read what is not private.
struct body_flow {
    struct stream *from;       // borrowed
    struct stream *to;         // borrowed
    struct buffer_pool *pool;  // borrowed
    struct buffer *in;         // borrowed from the pool; read, not understood yet; NULL: nothing
    struct buffer *out;        // borrowed from the pool; to be written; NULL: nothing
    struct body_reader reader; // private
    enum body_kind as;         // private; how the body is written
    size_t max_behind;         // private; bytes that may be read of what stands after the body
    bool is_read;              // the whole body has been read
    bool is_done;              // and written
    bool is_blocked;           // private; waits for room to write
    bool has_end;              // the sender has ended its direction
    uint64_t passed;           // bytes of content read so far
    const char *why;           // static memory; set with BODY_FLOW_FROM_BAD
    struct pacer pacer;        // private; how fast it may read; zeroed: nothing is shaped
};

// body_flow_init prepares a flow without a body. `max_behind`: bytes of what stands after the body that its
// owner can keep; see body_flow_unread.
void body_flow_init(struct body_flow *flow, struct stream *from, struct stream *to,
                    struct buffer_pool *pool, size_t max_behind);

// body_flow_deinit gives the buffers back. A zeroed flow is allowed.
void body_flow_deinit(struct body_flow *flow);

// body_flow_set_pace makes it take turns with all others of `bandwidth`, and pay for what was given to it. Both
// are borrowed until body_flow_deinit. Before the first step.
void body_flow_set_pace(struct body_flow *flow, struct bandwidth *bandwidth,
                        const int64_t *clock_ms);

// body_flow_expect says which body comes, and how it is written (`as`: BODY_CHUNKED, or anything else for the
// content alone).
void body_flow_expect(struct body_flow *flow, enum body_kind kind, uint64_t length,
                      enum body_kind as);

// body_flow_begin_out and body_flow_end_out write in front of the body: the first gives a text with the room
// that is left (false without memory), the second counts what is in it. False: it did not fit.
bool body_flow_begin_out(struct body_flow *flow, struct text *out_text) MUST_USE;
bool body_flow_end_out(struct body_flow *flow, const struct text *text) MUST_USE;

// body_flow_give puts bytes that have been read elsewhere in front of what will be read. ERR_MEMORY,
// ERR_LIMIT.
enum err body_flow_give(struct body_flow *flow, struct slice bytes) MUST_USE;

// body_flow_pull reads what is there, at most `cap` bytes; for owners that read a head first. As stream_read.
enum err body_flow_pull(struct body_flow *flow, size_t cap, size_t *out_len) MUST_USE;

// body_flow_push writes what is in `out`: ERR_OK when nothing is left, ERR_AGAIN, or an error.
enum err body_flow_push(struct body_flow *flow) MUST_USE;

// body_flow_step moves what can be moved now, within a fair share.
enum body_flow_status body_flow_step(struct body_flow *flow);

// body_flow_is_cut tells whether only a part of what stands in `out` has been written.
bool body_flow_is_cut(const struct body_flow *flow);

// body_flow_unread gives what has been read and is not understood: once the body is read, what stands behind.
struct slice body_flow_unread(const struct body_flow *flow);

// body_flow_wants_read and body_flow_wants_write tell what a waiting flow waits for, on `from` and on `to`.
bool body_flow_wants_read(const struct body_flow *flow);
bool body_flow_wants_write(const struct body_flow *flow);
