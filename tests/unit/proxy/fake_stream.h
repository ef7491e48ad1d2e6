// fake_stream: a stream in memory whose every mood is a field, for tests of what sits on streams.
//
// It keeps to the contract of proxy/net/stream.h and checks that its user does: no write after
// finish, nothing after close, no empty write.
#pragma once

#include "proxy/net/stream.h"

enum { FAKE_CAP = 1024 * 1024, FAKE_PIECES_MAX = 16384 };

struct fake_stream {
    struct stream stream; // first
    // What there is to read.
    uint8_t in[FAKE_CAP];
    size_t in_len;
    size_t in_taken;
    size_t read_max; // bytes of one read; 0: no limit
    bool has_end;    // ERR_EOF after the bytes
    bool is_truncated;
    enum err read_failure; // after the bytes, in place of the end
    // What has been written.
    uint8_t out[FAKE_CAP];
    size_t out_len;
    size_t pieces[FAKE_PIECES_MAX]; // length of each write that was taken
    size_t piece_count;
    size_t room;      // bytes that it still takes
    size_t write_max; // bytes of one write; 0: no limit
    enum err write_failure;
    bool is_flush_blocked; // what it took does not go out
    enum err flush_failure;
    bool is_finish_blocked;
    enum err finish_failure;
    // One operation that says AGAIN although it could go on: the `again_at`th, from 1 on.
    size_t operations;
    size_t again_at;
    // What its user did.
    size_t read_count;
    size_t finish_count; // that were not AGAIN
    size_t flush_count;
    size_t out_len_at_finish;
    bool wants_read;
    bool wants_write;
    bool is_closed;
    bool is_reset;
};

// fake_stream_create gives a stream with nothing to read and all the room in the world; the test
// fails without memory. fake_stream_destroy frees it.
struct fake_stream *fake_stream_create(void);
void fake_stream_destroy(struct fake_stream *fake);

// fake_stream_feed adds bytes to be read.
void fake_stream_feed(struct fake_stream *fake, struct slice bytes);

// fake_stream_written gives all bytes written so far.
struct slice fake_stream_written(const struct fake_stream *fake);
