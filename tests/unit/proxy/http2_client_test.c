// Our side of an HTTP/2 connection against nghttp2 as the proxy: what a CONNECT becomes, what its answer reads as, and every
// way to end.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <nghttp2/nghttp2.h>

#include "proxy/http2/http2_client.h"
#include "tests/unit/proxy/fake_stream.h"

enum { TEXT_CAP = 256 * 1024, MAX_STREAMS = 8, LAST_ID = 2 * MAX_STREAMS };

// What the proxy knows of a stream.
struct request {
    char fields[1024]; // `name: value` lines
    char content[TEXT_CAP];
    size_t content_len;
    bool has_end;
    bool is_closed;
    uint32_t code;
    // What it sends.
    const char *download;
    size_t download_len;
    bool ends; // after it
};

struct rig {
    struct fake_stream *below;
    struct buffer_pool pool;
    struct http2_session *session;
    nghttp2_session *proxy;
    struct request requests[LAST_ID];
    struct http2_stream *streams[MAX_STREAMS];
    size_t stream_count;
    size_t ready_count;
    size_t out_taken;
    enum http2_status status;
};

// request_of gives what the proxy knows of a stream. Where a test opens more than there is room for, the first ones make room.
static struct request *request_of(struct rig *rig, int32_t id)
{
    assert_in_range(id, 1, INT32_MAX);
    return &rig->requests[(id - 1) % LAST_ID];
}

static int on_header(nghttp2_session *proxy, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *arg)
{
    struct request *request = request_of(arg, frame->hd.stream_id);
    const size_t len = strlen(request->fields);
    (void)proxy, (void)flags;
    (void)snprintf(request->fields + len, sizeof request->fields - len, "%.*s: %.*s\n",
                   (int)name_len, (const char *)name, (int)value_len, (const char *)value);
    return 0;
}

static int on_content(nghttp2_session *proxy, uint8_t flags, int32_t id, const uint8_t *bytes,
                      size_t len, void *arg)
{
    struct request *request = request_of(arg, id);
    (void)proxy, (void)flags;
    assert_true(bytes_copy(request->content + request->content_len, TEXT_CAP - request->content_len,
                           slice_of(bytes, len)));
    request->content_len += len;
    return 0;
}

static int on_frame(nghttp2_session *proxy, const nghttp2_frame *frame, void *arg)
{
    (void)proxy;
    const bool may_end = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (may_end && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
        request_of(arg, frame->hd.stream_id)->has_end = true;
    return 0;
}

static int on_close(nghttp2_session *proxy, int32_t id, uint32_t code, void *arg)
{
    (void)proxy;
    request_of(arg, id)->is_closed = true;
    request_of(arg, id)->code = code;
    return 0;
}

static ssize_t give(nghttp2_session *proxy, int32_t id, uint8_t *out, size_t cap, uint32_t *flags,
                    nghttp2_data_source *source, void *arg)
{
    struct request *request = request_of(arg, id);
    const size_t len = request->download_len < cap ? request->download_len : cap;
    (void)proxy, (void)source;
    if (len == 0 && !request->ends)
        return NGHTTP2_ERR_DEFERRED;
    assert_true(bytes_copy(out, cap, slice_of(request->download, len)));
    request->download += len;
    request->download_len -= len;
    if (request->ends && request->download_len == 0)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)len;
}

static nghttp2_session *make_proxy(struct rig *rig)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *options = NULL;
    nghttp2_session *proxy = NULL;
    assert_int_equal(nghttp2_session_callbacks_new(&callbacks), 0);
    assert_int_equal(nghttp2_option_new(&options), 0);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_content);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_option_set_no_http_messaging(options, 1);
    assert_int_equal(nghttp2_session_server_new2(&proxy, callbacks, rig, options), 0);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(options);
    return proxy;
}

// talk lets both sides talk until neither has anything to say.
static void talk(struct rig *rig)
{
    for (bool is_busy = true; is_busy;) {
        const uint8_t *bytes = NULL;
        ssize_t len = 0;
        is_busy = false;
        while ((len = nghttp2_session_mem_send(rig->proxy, &bytes)) > 0) {
            fake_stream_feed(rig->below, slice_of(bytes, (size_t)len));
            is_busy = true;
        }
        rig->status = http2_session_step(rig->session, 1000);
        const struct slice out = slice_from(fake_stream_written(rig->below), rig->out_taken);
        if (out.len > 0) {
            is_busy = true;
            rig->out_taken += out.len;
            assert_int_equal(nghttp2_session_mem_recv(rig->proxy, out.data, out.len), out.len);
        }
    }
}

static void say_settings(struct rig *rig, uint32_t streams)
{
    const nghttp2_settings_entry entry = {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, streams};
    assert_int_equal(nghttp2_submit_settings(rig->proxy, NGHTTP2_FLAG_NONE, &entry, 1), 0);
}

static int make_rig(void **state)
{
    static const struct http2_options options = {
        .streams = MAX_STREAMS, .window = 64 * 1024, .memory = 1024 * 1024};
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    rig->below = fake_stream_create();
    rig->session = http2_client_create(&options, &rig->below->stream, &rig->pool);
    assert_non_null(rig->session);
    rig->proxy = make_proxy(rig);
    say_settings(rig, 4);
    talk(rig);
    *state = rig;
    return 0;
}

static int drop_rig(void **state)
{
    struct rig *rig = *state;
    for (size_t i = 0; i < rig->stream_count; i++)
        http2_stream_destroy(rig->streams[i]);
    http2_session_destroy(rig->session);
    nghttp2_session_del(rig->proxy);
    buffer_pool_deinit(&rig->pool);
    fake_stream_destroy(rig->below);
    free(rig);
    return 0;
}

static void on_ready(void *owner)
{
    struct rig *rig = owner;
    rig->ready_count++;
}

static enum err write_text(struct http2_stream *stream, const char *text)
{
    struct slice rest = slice_of_string(text);
    while (rest.len > 0) {
        size_t len = 0;
        TRY(stream_write(&stream->stream, rest, &len));
        rest = slice_from(rest, len);
    }
    return ERR_OK;
}

#define CONNECT "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n"

// open_tunnel asks for a tunnel, with the head of a local client.
static struct http2_stream *open_with(struct rig *rig, const char *head, bool says_close)
{
    struct http2_stream *stream = http2_client_open(rig->session, says_close);
    assert_non_null(stream);
    assert_in_range(rig->stream_count, 0, MAX_STREAMS - 1);
    rig->streams[rig->stream_count++] = stream;
    stream->stream.on_ready = on_ready;
    stream->stream.owner = rig;
    assert_int_equal(write_text(stream, head), ERR_OK);
    talk(rig);
    return stream;
}

static struct http2_stream *open_one(struct rig *rig)
{
    return open_with(rig, CONNECT, false);
}

// answer sends a head of these `name: value` lines, and then what download says. NULL: the head is all.
static void answer(struct rig *rig, int32_t id, const char *lines, const char *download, bool ends)
{
    nghttp2_nv list[16];
    size_t count = 0;
    struct slice rest = slice_of_string(lines);
    const nghttp2_data_provider content = {.read_callback = give};
    struct request *request = request_of(rig, id);
    while (rest.len > 0) {
        const struct slice line = slice_first(rest, slice_find(rest, '\n'));
        const size_t colon = 1 + slice_find(slice_from(line, 1), ':');
        assert_in_range(count, 0, 15);
        list[count++] = (nghttp2_nv){(uint8_t *)(uintptr_t)line.data,
                                     (uint8_t *)(uintptr_t)line.data + colon + 2, colon,
                                     line.len - colon - 2, NGHTTP2_NV_FLAG_NONE};
        rest = slice_from(rest, line.len + 1);
    }
    request->download = download;
    request->download_len = download == NULL ? 0 : strlen(download);
    request->ends = ends;
    assert_int_equal(
        nghttp2_submit_response(rig->proxy, id, list, count, download == NULL ? NULL : &content),
        0);
    talk(rig);
}

static void send_more(struct rig *rig, int32_t id, const char *download, bool ends)
{
    struct request *request = request_of(rig, id);
    request->download = download;
    request->download_len = strlen(download);
    request->ends = ends;
    (void)nghttp2_session_resume_data(rig->proxy, id);
    talk(rig);
}

static char text[TEXT_CAP];

// read_all reads what there is, `cap` bytes at a time.
static enum err read_all(struct http2_stream *stream, size_t cap)
{
    size_t at = 0;
    for (;;) {
        size_t len = 0;
        assert_in_range(at + cap, 0, TEXT_CAP - 1);
        const enum err error = stream_read(&stream->stream, text + at, cap, &len);
        if (error != ERR_OK) {
            text[at] = '\0';
            return error;
        }
        at += len;
    }
}

static void a_tunnel_carries_bytes_both_ways_and_both_ends(void **state)
{
    struct rig *rig = *state;
    struct http2_stream *stream = open_one(rig);
    assert_string_equal(request_of(rig, 1)->fields,
                        ":method: CONNECT\n:authority: a.example:443\n");
    assert_int_equal(read_all(stream, 64), ERR_AGAIN);
    answer(rig, 1, ":status: 200\nx-request-id: 7\n", "hello", false);
    assert_int_equal(read_all(stream, 64), ERR_AGAIN);
    assert_string_equal(text,
                        "HTTP/1.1 200 Connection established\r\nx-request-id: 7\r\n\r\nhello");
    assert_int_equal(write_text(stream, "up"), ERR_OK);
    assert_int_equal(stream_finish(&stream->stream), ERR_OK);
    talk(rig);
    assert_string_equal(request_of(rig, 1)->content, "up");
    assert_true(request_of(rig, 1)->has_end);
    send_more(rig, 1, " and on", true);
    assert_int_equal(read_all(stream, 64), ERR_EOF);
    assert_string_equal(text, " and on");
    stream_close(&stream->stream, false);
    talk(rig);
    assert_true(request_of(rig, 1)->is_closed);
    assert_int_equal(request_of(rig, 1)->code, NGHTTP2_NO_ERROR);
}

static void fields_of_the_local_connection_stay_there(void **state)
{
    struct rig *rig = *state;
    (void)open_with(rig,
                    "CONNECT a.example:443 HTTP/1.1\r\nHost: other.example\r\nUser-Agent: u\r\n"
                    "Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nProxy-Connection: keep-alive\r\n"
                    "Keep-Alive: 1\r\nTE: trailers\r\nUpgrade: x\r\nX-Far: 2\r\n\r\n",
                    false);
    assert_string_equal(request_of(rig, 1)->fields,
                        ":method: CONNECT\n:authority: a.example:443\nuser-agent: u\nx-far: 2\n");
}

static void only_the_head_of_a_connect_is_taken(void **state)
{
    struct rig *rig = *state;
    static const char *const heads[] = {"GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n",
                                        "CONNECT a.example:443 HTTP/1.1\nHost: a\n\n",
                                        "CONNECT a.example:443 HTTP/1.1\r\n", "x"};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        size_t len = 0;
        struct http2_stream *stream = http2_client_open(rig->session, false);
        assert_int_equal(stream_write(&stream->stream, slice_of_string(heads[i]), &len), ERR_INPUT);
        http2_stream_destroy(stream);
    }
    talk(rig);
    assert_string_equal(request_of(rig, 1)->fields, "");
}

static void a_refusal_reads_as_http_1_with_its_first_line_as_the_reason(void **state)
{
#define PLAIN "content-type: text/plain; charset=utf-8\n"
    static const struct {
        const char *fields;
        const char *content;
        const char *head; // up to the empty line
        bool says_close;
    } rows[] = {
        {":status: 403\n" PLAIN "content-length: 10\n", "Denied: x\n",
         "HTTP/1.1 403 Denied: x\r\ncontent-type: text/plain; charset=utf-8\r\n"
         "content-length: 10\r\n\r\n",
         false},
        {":status: 403\n" PLAIN "content-length: 10\n", "Denied: x\n",
         "HTTP/1.1 403 Denied: x\r\ncontent-type: text/plain; charset=utf-8\r\n"
         "content-length: 10\r\nconnection: close\r\n\r\n",
         true},
        {":status: 502\ncontent-type: text/html\ncontent-length: 4\n", "<p>\n",
         "HTTP/1.1 502 \r\ncontent-type: text/html\r\ncontent-length: 4\r\n\r\n", false},
        {":status: 502\n" PLAIN "content-length: 3\n", "a\r\n",
         "HTTP/1.1 502 \r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 3\r\n\r\n",
         false},
        {":status: 502\n" PLAIN "content-length: 2\n", "ab",
         "HTTP/1.1 502 \r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 2\r\n\r\n",
         false},
        {":status: 503\n", "until the end", "HTTP/1.1 503 \r\nconnection: close\r\n\r\n", false},
        {":status: 503\n", NULL, "HTTP/1.1 503 \r\ncontent-length: 0\r\n\r\n", false},
        {":status: 503\n", "", "HTTP/1.1 503 \r\ncontent-length: 0\r\n\r\n", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rig *rig = NULL;
        char expected[1024];
        const char *content = rows[i].content == NULL ? "" : rows[i].content;
        assert_int_equal(make_rig((void **)&rig), 0);
        struct http2_stream *stream = open_with(rig, CONNECT, rows[i].says_close);
        answer(rig, 1, rows[i].fields, rows[i].content, true);
        assert_int_equal(read_all(stream, 1000), ERR_EOF);
        (void)snprintf(expected, sizeof expected, "%s%s", rows[i].head, content);
        assert_string_equal(text, expected);
        stream_close(&stream->stream, false);
        talk(rig);
        assert_true(request_of(rig, 1)->is_closed);
        (void)drop_rig((void **)&rig);
    }
    (void)state;
}

static void a_refusal_is_not_read_before_its_reason_is_known(void **state)
{
    struct rig *rig = *state;
    struct http2_stream *stream = open_one(rig);
    stream_want(&stream->stream, true, false);
    answer(rig, 1, ":status: 403\n" PLAIN, "Denied", false);
    assert_int_equal(read_all(stream, 1000), ERR_AGAIN);
    assert_int_equal(rig->ready_count, 0);
    send_more(rig, 1, ": x\nmore\n", true);
    assert_int_equal(rig->ready_count, 1);
    assert_int_equal(read_all(stream, 1000), ERR_EOF);
    assert_string_equal(text,
                        "HTTP/1.1 403 Denied: x\r\ncontent-type: text/plain; charset=utf-8\r\n"
                        "connection: close\r\n\r\nDenied: x\nmore\n");
}

static void what_a_tunnel_answers_about_lengths_is_dropped(void **state)
{
    struct rig *rig = *state;
    struct http2_stream *stream = open_one(rig);
    answer(rig, 1, ":status: 200\ncontent-length: 1\n", "many bytes", false);
    assert_int_equal(read_all(stream, 1000), ERR_AGAIN);
    assert_string_equal(text, "HTTP/1.1 200 Connection established\r\n\r\nmany bytes");
}

static void a_malformed_answer_breaks_its_stream_alone(void **state)
{
    static const struct {
        const char *fields;
        const char *content;
    } rows[] = {
        {"x: y\n", NULL},
        {":status: 200\n:status: 200\n", NULL},
        {"x: y\n:status: 200\n", NULL},
        {":status: 099\n", NULL},
        {":status: 600\n", NULL},
        {":status: 20\n", NULL},
        {":status: 101\n", NULL},
        {":status: 200\n:path: /\n", NULL},
        {":status: 200\ntransfer-encoding: chunked\n", NULL},
        {":status: 200\nconnection: close\n", NULL},
        {":status: 403\ncontent-length: 1\ncontent-length: 1\n", "a"},
        {":status: 403\ncontent-length: +1\n", "a"},
        {":status: 403\ncontent-length: 2\n", "a"},
        {":status: 403\ncontent-length: 2\n", "abc"},
        {":status: 403\ncontent-length: 2\n", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rig *rig = NULL;
        assert_int_equal(make_rig((void **)&rig), 0);
        struct http2_stream *other = open_one(rig);
        answer(rig, 1, ":status: 200\n", "fine", false);
        struct http2_stream *stream = open_one(rig);
        answer(rig, 3, rows[i].fields, rows[i].content, true);
        assert_int_equal(read_all(stream, 1000), ERR_SYSTEM);
        assert_int_not_equal(stream->loss, HTTP2_LOSS_REFUSED);
        assert_true(request_of(rig, 3)->is_closed);
        assert_int_equal(read_all(other, 1000), ERR_AGAIN);
        (void)drop_rig((void **)&rig);
    }
    (void)state;
}

static void trailer_fields_in_a_tunnel_break_it(void **state)
{
    struct rig *rig = *state;
    const nghttp2_nv field = {(uint8_t *)(uintptr_t) "x", (uint8_t *)(uintptr_t) "y", 1, 1, 0};
    struct http2_stream *stream = open_one(rig);
    answer(rig, 1, ":status: 200\n", "a", false);
    assert_true(
        nghttp2_submit_headers(rig->proxy, NGHTTP2_FLAG_END_STREAM, 1, NULL, &field, 1, NULL) == 0);
    talk(rig);
    assert_int_equal(read_all(stream, 1000), ERR_SYSTEM);
}

static void interim_answers_are_read_past(void **state)
{
    struct rig *rig = *state;
    const nghttp2_nv field = {(uint8_t *)(uintptr_t) ":status", (uint8_t *)(uintptr_t) "103", 7, 3,
                              0};
    struct http2_stream *stream = open_one(rig);
    assert_int_equal(
        nghttp2_submit_headers(rig->proxy, NGHTTP2_FLAG_NONE, 1, NULL, &field, 1, NULL), 0);
    talk(rig);
    assert_int_equal(read_all(stream, 1000), ERR_AGAIN);
    answer(rig, 1, ":status: 200\n", "a", false);
    assert_int_equal(read_all(stream, 1000), ERR_AGAIN);
    assert_string_equal(text, "HTTP/1.1 200 Connection established\r\n\r\na");
}

static void a_reset_of_the_proxy_is_a_reset_and_says_whether_anything_was_done(void **state)
{
    static const struct {
        uint32_t code;
        bool is_answered;
        bool is_refused;
    } rows[] = {
        {NGHTTP2_CONNECT_ERROR, true, false},  {NGHTTP2_CANCEL, true, false},
        {NGHTTP2_NO_ERROR, true, false},       {NGHTTP2_REFUSED_STREAM, false, true},
        {NGHTTP2_REFUSED_STREAM, true, false}, {NGHTTP2_CANCEL, false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rig *rig = NULL;
        assert_int_equal(make_rig((void **)&rig), 0);
        struct http2_stream *stream = open_one(rig);
        if (rows[i].is_answered)
            answer(rig, 1, ":status: 200\n", "a", false);
        stream_want(&stream->stream, true, false);
        assert_int_equal(nghttp2_submit_rst_stream(rig->proxy, NGHTTP2_FLAG_NONE, 1, rows[i].code),
                         0);
        talk(rig);
        assert_in_range(rig->ready_count, 1, 4);
        assert_int_equal(read_all(stream, 1000), ERR_SYSTEM);
        assert_int_equal(stream->loss == HTTP2_LOSS_REFUSED, rows[i].is_refused);
        assert_int_equal(stream_finish(&stream->stream), ERR_SYSTEM);
        (void)drop_rig((void **)&rig);
    }
    (void)state;
}

static void a_tunnel_that_is_left_is_cancelled(void **state)
{
    for (int is_reset = 0; is_reset <= 1; is_reset++) {
        struct rig *rig = NULL;
        assert_int_equal(make_rig((void **)&rig), 0);
        struct http2_stream *stream = open_one(rig);
        answer(rig, 1, ":status: 200\n", "a", false);
        stream_close(&stream->stream, is_reset == 1);
        talk(rig);
        assert_true(request_of(rig, 1)->is_closed);
        assert_int_equal(request_of(rig, 1)->code, NGHTTP2_CANCEL);
        (void)drop_rig((void **)&rig);
    }
    (void)state;
}

static void a_whole_answer_is_read_although_the_proxy_wants_no_more(void **state)
{
    struct rig *rig = *state;
    struct http2_stream *stream = open_one(rig);
    answer(rig, 1, ":status: 403\ncontent-length: 1\n", "x", true);
    assert_int_equal(nghttp2_submit_rst_stream(rig->proxy, NGHTTP2_FLAG_NONE, 1, NGHTTP2_NO_ERROR),
                     0);
    talk(rig);
    size_t len = 0;
    assert_int_equal(stream_write(&stream->stream, slice_of_string("late"), &len), ERR_SYSTEM);
    assert_int_equal(read_all(stream, 1000), ERR_EOF);
    assert_string_equal(text, "HTTP/1.1 403 \r\ncontent-length: 1\r\n\r\nx");
}

// RFC 9113 8.1: the end of the answer, and in a later read that nothing more is wanted.
static void one_that_waits_for_a_window_learns_that_the_proxy_wants_no_more(void **state)
{
    struct rig *rig = *state;
    const nghttp2_settings_entry none = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0};
    assert_int_equal(nghttp2_submit_settings(rig->proxy, NGHTTP2_FLAG_NONE, &none, 1), 0);
    talk(rig);
    struct http2_stream *stream = open_one(rig);
    answer(rig, 1, ":status: 200\n", "x", true);
    assert_int_equal(read_all(stream, 1000), ERR_EOF);
    assert_int_equal(write_text(stream, "up"), ERR_AGAIN);
    stream_want(&stream->stream, false, true);
    talk(rig);
    const size_t before = rig->ready_count;
    assert_int_equal(nghttp2_submit_rst_stream(rig->proxy, NGHTTP2_FLAG_NONE, 1, NGHTTP2_NO_ERROR),
                     0);
    talk(rig);
    assert_int_equal(rig->ready_count, before + 1);
    assert_int_equal(write_text(stream, "up"), ERR_SYSTEM);
}

static void after_a_goaway_only_what_was_taken_goes_on(void **state)
{
    struct rig *rig = *state;
    struct http2_stream *taken = open_one(rig);
    answer(rig, 1, ":status: 200\n", "a", false);
    struct http2_stream *untaken = open_one(rig);
    assert_int_equal(
        nghttp2_submit_goaway(rig->proxy, NGHTTP2_FLAG_NONE, 1, NGHTTP2_NO_ERROR, NULL, 0), 0);
    talk(rig);
    assert_int_equal(http2_session_room(rig->session), 0);
    assert_int_equal(read_all(untaken, 1000), ERR_SYSTEM);
    assert_int_equal(untaken->loss, HTTP2_LOSS_REFUSED);
    send_more(rig, 1, "b", true);
    assert_int_equal(read_all(taken, 1000), ERR_EOF);
    assert_string_equal(text, "HTTP/1.1 200 Connection established\r\n\r\nab");
}

static void the_proxys_bound_of_streams_is_kept_as_it_changes(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(http2_session_room(rig->session), 4);
    struct http2_stream *stream = open_one(rig);
    assert_int_equal(http2_session_room(rig->session), 3);
    say_settings(rig, 1);
    talk(rig);
    assert_int_equal(http2_session_room(rig->session), 0);
    say_settings(rig, 100);
    talk(rig);
    assert_int_equal(http2_session_room(rig->session), MAX_STREAMS - 1);
    assert_int_equal(read_all(stream, 1000), ERR_AGAIN);
}

static void a_request_over_the_bound_waits_and_is_refused_with_the_connection(void **state)
{
    struct rig *rig = *state;
    say_settings(rig, 1);
    talk(rig);
    (void)open_one(rig);
    struct http2_stream *waiting = open_one(rig);
    assert_string_equal(request_of(rig, 3)->fields, "");
    stream_want(&waiting->stream, true, false);
    assert_int_equal(
        nghttp2_submit_goaway(rig->proxy, NGHTTP2_FLAG_NONE, 1, NGHTTP2_NO_ERROR, NULL, 0), 0);
    assert_int_equal(nghttp2_submit_rst_stream(rig->proxy, NGHTTP2_FLAG_NONE, 1, NGHTTP2_CANCEL),
                     0);
    talk(rig);
    assert_int_equal(read_all(waiting, 1000), ERR_SYSTEM);
    assert_int_equal(waiting->loss, HTTP2_LOSS_REFUSED);
}

static void a_lost_connection_resets_all_its_tunnels(void **state)
{
    struct rig *rig = *state;
    struct http2_stream *answered = open_one(rig);
    answer(rig, 1, ":status: 200\n", "a", false);
    struct http2_stream *asked = open_one(rig);
    stream_want(&answered->stream, true, false);
    stream_want(&asked->stream, true, false);
    const size_t before = rig->ready_count;
    rig->below->has_end = true;
    talk(rig);
    assert_int_equal(rig->ready_count - before, 2);
    assert_int_equal(read_all(answered, 1000), ERR_SYSTEM);
    assert_int_equal(read_all(asked, 1000), ERR_SYSTEM);
    assert_int_not_equal(asked->loss, HTTP2_LOSS_REFUSED);
    assert_int_equal(http2_session_room(rig->session), 0);
}

// assert_lost reads as one does that was woken.
static void assert_lost(struct http2_stream *stream)
{
    char byte;
    size_t len = 0;
    assert_true(stream->is_reset);
    assert_int_equal(stream_read(&stream->stream, &byte, 1, &len), ERR_SYSTEM);
}

static void a_connection_that_takes_no_more_resets_all_its_tunnels(void **state)
{
    struct rig *rig = *state;
    struct http2_stream *answered = open_one(rig);
    answer(rig, 1, ":status: 200\n", "", false);
    struct http2_stream *asked = open_one(rig);
    size_t len = 0;
    rig->below->write_failure = ERR_SYSTEM;
    assert_int_equal(stream_write(&answered->stream, SLICE_LITERAL("a"), &len), ERR_OK);
    assert_int_equal(http2_session_step(rig->session, 1000), HTTP2_BROKEN);
    assert_lost(answered);
    assert_lost(asked);
}

static void a_silent_connection_that_is_given_up_resets_all_its_tunnels(void **state)
{
    struct rig *rig = *state;
    struct http2_stream *stream = open_one(rig);
    answer(rig, 1, ":status: 200\n", "", false);
    http2_session_end_silence(rig->session);
    assert_int_equal(http2_session_step(rig->session, 1000), HTTP2_WAITS);
    http2_session_end_silence(rig->session);
    assert_int_equal(http2_session_step(rig->session, 1000), HTTP2_BROKEN);
    assert_lost(stream);
}

static void a_proxy_that_breaks_the_protocol_loses_all_its_tunnels(void **state)
{
    struct rig *rig = *state;
    static const uint8_t data_of_no_stream[] = {0, 0, 1, 0, 0, 0, 0, 0, 0, 'x'};
    struct http2_stream *answered = open_one(rig);
    answer(rig, 1, ":status: 200\n", "", false);
    struct http2_stream *asked = open_one(rig);
    fake_stream_feed(rig->below, slice_of(data_of_no_stream, sizeof data_of_no_stream));
    assert_int_equal(http2_session_step(rig->session, 1000), HTTP2_WRONG);
    assert_lost(answered);
    assert_lost(asked);
}

static void a_window_grows_while_its_reader_keeps_up(void **state)
{
    struct rig *rig = *state;
    static char much[200 * 1024];
    struct http2_stream *stream = open_one(rig);
    memset(much, 'x', sizeof much - 1);
    answer(rig, 1, ":status: 200\n", "", false);
    struct request *request = request_of(rig, 1);
    request->download = much;
    request->download_len = sizeof much - 1;
    (void)nghttp2_session_resume_data(rig->proxy, 1);
    talk(rig);
    assert_int_equal(sizeof much - 1 - request->download_len, HTTP2_FIRST_WINDOW);
    size_t most = 0;
    while (request->download_len > 0) {
        const size_t before = request->download_len;
        assert_int_equal(read_all(stream, 4096), ERR_AGAIN);
        talk(rig);
        most = before - request->download_len > most ? before - request->download_len : most;
    }
    assert_in_range(most, 2 * HTTP2_FIRST_WINDOW, 64 * 1024);
}

static void a_flood_of_the_proxy_ends_the_connection(void **state)
{
    struct rig *rig = *state;
    static const uint8_t ping[8];
    struct http2_stream *stream = open_one(rig);
    for (size_t i = 0; i < 5000 && rig->status != HTTP2_WRONG; i++) {
        assert_int_equal(nghttp2_submit_ping(rig->proxy, NGHTTP2_FLAG_NONE, ping), 0);
        talk(rig);
    }
    assert_int_equal(rig->status, HTTP2_WRONG);
    assert_int_equal(read_all(stream, 1000), ERR_SYSTEM);
    assert_int_equal(http2_session_room(rig->session), 0);
}

static void answers_to_what_was_asked_are_no_flood(void **state)
{
    struct rig *rig = *state;
    for (int32_t id = 1; id < 2 * 3000; id += 2) {
        struct http2_stream *stream = open_one(rig);
        *request_of(rig, id) = (struct request){0};
        answer(rig, id, ":status: 200\n", "", true);
        assert_int_equal(read_all(stream, 1000), ERR_EOF);
        assert_int_equal(stream_finish(&stream->stream), ERR_OK);
        stream_close(&stream->stream, false);
        http2_stream_destroy(stream);
        rig->stream_count--;
    }
}

static void interim_answers_without_end_are_a_flood(void **state)
{
    struct rig *rig = *state;
    uint8_t name[] = ":status";
    uint8_t value[] = "103";
    const nghttp2_nv status = {name, value, sizeof name - 1, sizeof value - 1,
                               NGHTTP2_NV_FLAG_NONE};
    (void)open_one(rig);
    for (size_t i = 0; i < 5000 && rig->status != HTTP2_WRONG; i++) {
        assert_int_equal(
            nghttp2_submit_headers(rig->proxy, NGHTTP2_FLAG_NONE, 1, NULL, &status, 1, NULL), 0);
        talk(rig);
    }
    assert_int_equal(rig->status, HTTP2_WRONG);
}

#define test(name) cmocka_unit_test_setup_teardown(name, make_rig, drop_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(a_tunnel_carries_bytes_both_ways_and_both_ends),
        test(fields_of_the_local_connection_stay_there),
        test(only_the_head_of_a_connect_is_taken),
        cmocka_unit_test(a_refusal_reads_as_http_1_with_its_first_line_as_the_reason),
        test(a_refusal_is_not_read_before_its_reason_is_known),
        test(what_a_tunnel_answers_about_lengths_is_dropped),
        cmocka_unit_test(a_malformed_answer_breaks_its_stream_alone),
        test(trailer_fields_in_a_tunnel_break_it),
        test(interim_answers_are_read_past),
        cmocka_unit_test(a_reset_of_the_proxy_is_a_reset_and_says_whether_anything_was_done),
        cmocka_unit_test(a_tunnel_that_is_left_is_cancelled),
        test(a_whole_answer_is_read_although_the_proxy_wants_no_more),
        test(one_that_waits_for_a_window_learns_that_the_proxy_wants_no_more),
        test(after_a_goaway_only_what_was_taken_goes_on),
        test(the_proxys_bound_of_streams_is_kept_as_it_changes),
        test(a_request_over_the_bound_waits_and_is_refused_with_the_connection),
        test(a_lost_connection_resets_all_its_tunnels),
        test(a_connection_that_takes_no_more_resets_all_its_tunnels),
        test(a_silent_connection_that_is_given_up_resets_all_its_tunnels),
        test(a_proxy_that_breaks_the_protocol_loses_all_its_tunnels),
        test(a_window_grows_while_its_reader_keeps_up),
        test(a_flood_of_the_proxy_ends_the_connection),
        test(answers_to_what_was_asked_are_no_flood),
        test(interim_answers_without_end_are_a_flood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
