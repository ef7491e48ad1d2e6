// An HTTP/2 connection against nghttp2 as the client: what the requests read, what the client gets, and every way to end.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <nghttp2/nghttp2.h>

#include "proxy/http2/http2_session.h"
#include "proxy/http2/http2_stream.h"
#include "tests/unit/proxy/fake_stream.h"

enum { MAX_STREAMS = 8, TEXT_CAP = 128 * 1024 };

// What the client knows of a stream.
struct answer {
    char fields[1024]; // `name: value` lines of all heads and trailers
    char content[2 * TEXT_CAP];
    size_t content_len;
    bool has_end;
    bool is_closed;
    uint32_t code;
    // What it sends.
    const char *upload;
    size_t upload_len;
    bool ends; // after the upload
};

struct rig {
    struct fake_stream *below;
    struct buffer_pool pool;
    struct http2_session *session;
    nghttp2_session *client;
    struct answer answers[MAX_STREAMS * 2];
    struct http2_stream *requests[MAX_STREAMS];
    size_t request_count;
    size_t ready_count;
    bool refuses;
    size_t out_taken;
    enum http2_status status;
};

static struct answer *answer_of(struct rig *rig, int32_t id)
{
    assert_in_range(id, 1, INT32_MAX);
    return &rig->answers[(id - 1) % (MAX_STREAMS * 2)];
}

// ---- the client ---------------------------------------------------------------------------------

static int client_on_header(nghttp2_session *client, const nghttp2_frame *frame,
                            const uint8_t *name, size_t name_len, const uint8_t *value,
                            size_t value_len, uint8_t flags, void *arg)
{
    struct answer *answer = answer_of(arg, frame->hd.stream_id);
    const size_t len = strlen(answer->fields);
    (void)client, (void)flags;
    (void)snprintf(answer->fields + len, sizeof answer->fields - len, "%.*s: %.*s\n", (int)name_len,
                   (const char *)name, (int)value_len, (const char *)value);
    return 0;
}

static int client_on_content(nghttp2_session *client, uint8_t flags, int32_t id,
                             const uint8_t *bytes, size_t len, void *arg)
{
    struct answer *answer = answer_of(arg, id);
    (void)client, (void)flags;
    assert_true(bytes_copy(answer->content + answer->content_len,
                           sizeof answer->content - answer->content_len, slice_of(bytes, len)));
    answer->content_len += len;
    return 0;
}

static int client_on_frame(nghttp2_session *client, const nghttp2_frame *frame, void *arg)
{
    (void)client;
    const bool may_end = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (may_end && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
        answer_of(arg, frame->hd.stream_id)->has_end = true;
    return 0;
}

static int client_on_close(nghttp2_session *client, int32_t id, uint32_t code, void *arg)
{
    (void)client;
    if (id > MAX_STREAMS * 2)
        return 0;
    answer_of(arg, id)->is_closed = true;
    answer_of(arg, id)->code = code;
    return 0;
}

static ssize_t client_give(nghttp2_session *client, int32_t id, uint8_t *out, size_t cap,
                           uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct answer *answer = answer_of(arg, id);
    const size_t len = answer->upload_len < cap ? answer->upload_len : cap;
    (void)client, (void)source;
    if (len == 0 && !answer->ends)
        return NGHTTP2_ERR_DEFERRED;
    assert_true(bytes_copy(out, cap, slice_of(answer->upload, len)));
    answer->upload += len;
    answer->upload_len -= len;
    if (answer->ends && answer->upload_len == 0)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)len;
}

static nghttp2_session *make_client(struct rig *rig)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *options = NULL;
    nghttp2_session *client = NULL;
    assert_int_equal(nghttp2_session_callbacks_new(&callbacks), 0);
    assert_int_equal(nghttp2_option_new(&options), 0);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, client_on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, client_on_content);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, client_on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, client_on_close);
    nghttp2_option_set_no_http_messaging(options, 1);
    assert_int_equal(nghttp2_session_client_new2(&client, callbacks, rig, options), 0);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(options);
    return client;
}

// ask sends a request with these fields: `name: value` lines. `ends`: nothing follows.
static int32_t ask(struct rig *rig, const char *fields, bool ends)
{
    nghttp2_nv list[16];
    size_t count = 0;
    struct slice rest = slice_of_string(fields);
    const nghttp2_data_provider content = {.read_callback = client_give};
    while (rest.len > 0) {
        const struct slice line = slice_first(rest, slice_find(rest, '\n'));
        const size_t colon = 1 + slice_find(slice_from(line, 1), ':');
        assert_in_range(count, 0, 15);
        list[count++] = (nghttp2_nv){(uint8_t *)(uintptr_t)line.data,
                                     (uint8_t *)(uintptr_t)line.data + colon + 2, colon,
                                     line.len - colon - 2, NGHTTP2_NV_FLAG_NONE};
        rest = slice_from(rest, line.len + 1);
    }
    const int32_t id =
        nghttp2_submit_request(rig->client, NULL, list, count, ends ? NULL : &content, NULL);
    assert_true(id > 0);
    return id;
}

static void upload(struct rig *rig, int32_t id, const char *bytes, size_t len, bool ends)
{
    struct answer *answer = answer_of(rig, id);
    answer->upload = bytes;
    answer->upload_len = len;
    answer->ends = ends;
    (void)nghttp2_session_resume_data(rig->client, id);
}

// ---- the proxy's side ---------------------------------------------------------------------------

static void on_ready(void *owner)
{
    struct rig *rig = owner;
    rig->ready_count++;
}

static bool on_request(void *owner, struct http2_stream *stream, bool is_too_many)
{
    struct rig *rig = owner;
    if (rig->refuses || is_too_many)
        return false;
    assert_in_range(rig->request_count, 0, MAX_STREAMS - 1);
    rig->requests[rig->request_count++] = stream;
    stream->stream.on_ready = on_ready;
    stream->stream.owner = rig;
    return true;
}

static const struct http2_events events = {.ops = &http2_stream_ops, .on_request = on_request};

// exchange_bytes lets both sides talk until neither has anything to say.
static void talk(struct rig *rig)
{
    for (bool is_busy = true; is_busy;) {
        const uint8_t *bytes = NULL;
        ssize_t len = 0;
        is_busy = false;
        while ((len = nghttp2_session_mem_send(rig->client, &bytes)) > 0) {
            fake_stream_feed(rig->below, slice_of(bytes, (size_t)len));
            is_busy = true;
        }
        rig->status = http2_session_step(rig->session, 1000);
        const struct slice out = slice_from(fake_stream_written(rig->below), rig->out_taken);
        if (out.len > 0) {
            is_busy = true;
            rig->out_taken += out.len;
            assert_int_equal(nghttp2_session_mem_recv(rig->client, out.data, out.len), out.len);
        }
    }
}

// begin_rig makes both ends; they have not talked yet.
static struct rig *begin_rig(void)
{
    static const struct http2_options options = {
        .streams = MAX_STREAMS, .window = 64 * 1024, .memory = 1024 * 1024};
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    rig->below = fake_stream_create();
    rig->session = http2_session_create(&options, &rig->below->stream, &rig->pool, &events, rig);
    assert_non_null(rig->session);
    rig->client = make_client(rig);
    assert_int_equal(nghttp2_submit_settings(rig->client, NGHTTP2_FLAG_NONE, NULL, 0), 0);
    return rig;
}

static int make_rig(void **state)
{
    struct rig *rig = begin_rig();
    talk(rig);
    *state = rig;
    return 0;
}

static int drop_rig(void **state)
{
    struct rig *rig = *state;
    for (size_t i = 0; i < rig->request_count; i++)
        http2_stream_destroy(rig->requests[i]);
    http2_session_destroy(rig->session);
    nghttp2_session_del(rig->client);
    buffer_pool_deinit(&rig->pool);
    fake_stream_destroy(rig->below);
    free(rig);
    return 0;
}

// read_all reads what there is, `cap` bytes at a time.
static enum err read_all(struct http2_stream *stream, char out[TEXT_CAP], size_t cap)
{
    size_t at = 0;
    for (;;) {
        size_t len = 0;
        assert_in_range(at + cap, 0, TEXT_CAP - 1);
        const enum err error = stream_read(&stream->stream, out + at, cap, &len);
        if (error != ERR_OK) {
            out[at] = '\0';
            return error;
        }
        at += len;
    }
}

static void write_all(struct rig *rig, struct http2_stream *stream, const char *text)
{
    struct slice rest = slice_of_string(text);
    while (rest.len > 0) {
        size_t len = 0;
        assert_int_equal(stream_write(&stream->stream, rest, &len), ERR_OK);
        rest = slice_from(rest, len);
    }
    talk(rig);
}

static struct http2_stream *only_request(struct rig *rig)
{
    talk(rig);
    assert_int_equal(rig->request_count, 1);
    assert_null(rig->requests[0]->upload.misfit);
    return rig->requests[0];
}

#define CONNECT         ":method: CONNECT\n:authority: a.example:443\n"
#define REQUEST(method) ":method: " method "\n:scheme: http\n:authority: a.example\n:path: /\n"
#define OK_200          "HTTP/1.1 200 Connection established\r\nX-Request-Id: 7\r\n\r\n"

static char text[TEXT_CAP];

static void a_tunnel_carries_bytes_both_ways_and_both_ends(void **state)
{
    struct rig *rig = *state;
    const int32_t id = ask(rig, CONNECT, false);
    struct http2_stream *stream = only_request(rig);
    assert_int_equal(read_all(stream, text, 64), ERR_AGAIN);
    assert_string_equal(text, "CONNECT a.example:443 HTTP/1.1\r\nhost: a.example:443\r\n\r\n");
    write_all(rig, stream, OK_200 "hello");
    const struct answer *answer = answer_of(rig, id);
    assert_string_equal(answer->fields, ":status: 200\nx-request-id: 7\n");
    assert_memory_equal(answer->content, "hello", 5);
    upload(rig, id, "up", 2, true);
    talk(rig);
    assert_int_equal(read_all(stream, text, 64), ERR_EOF);
    assert_string_equal(text, "up");
    assert_false(answer->has_end);
    write_all(rig, stream, " and on");
    assert_int_equal(stream_finish(&stream->stream), ERR_OK);
    talk(rig);
    assert_int_equal(answer->content_len, strlen("hello and on"));
    assert_true(answer->has_end && answer->is_closed);
    assert_int_equal(answer->code, NGHTTP2_NO_ERROR);
}

static void what_is_answered_in_http_1_comes_out_in_http_2(void **state)
{
    static const struct {
        const char *method;
        const char *written;
        const char *fields;
        const char *content;
    } rows[] = {
        {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
         ":status: 200\ncontent-length: 3\n", "abc"},
        {"GET", "HTTP/1.1 204 No Content\r\nA: b\r\n\r\n", ":status: 204\na: b\n", ""},
        {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n",
         ":status: 200\ncontent-length: 3\n", ""},
        {"GET",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n",
         ":status: 200\n", "abcde"},
        {"GET",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Sum: 9\r\n\r\n",
         ":status: 200\nx-sum: 9\n", "a"},
        {"GET",
         "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
         ":status: 103\nlink: x\n:status: 200\ncontent-length: 0\n", ""},
        {"GET", "HTTP/1.1 403 Denied by rule x (id 1)\r\nContent-Length: 2\r\n\r\nno",
         ":status: 403\ncontent-length: 2\n", "no"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rig *rig = NULL;
        assert_int_equal(make_rig((void **)&rig), 0);
        char fields[256];
        (void)snprintf(fields, sizeof fields,
                       ":method: %s\n:scheme: http\n:authority: a.example\n:path: /\n",
                       rows[i].method);
        const int32_t id = ask(rig, fields, true);
        write_all(rig, only_request(rig), rows[i].written);
        const struct answer *answer = answer_of(rig, id);
        assert_string_equal(answer->fields, rows[i].fields);
        assert_int_equal(answer->content_len, strlen(rows[i].content));
        assert_memory_equal(answer->content, rows[i].content, answer->content_len);
        assert_true(answer->has_end && answer->is_closed);
        assert_int_equal(answer->code, NGHTTP2_NO_ERROR);
        (void)drop_rig((void **)&rig);
    }
    (void)state;
}

static void a_body_is_read_in_chunks_of_what_has_come(void **state)
{
    struct rig *rig = *state;
    const int32_t id = ask(rig, REQUEST("POST"), false);
    struct http2_stream *stream = only_request(rig);
    assert_int_equal(read_all(stream, text, 1000), ERR_AGAIN);
    assert_non_null(strstr(text, "transfer-encoding: chunked\r\n\r\n"));
    upload(rig, id, "abc", 3, false);
    talk(rig);
    assert_int_equal(read_all(stream, text, 1000), ERR_AGAIN);
    assert_string_equal(text, "3\r\nabc");
    upload(rig, id, "0123456789", 10, true);
    talk(rig);
    for (size_t cap = 1; cap < 3; cap++) {
        assert_int_equal(read_all(stream, text, cap), ERR_AGAIN);
        assert_string_equal(text, cap == 1 ? "\r\na\r\n0123456789\r\n0\r\n\r\n" : "");
    }
}

static void a_body_of_an_announced_length_is_read_as_it_is(void **state)
{
    struct rig *rig = *state;
    const int32_t id = ask(rig, REQUEST("POST") "content-length: 5\n", false);
    struct http2_stream *stream = only_request(rig);
    upload(rig, id, "abcde", 5, true);
    talk(rig);
    assert_int_equal(read_all(stream, text, 1000), ERR_AGAIN);
    assert_non_null(strstr(text, "content-length: 5\r\n\r\nabcde"));
    assert_null(strstr(text, "chunked"));
}

static void content_that_is_not_what_was_announced_breaks_its_stream(void **state)
{
    static const char *const contents[] = {"abcdef", "abcd", ""};
    for (size_t i = 0; i < sizeof contents / sizeof *contents; i++) {
        struct rig *rig = NULL;
        assert_int_equal(make_rig((void **)&rig), 0);
        const int32_t id = ask(rig, REQUEST("POST") "content-length: 5\n", false);
        struct http2_stream *stream = only_request(rig);
        upload(rig, id, contents[i], strlen(contents[i]), true);
        talk(rig);
        assert_int_equal(read_all(stream, text, 1000), ERR_SYSTEM);
        assert_true(answer_of(rig, id)->is_closed);
        assert_int_equal(answer_of(rig, id)->code, NGHTTP2_PROTOCOL_ERROR);
        (void)drop_rig((void **)&rig);
    }
    (void)state;
}

static void a_malformed_head_comes_to_the_owner_with_what_is_wrong(void **state)
{
    struct rig *rig = *state;
    const int32_t id = ask(rig, CONNECT ":path: /\n", false);
    talk(rig);
    assert_int_equal(rig->request_count, 1);
    struct http2_stream *stream = rig->requests[0];
    assert_string_equal(stream->upload.misfit, "CONNECT has :method and :authority alone");
    write_all(rig, stream, "HTTP/1.1 400 Bad request\r\nContent-Length: 1\r\n\r\n.");
    assert_int_equal(stream_finish(&stream->stream), ERR_OK);
    stream_close(&stream->stream, false);
    talk(rig);
    const struct answer *answer = answer_of(rig, id);
    assert_string_equal(answer->fields, ":status: 400\ncontent-length: 1\n");
    assert_int_equal(answer->content_len, 1);
    assert_true(answer->is_closed && !answer->has_end); // RFC 9113 8.1.1
    assert_int_equal(answer->code, NGHTTP2_PROTOCOL_ERROR);
}

static void each_end_of_ours_has_its_code(void **state)
{
    static const uint32_t codes[] = {
        [HTTP2_END_CANCEL] = NGHTTP2_CANCEL,
        [HTTP2_END_TARGET] = NGHTTP2_CONNECT_ERROR,
        [HTTP2_END_REFUSED] = NGHTTP2_REFUSED_STREAM,
    };
    struct rig *rig = *state;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        const int32_t id = ask(rig, CONNECT, false);
        talk(rig);
        struct http2_stream *stream = rig->requests[i];
        write_all(rig, stream, OK_200);
        stream->end = (enum http2_end)i;
        stream_close(&stream->stream, true);
        talk(rig);
        assert_true(answer_of(rig, id)->is_closed && !answer_of(rig, id)->has_end);
        assert_int_equal(answer_of(rig, id)->code, codes[i]);
    }
}

static void the_target_of_a_plain_request_that_ends_too_early_is_no_error_of_a_connect(void **state)
{
    struct rig *rig = *state;
    for (size_t i = 0; i < 1000; i++) { // nor is it a flood of the client's
        const int32_t id = ask(rig, REQUEST("GET"), true);
        talk(rig);
        assert_int_equal(rig->request_count, 1);
        write_all(rig, rig->requests[0], "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
        rig->requests[0]->end = HTTP2_END_TARGET;
        stream_close(&rig->requests[0]->stream, true);
        talk(rig);
        assert_int_not_equal(rig->status, HTTP2_WRONG);
        if (i == 0) {
            assert_true(answer_of(rig, id)->is_closed && !answer_of(rig, id)->has_end);
            assert_int_equal(answer_of(rig, id)->code, NGHTTP2_INTERNAL_ERROR);
        }
        http2_stream_destroy(rig->requests[0]);
        rig->request_count = 0;
    }
}

static void a_reset_of_the_client_is_read_as_one(void **state)
{
    struct rig *rig = *state;
    const int32_t id = ask(rig, CONNECT, false);
    struct http2_stream *stream = only_request(rig);
    write_all(rig, stream, OK_200);
    stream_want(&stream->stream, true, false);
    assert_int_equal(read_all(stream, text, 1000), ERR_AGAIN);
    const size_t told = rig->ready_count;
    assert_int_equal(nghttp2_submit_rst_stream(rig->client, 0, id, NGHTTP2_CANCEL), 0);
    talk(rig);
    assert_true(rig->ready_count > told);
    assert_int_equal(read_all(stream, text, 1000), ERR_SYSTEM);
    size_t len = 0;
    assert_int_equal(stream_write(&stream->stream, SLICE_LITERAL("x"), &len), ERR_SYSTEM);
    assert_int_equal(stream_finish(&stream->stream), ERR_SYSTEM);
}

static void a_stream_that_nobody_reads_stops_no_other(void **state)
{
    static char large[64 * 1024];
    struct rig *rig = *state;
    memset(large, 'x', sizeof large);
    const int32_t stopped = ask(rig, CONNECT, false);
    const int32_t moving = ask(rig, CONNECT, false);
    talk(rig);
    upload(rig, stopped, large, sizeof large, false);
    talk(rig);
    assert_int_equal(answer_of(rig, stopped)->upload_len, sizeof large - 16 * 1024);
    upload(rig, moving, large, sizeof large, true);
    for (size_t i = 0; i < 16 && answer_of(rig, moving)->upload_len > 0; i++) {
        (void)read_all(rig->requests[1], text, 4096);
        talk(rig);
    }
    assert_int_equal(answer_of(rig, moving)->upload_len, 0);
    assert_int_equal(answer_of(rig, stopped)->upload_len, sizeof large - 16 * 1024);
}

static void a_full_window_is_no_room_until_the_client_gives_more(void **state)
{
    static char large[128 * 1024];
    struct rig *rig = *state;
    memset(large, 'x', sizeof large);
    (void)ask(rig, CONNECT, false);
    struct http2_stream *stream = only_request(rig);
    write_all(rig, stream, OK_200);
    size_t sent = 0;
    enum err error = ERR_OK;
    while (error == ERR_OK) {
        size_t len = 0;
        error = stream_write(&stream->stream, slice_of(large, sizeof large - sent), &len);
        sent += len;
    }
    assert_int_equal(error, ERR_AGAIN);
    assert_int_equal(sent, 65535); // RFC 9113 6.9.2
    stream_want(&stream->stream, false, true);
    const size_t told = rig->ready_count;
    talk(rig); // the client gives new windows
    assert_true(rig->ready_count > told);
    size_t len = 0;
    assert_int_equal(stream_write(&stream->stream, slice_of(large, 100), &len), ERR_OK);
    assert_int_equal(len, 100);
}

static void a_request_that_is_not_taken_is_refused(void **state)
{
    struct rig *rig = *state;
    rig->refuses = true;
    const int32_t id = ask(rig, CONNECT, false);
    talk(rig);
    assert_true(answer_of(rig, id)->is_closed);
    assert_int_equal(answer_of(rig, id)->code, NGHTTP2_REFUSED_STREAM);
}

static void the_end_of_the_client_resets_what_was_open(void **state)
{
    struct rig *rig = *state;
    (void)ask(rig, CONNECT, false);
    struct http2_stream *stream = only_request(rig);
    rig->below->has_end = true;
    (void)http2_session_step(rig->session, 1000);
    assert_int_equal(read_all(stream, text, 1000), ERR_SYSTEM);
    http2_stream_destroy(stream);
    rig->request_count = 0;
    assert_int_equal(http2_session_step(rig->session, 1000), HTTP2_FINISHED);
}

static void what_is_no_http_2_is_wrong(void **state)
{
    struct rig *rig = *state;
    fake_stream_feed(rig->below, SLICE_LITERAL("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"));
    const enum http2_status status = http2_session_step(rig->session, 1000);
    assert_true(status == HTTP2_WRONG || status == HTTP2_FINISHED);
}

static void a_window_grows_while_its_reader_keeps_up_and_no_further_than_allowed(void **state)
{
    static char large[512 * 1024];
    struct rig *rig = *state;
    memset(large, 'x', sizeof large);
    const int32_t id = ask(rig, CONNECT, false);
    struct http2_stream *stream = only_request(rig);
    upload(rig, id, large, sizeof large, true);
    for (size_t i = 0; i < 100 && answer_of(rig, id)->upload_len > 0; i++) {
        (void)read_all(stream, text, 4096);
        talk(rig);
        assert_in_range(stream->window, 16 * 1024, 64 * 1024);
    }
    assert_int_equal(stream->window, 64 * 1024);
    assert_int_equal(rig->session->grown, 48 * 1024);
    (void)read_all(stream, text, 4096);
    write_all(rig, stream, OK_200);
    assert_int_equal(stream_finish(&stream->stream), ERR_OK);
    talk(rig);
    assert_true(answer_of(rig, id)->is_closed);
    assert_int_equal(rig->session->grown, 0);
}

static void what_is_sent_before_our_settings_are_known_stops_nothing(void **state)
{
    static char large[512 * 1024];
    struct rig *rig = begin_rig();
    const uint8_t *bytes = NULL;
    ssize_t len = 0;
    memset(large, 'x', sizeof large);
    const int32_t id = ask(rig, CONNECT, false);
    upload(rig, id, large, sizeof large, true);
    while ((len = nghttp2_session_mem_send(rig->client, &bytes)) > 0)
        fake_stream_feed(rig->below, slice_of(bytes, (size_t)len));
    for (size_t i = 0; i < 8 && http2_session_step(rig->session, 1000) == HTTP2_MORE; i++) {
    }
    assert_int_equal(rig->request_count, 1);
    (void)read_all(rig->requests[0], text, 4096);
    for (size_t i = 0; i < 200 && answer_of(rig, id)->upload_len > 0; i++) {
        talk(rig);
        (void)read_all(rig->requests[0], text, 4096);
    }
    assert_int_equal(answer_of(rig, id)->upload_len, 0);
    *state = rig;
    (void)drop_rig(state);
}

static void a_flood_ends_the_connection(void **state)
{
    struct rig *rig = *state;
    static const uint8_t payload[8];
    (void)ask(rig, CONNECT, false);
    struct http2_stream *stream = only_request(rig);
    assert_int_equal(read_all(stream, text, 1000), ERR_AGAIN);
    stream_want(&stream->stream, true, false);
    const size_t told = rig->ready_count;
    for (size_t i = 0; i < 3000 && rig->status != HTTP2_WRONG; i++) {
        assert_int_equal(nghttp2_submit_ping(rig->client, 0, payload), 0);
        talk(rig);
    }
    assert_int_equal(rig->status, HTTP2_WRONG);
    assert_int_equal(rig->session->fault, HTTP2_FAULT_FLOOD);
    assert_string_equal(rig->session->why, "too many frames that carry nothing");
    assert_int_equal(rig->ready_count, told); // its owner is to end it, and to say why
}

static void resets_before_the_answer_end_the_connection(void **state)
{
    struct rig *rig = *state;
    rig->refuses = true; // each is reset by us
    int32_t count = 0;
    for (; count < 600 && rig->status != HTTP2_WRONG; count++) {
        (void)nghttp2_submit_request(rig->client, NULL, NULL, 0, NULL, NULL);
        talk(rig);
    }
    assert_int_equal(rig->status, HTTP2_WRONG);
    assert_int_equal(rig->session->fault, HTTP2_FAULT_FLOOD);
    assert_in_range(count, 200, 502);
}

static void a_reset_without_an_error_before_the_answer_counts_like_others(void **state)
{
    struct rig *rig = *state;
    size_t count = 0;
    for (; count < 2000 && rig->status != HTTP2_WRONG; count++) {
        const int32_t id = ask(rig, CONNECT, false);
        talk(rig);
        assert_int_equal(nghttp2_submit_rst_stream(rig->client, 0, id, NGHTTP2_NO_ERROR), 0);
        talk(rig);
        http2_stream_destroy(rig->requests[0]);
        rig->request_count = 0;
    }
    assert_int_equal(rig->status, HTTP2_WRONG);
    assert_int_equal(rig->session->fault, HTTP2_FAULT_FLOOD);
    assert_in_range(count, 200, 502);
}

static void resets_of_answered_tunnels_may_be_many(void **state)
{
    struct rig *rig = *state;
    for (size_t i = 0; i < 3000; i++) {
        const int32_t id = ask(rig, CONNECT, false);
        talk(rig);
        assert_int_equal(rig->request_count, 1);
        write_all(rig, rig->requests[0], OK_200);
        assert_int_equal(nghttp2_submit_rst_stream(rig->client, 0, id, NGHTTP2_CANCEL), 0);
        talk(rig);
        assert_int_not_equal(rig->status, HTTP2_WRONG);
        http2_stream_destroy(rig->requests[0]);
        rig->request_count = 0;
    }
}

// widen gives this stream and the connection all the window that there may be.
static void widen(struct rig *rig, int32_t id)
{
    enum { WIDE = 8 * 1024 * 1024 };
    assert_int_equal(nghttp2_session_set_local_window_size(rig->client, 0, 0, WIDE), 0);
    assert_int_equal(nghttp2_session_set_local_window_size(rig->client, 0, id, WIDE), 0);
    talk(rig);
}

static void what_is_written_at_once_may_be_more_than_there_is_room_for(void **state)
{
    static char large[127 * 1024];
    struct rig *rig = *state;
    const int32_t id = ask(rig, CONNECT, false);
    struct http2_stream *stream = only_request(rig);
    write_all(rig, stream, OK_200);
    widen(rig, id);
    static const size_t before[] = {952, 1000, 1100, 5000, 17000, 17400};
    for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
        size_t first = 0;
        size_t second = 0;
        answer_of(rig, id)->content_len = 0;
        assert_int_equal(stream_write(&stream->stream, slice_of(large, before[i]), &first), ERR_OK);
        assert_int_equal(stream_write(&stream->stream, slice_of(large, sizeof large), &second),
                         ERR_OK);
        assert_int_equal(first, before[i]);
        talk(rig);
        assert_int_equal(answer_of(rig, id)->content_len, first + second);
    }
}

static void a_client_that_reads_nothing_is_waited_for(void **state)
{
    static char large[127 * 1024];
    struct rig *rig = *state;
    const int32_t id = ask(rig, CONNECT, false);
    struct http2_stream *stream = only_request(rig);
    write_all(rig, stream, OK_200);
    widen(rig, id);
    rig->below->room = 0;
    enum err error = ERR_OK;
    while (error == ERR_OK) {
        size_t len = 0;
        error = stream_write(&stream->stream, slice_of(large, sizeof large), &len);
    }
    assert_int_equal(error, ERR_AGAIN);
    stream_want(&stream->stream, false, true);
    assert_int_equal(nghttp2_submit_ping(rig->client, 0, NULL), 0);
    talk(rig);
    assert_int_equal(rig->status, HTTP2_WAITS);
    http2_session_update_interest(rig->session);
    assert_true(rig->below->wants_write && !rig->below->wants_read);
    rig->below->room = SIZE_MAX;
    const size_t told = rig->ready_count;
    talk(rig);
    talk(rig);
    assert_true(rig->ready_count > told);
}

static void an_answer_that_was_left_without_its_end_is_reset(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(nghttp2_submit_settings(
                         rig->client, NGHTTP2_FLAG_NONE,
                         &(nghttp2_settings_entry){NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0}, 1),
                     0);
    const int32_t id = ask(rig, REQUEST("GET"), true);
    struct http2_stream *stream = only_request(rig);
    size_t len = 0;
    assert_int_equal(stream_write(&stream->stream, SLICE_LITERAL("HTTP/1.1 200 OK\r\n\r\n"), &len),
                     ERR_OK);
    assert_int_equal(stream_write(&stream->stream, SLICE_LITERAL("x"), &len), ERR_AGAIN);
    stream_close(&stream->stream, false);
    http2_stream_destroy(stream);
    rig->request_count = 0;
    assert_int_equal(nghttp2_submit_window_update(rig->client, NGHTTP2_FLAG_NONE, id, 100), 0);
    talk(rig);
    assert_true(answer_of(rig, id)->is_closed && !answer_of(rig, id)->has_end);
    assert_int_equal(answer_of(rig, id)->code, NGHTTP2_CANCEL);
}

// pour writes as much as there is room for, and is ready to write on.
static void pour(void *owner)
{
    static const char large[127 * 1024];
    struct http2_stream *stream = owner;
    enum err error = ERR_OK;
    while (error == ERR_OK) {
        size_t len = 0;
        error = stream_write(&stream->stream, slice_of(large, sizeof large), &len);
    }
    assert_int_equal(error, ERR_AGAIN);
    stream_want(&stream->stream, false, true);
}

static void streams_that_share_a_small_window_take_turns(void **state)
{
    enum { COUNT = 3, ROUNDS = 9 };
    static const uint8_t some[] = {0, 0, 4, 8, 0, 0,  0,
                                   0, 0, 0, 0, 0, 100}; // of the connection's window
    struct rig *rig = *state;
    assert_int_equal(nghttp2_submit_settings(
                         rig->client, NGHTTP2_FLAG_NONE,
                         &(nghttp2_settings_entry){NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20},
                         1),
                     0);
    for (size_t i = 0; i < COUNT; i++) {
        (void)ask(rig, CONNECT, false);
        talk(rig);
        write_all(rig, rig->requests[i], OK_200);
        rig->requests[i]->stream.on_ready = pour;
        rig->requests[i]->stream.owner = rig->requests[i];
    }
    for (size_t i = 0; i < COUNT; i++)
        pour(rig->requests[i]);
    (void)http2_session_step(rig->session, 1000);
    for (size_t i = 0; i < ROUNDS; i++) {
        const size_t before = fake_stream_written(rig->below).len;
        fake_stream_feed(rig->below, slice_of(some, sizeof some));
        (void)http2_session_step(rig->session, 1000);
        const struct slice frame = slice_from(fake_stream_written(rig->below), before);
        assert_int_equal(frame.len, 9 + 100);
        assert_int_equal(frame.data[8], 1 + 2 * (i % COUNT)); // the stream's id
    }
}

static void a_connection_that_ends_within_a_head_leaves_nothing(void **state)
{
    static const uint8_t begun[] = {0, 0, 5, 1, 0, 0, 0, 0, 1, 0x20, 0x82};
    struct rig *rig = *state;
    fake_stream_feed(rig->below, slice_of(begun, sizeof begun));
    rig->below->has_end = true;
    (void)http2_session_step(rig->session, 1000);
    assert_int_equal(rig->request_count, 1);
    assert_int_equal(read_all(rig->requests[0], text, 1000), ERR_SYSTEM);
    http2_stream_destroy(rig->requests[--rig->request_count]);
    for (size_t i = 0; i < 4; i++)
        rig->status = http2_session_step(rig->session, 1000);
    assert_int_equal(rig->status, HTTP2_FINISHED);
}

// ---- frames by hand -----------------------------------------------------------------------------

// feed_frame feeds a frame. The payload is the first `len` bytes of `payload`.
static void feed_frame(struct rig *rig, uint8_t type, uint8_t flags, uint32_t id,
                       const void *payload, size_t len)
{
    const uint8_t header[] = {
        (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len,       type,       flags,
        (uint8_t)(id >> 24),  (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id};
    fake_stream_feed(rig->below, slice_of(header, sizeof header));
    fake_stream_feed(rig->below, slice_of(payload, len));
}

static enum http2_status step(struct rig *rig)
{
    rig->status = http2_session_step(rig->session, 1000);
    return rig->status;
}

// sent_frame finds the last frame of this type in what was sent. NULL: there is none.
static const uint8_t *sent_frame(const struct rig *rig, uint8_t type)
{
    struct slice rest = fake_stream_written(rig->below);
    const uint8_t *found = NULL;
    while (rest.len >= 9) {
        const size_t len =
            9 + ((size_t)rest.data[0] << 16 | (size_t)rest.data[1] << 8 | rest.data[2]);
        assert_in_range(len, 9, rest.len);
        if (rest.data[3] == type)
            found = rest.data;
        rest = slice_from(rest, len);
    }
    return found;
}

// assert_goaway: the client was told so, and the session ends.
static void assert_goaway(struct rig *rig, uint8_t code, enum http2_fault fault)
{
    const uint8_t *goaway = sent_frame(rig, NGHTTP2_GOAWAY);
    assert_int_equal(rig->status, HTTP2_WRONG);
    assert_int_equal(rig->session->fault, fault);
    assert_non_null(goaway);
    assert_int_equal(goaway[9 + 7], code);
}

// CONNECT a.example:443 without tables.
static const uint8_t connect_block[] = "\x02\x07"
                                       "CONNECT"
                                       "\x01\x0d"
                                       "a.example:443";
enum { CONNECT_BLOCK_LEN = sizeof connect_block - 1, END_HEADERS = NGHTTP2_FLAG_END_HEADERS };

static void a_head_that_never_ends_belongs_to_its_owner(void **state)
{
    struct rig *rig = *state;
    feed_frame(rig, NGHTTP2_HEADERS, 0, 1, connect_block, CONNECT_BLOCK_LEN);
    assert_int_equal(step(rig), HTTP2_WAITS);
    assert_int_equal(rig->request_count, 1);
    assert_int_equal(read_all(rig->requests[0], text, 1000), ERR_AGAIN);
    feed_frame(rig, NGHTTP2_PING, 0, 0, "01234567", 8); // RFC 9113 6.10
    (void)step(rig);
    assert_goaway(rig, NGHTTP2_PROTOCOL_ERROR, HTTP2_FAULT_PROTOCOL);
}

static void a_head_that_cannot_be_unpacked_ends_the_connection(void **state)
{
    struct rig *rig = *state;
    feed_frame(rig, NGHTTP2_HEADERS, END_HEADERS, 1, "\xff\xff\xff\xff\xff\xff", 6);
    (void)step(rig);
    assert_goaway(rig, NGHTTP2_COMPRESSION_ERROR, HTTP2_FAULT_PROTOCOL);
}

static void a_stream_too_many_is_refused_and_the_others_go_on(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(
        nghttp2_session_get_remote_settings(rig->client, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS),
        MAX_STREAMS);
    for (uint32_t i = 0; i <= MAX_STREAMS; i++)
        feed_frame(rig, NGHTTP2_HEADERS, END_HEADERS, 1 + 2 * i, connect_block, CONNECT_BLOCK_LEN);
    assert_in_range(step(rig), HTTP2_WAITS, HTTP2_MORE);
    assert_int_equal(rig->request_count, MAX_STREAMS);
    const uint8_t *reset = sent_frame(rig, NGHTTP2_RST_STREAM);
    assert_non_null(reset);
    assert_int_equal(reset[8], 1 + 2 * MAX_STREAMS);
    assert_int_equal(reset[9 + 3], NGHTTP2_REFUSED_STREAM);
    assert_int_equal(read_all(rig->requests[0], text, 1000), ERR_AGAIN);
    assert_non_null(strstr(text, "CONNECT a.example:443"));
}

static void a_header_list_that_is_too_large_is_no_request(void **state)
{
    static uint8_t block[16 * 1024];
    struct rig *rig = *state;
    size_t len = CONNECT_BLOCK_LEN;
    assert_true(bytes_copy(block, sizeof block, slice_of(connect_block, CONNECT_BLOCK_LEN)));
    for (; len + 2 < sizeof block; len += 1)
        block[len] = 0x80 | 19; // `accept` of the static table
    feed_frame(rig, NGHTTP2_HEADERS, END_HEADERS, 1, block, len);
    assert_in_range(step(rig), HTTP2_WAITS, HTTP2_MORE);
    assert_int_equal(rig->request_count, 1);
    assert_string_equal(rig->requests[0]->upload.misfit, "the header list is larger than 16 KiB");
    assert_true(rig->requests[0]->upload.is_too_large);
}

static void until_our_settings_are_taken_all_streams_have_one_window(void **state)
{
    static uint8_t large[16 * 1024];
    struct rig *rig = begin_rig();
    fake_stream_feed(rig->below, slice_of(NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN));
    feed_frame(rig, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
    for (uint32_t id = 1; id < 8; id += 2) {
        feed_frame(rig, NGHTTP2_HEADERS, END_HEADERS, id, connect_block, CONNECT_BLOCK_LEN);
        if (id < 7)
            feed_frame(rig, NGHTTP2_DATA, 0, id, large, sizeof large);
    }
    while (step(rig) == HTTP2_MORE) {
    }
    assert_int_equal(rig->status, HTTP2_WAITS);
    assert_null(sent_frame(rig, NGHTTP2_WINDOW_UPDATE));
    feed_frame(rig, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, NULL, 0);
    assert_int_equal(step(rig), HTTP2_WAITS);
    assert_non_null(sent_frame(rig, NGHTTP2_WINDOW_UPDATE));
    assert_int_equal(nghttp2_session_get_effective_local_window_size(rig->session->engine),
                     1024 * 1024);
    *state = rig;
    (void)drop_rig(state);

    rig = begin_rig(); // and what is more than one is wrong
    fake_stream_feed(rig->below, slice_of(NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN));
    feed_frame(rig, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
    for (uint32_t id = 1; id < 11; id += 2) {
        feed_frame(rig, NGHTTP2_HEADERS, END_HEADERS, id, connect_block, CONNECT_BLOCK_LEN);
        feed_frame(rig, NGHTTP2_DATA, 0, id, large, sizeof large);
    }
    while (step(rig) == HTTP2_MORE) {
    }
    assert_goaway(rig, NGHTTP2_FLOW_CONTROL_ERROR, HTTP2_FAULT_PROTOCOL);
    *state = rig;
    (void)drop_rig(state);
}

static void settings_that_are_not_taken_in_time_end_the_connection(void **state)
{
    struct rig *rig = begin_rig();
    fake_stream_feed(rig->below, slice_of(NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN));
    feed_frame(rig, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
    assert_int_equal(step(rig), HTTP2_WAITS);
    http2_session_check_settings(rig->session);
    (void)step(rig);
    assert_goaway(rig, NGHTTP2_SETTINGS_TIMEOUT, HTTP2_FAULT_SETTINGS);
    *state = rig;
    (void)drop_rig(state);
    (void)make_rig(state);
    rig = *state;
    http2_session_check_settings(rig->session);
    assert_int_equal(step(rig), HTTP2_WAITS);
    (void)drop_rig(state);
}

static size_t count_pings(const struct rig *rig)
{
    static const uint8_t ping[] = {0, 0, 8, NGHTTP2_PING, 0, 0, 0, 0, 0};
    struct slice rest = fake_stream_written(rig->below);
    size_t count = 0;
    for (; rest.len >= sizeof ping; rest = slice_from(rest, 1))
        count += slice_starts_with(rest, slice_of(ping, sizeof ping)) ? 1 : 0;
    return count;
}

static void a_client_that_says_nothing_is_asked_and_lost_unless_it_answers(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig->session->silence.heard_ms, 1000);
    http2_session_end_silence(rig->session);
    assert_true(rig->session->silence.is_asked);
    talk(rig); // the client answers
    assert_int_equal(count_pings(rig), 1);
    assert_false(rig->session->silence.is_asked);
    http2_session_end_silence(rig->session);
    assert_int_equal(step(rig), HTTP2_WAITS);
    assert_int_equal(count_pings(rig), 2);
    http2_session_end_silence(rig->session); // nothing has come
    assert_int_equal(step(rig), HTTP2_BROKEN);
    assert_int_equal(count_pings(rig), 2);
}

static void bytes_of_dead_streams_do_not_shrink_the_connection(void **state)
{
    static uint8_t large[16 * 1024];
    struct rig *rig = *state;
    for (uint32_t i = 0; i < 4 * MAX_STREAMS; i++) { // 512 KiB, half of the connection's window
        const uint32_t id = 1 + 2 * i;
        feed_frame(rig, NGHTTP2_HEADERS, END_HEADERS, id, connect_block, CONNECT_BLOCK_LEN);
        feed_frame(rig, NGHTTP2_DATA, 0, id, large, 8 * 1024);
        while (step(rig) == HTTP2_MORE) {
        }
        assert_int_equal(rig->request_count, 1);
        http2_stream_destroy(rig->requests[--rig->request_count]); // with what it has not read
        feed_frame(rig, NGHTTP2_DATA, 0, id, large, 8 * 1024);     // on its way when we reset it
        while (step(rig) == HTTP2_MORE) {
        }
        assert_int_equal(rig->status, HTTP2_WAITS);
    }
    assert_in_range(nghttp2_session_get_local_window_size(rig->session->engine), 512 * 1024,
                    1024 * 1024);
}

static void each_flood_ends_the_connection(void **state)
{
    static const struct {
        uint8_t type;
        uint8_t flags;
        uint32_t id;
        const char *payload;
        size_t len;
        bool has_stream; // 1 is open
    } rows[] = {
        {NGHTTP2_PING, 0, 0, "01234567", 8, false},
        {NGHTTP2_SETTINGS, 0, 0, "", 0, false},
        {NGHTTP2_PRIORITY, 0, 1, "\0\0\0\0\1", 5, false},
        {NGHTTP2_PRIORITY_UPDATE, 0, 0, "\0\0\0\1u=1", 7, false},
        {0xfa, 0, 0, "", 0, false},
        {0xfa, 0, 1, "abc", 3, true},
        {NGHTTP2_WINDOW_UPDATE, 0, 0, "\0\0\0\1", 4, false},
        {NGHTTP2_WINDOW_UPDATE, 0, 1, "\0\0\0\1", 4, true},
        {NGHTTP2_DATA, 0, 1, "", 0, true},
        {NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, 1, "\2\0\0", 3, true},
        {NGHTTP2_RST_STREAM, 0, 1, "\0\0\0\0", 4, true},
        {NGHTTP2_GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0", 8, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        (void)make_rig(state);
        struct rig *rig = *state;
        if (rows[i].has_stream)
            feed_frame(rig, NGHTTP2_HEADERS, END_HEADERS, 1, connect_block, CONNECT_BLOCK_LEN);
        (void)step(rig);
        for (size_t k = 0; k < 2100 && rig->status != HTTP2_WRONG; k++) {
            if (rows[i].has_stream && rig->request_count > 0 && rig->requests[0]->is_reset)
                http2_stream_destroy(rig->requests[--rig->request_count]);
            feed_frame(rig, rows[i].type, rows[i].flags, rows[i].id, rows[i].payload, rows[i].len);
            (void)step(rig);
        }
        assert_goaway(rig, NGHTTP2_ENHANCE_YOUR_CALM, HTTP2_FAULT_FLOOD);
        (void)drop_rig(state);
    }
}

static void resets_that_a_client_provokes_end_the_connection(void **state)
{
    static const struct {
        uint8_t type;
        const char *payload;
        size_t len;
    } rows[] = {
        {NGHTTP2_WINDOW_UPDATE, "\x7f\xff\xff\xff", 4}, // overflow
        {NGHTTP2_WINDOW_UPDATE, "\0\0\0\0", 4},
        {NGHTTP2_PRIORITY, "\0\0\0\1", 4}, // its length
        {NGHTTP2_HEADERS, "\x88", 1},      // in a tunnel
        {NGHTTP2_RST_STREAM, "\0\0\0\0", 4},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        (void)make_rig(state);
        struct rig *rig = *state;
        size_t count = 0;
        for (; count < 600 && rig->status != HTTP2_WRONG; count++) {
            const uint32_t id = 1 + 2 * (uint32_t)count;
            feed_frame(rig, NGHTTP2_HEADERS, END_HEADERS, id, connect_block, CONNECT_BLOCK_LEN);
            feed_frame(rig, rows[i].type, END_HEADERS, id, rows[i].payload, rows[i].len);
            (void)step(rig);
            if (rig->request_count > 0)
                http2_stream_destroy(rig->requests[--rig->request_count]);
        }
        assert_int_equal(rig->status, HTTP2_WRONG);
        assert_in_range(count, 1, 502);
        (void)drop_rig(state);
    }
}

static void acknowledgements_that_nobody_reads_are_bounded(void **state)
{
    struct rig *rig = *state;
    rig->below->room = 0;
    size_t fed = 0;
    for (; fed < 100000 && rig->below->in_len + 17 < FAKE_CAP; fed++)
        feed_frame(rig, NGHTTP2_PING, 0, 0, "01234567", 8);
    while (step(rig) == HTTP2_MORE) {
    }
    assert_int_equal(rig->status, HTTP2_WRONG);
    assert_in_range(rig->below->in_taken, 1, 64 * 1024);
}

// ---- bulk ---------------------------------------------------------------------------------------

static char bulk[64 * 1024];

// say hands the proxy what the client has to say now; the proxy takes no step.
static void say(struct rig *rig, int32_t id, size_t len, bool ends)
{
    struct fake_stream *below = rig->below;
    const uint8_t *bytes = NULL;
    ssize_t count = 0;
    below->in_len -= below->in_taken; // room for what comes
    memmove(below->in, below->in + below->in_taken, below->in_len);
    below->in_taken = 0;
    upload(rig, id, bulk, len, ends);
    while ((count = nghttp2_session_mem_send(rig->client, &bytes)) > 0)
        fake_stream_feed(below, slice_of(bytes, (size_t)count));
}

static void count_told(void *owner)
{
    size_t *told = owner;
    (*told)++;
}

// begin_tunnel opens one that counts how often it was told. With `is_bulk` it has read as much at once as its window lets
// it, which has grown to its full size.
static int32_t begin_tunnel(struct rig *rig, size_t *told, bool is_bulk)
{
    const int32_t id = ask(rig, CONNECT, false);
    talk(rig);
    struct http2_stream *stream = rig->requests[rig->request_count - 1];
    assert_int_equal(read_all(stream, text, 16 * 1024), ERR_AGAIN);
    say(rig, id, is_bulk ? sizeof bulk : 0, false);
    do {
        talk(rig);
        assert_int_equal(read_all(stream, text, 16 * 1024), ERR_AGAIN);
    } while (answer_of(rig, id)->upload_len > 0);
    talk(rig);
    assert_int_equal(stream->window, is_bulk ? 64 * 1024 : 16 * 1024);
    *told = 0;
    stream->stream.on_ready = count_told;
    stream->stream.owner = told;
    stream_want(&stream->stream, true, false);
    return id;
}

static void bulk_is_read_in_large_pieces_while_more_is_coming(void **state)
{
    struct rig *rig = *state;
    size_t told[4];
    size_t len = 0;
    const int32_t some = begin_tunnel(rig, &told[0], true);
    const int32_t much = begin_tunnel(rig, &told[1], true);
    const int32_t ended = begin_tunnel(rig, &told[2], true);
    const int32_t small = begin_tunnel(rig, &told[3], false);
    say(rig, some, 12 * 1024, false);
    say(rig, ended, 4 * 1024, true);
    say(rig, small, 64, false);
    say(rig, much, 64 * 1024, false); // a step reads 64 KiB of all
    assert_int_equal(http2_session_step(rig->session, 1000), HTTP2_MORE);
    assert_int_equal(told[0], 0);
    assert_int_equal(stream_read(&rig->requests[0]->stream, text, sizeof text, &len), ERR_AGAIN);
    assert_int_equal(told[1], 1);
    assert_int_equal(told[2], 1);
    assert_int_equal(told[3], 1);
    assert_int_equal(stream_read(&rig->requests[1]->stream, text, sizeof text, &len), ERR_OK);
    assert_in_range(len, 32 * 1024, 64 * 1024);
    assert_int_equal(http2_session_step(rig->session, 1000), HTTP2_WAITS); // nothing more comes
    assert_int_equal(told[0], 1);
    assert_int_equal(stream_read(&rig->requests[0]->stream, text, sizeof text, &len), ERR_OK);
    assert_int_equal(len, 12 * 1024);
}

static void bulk_waits_for_no_more_than_eight_steps(void **state)
{
    enum { OTHERS = 7, STEPS = 8 };
    struct rig *rig = *state;
    size_t told[1 + OTHERS];
    int32_t others[OTHERS];
    const int32_t some = begin_tunnel(rig, &told[0], true);
    for (size_t i = 0; i < OTHERS; i++)
        others[i] = begin_tunnel(rig, &told[1 + i], true);
    say(rig, some, 9 * 1024, false);
    for (size_t i = 0; i < OTHERS; i++)
        say(rig, others[i], 64 * 1024, false);
    for (size_t step = 0; step < STEPS; step++) {
        const size_t at = step % OTHERS;
        size_t len = 0;
        assert_int_equal(told[0], 0);
        assert_int_equal(http2_session_step(rig->session, 1000), HTTP2_MORE);
        assert_int_equal(stream_read(&rig->requests[1 + at]->stream, text, sizeof text, &len),
                         ERR_OK);
        const struct slice out = slice_from(fake_stream_written(rig->below), rig->out_taken);
        rig->out_taken += out.len;
        assert_int_equal(nghttp2_session_mem_recv(rig->client, out.data, out.len), out.len);
        say(rig, others[at], 64 * 1024, false);
    }
    (void)http2_session_step(rig->session, 1000);
    assert_int_equal(told[0], 1);
}

static void bulk_does_not_wait_for_a_client_that_takes_nothing(void **state)
{
    struct rig *rig = *state;
    size_t told[2];
    const int32_t some = begin_tunnel(rig, &told[0], true);
    const int32_t much = begin_tunnel(rig, &told[1], true);
    write_all(rig, rig->requests[1], OK_200);
    rig->below->room = 0;
    say(rig, some, 12 * 1024, false);
    say(rig, much, 64 * 1024, false);
    for (enum err error = ERR_OK; error == ERR_OK;) {
        size_t len = 0;
        error = stream_write(&rig->requests[1]->stream, slice_of(bulk, sizeof bulk), &len);
    }
    for (size_t i = 0; i < 3; i++)
        (void)http2_session_step(rig->session, 1000);
    assert_true(told[0] > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_rig, drop_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_tunnel_carries_bytes_both_ways_and_both_ends),
        cmocka_unit_test(what_is_answered_in_http_1_comes_out_in_http_2),
        TEST(a_body_is_read_in_chunks_of_what_has_come),
        TEST(a_body_of_an_announced_length_is_read_as_it_is),
        cmocka_unit_test(content_that_is_not_what_was_announced_breaks_its_stream),
        TEST(a_malformed_head_comes_to_the_owner_with_what_is_wrong),
        TEST(each_end_of_ours_has_its_code),
        TEST(the_target_of_a_plain_request_that_ends_too_early_is_no_error_of_a_connect),
        TEST(a_reset_of_the_client_is_read_as_one),
        TEST(a_stream_that_nobody_reads_stops_no_other),
        TEST(a_full_window_is_no_room_until_the_client_gives_more),
        TEST(a_request_that_is_not_taken_is_refused),
        TEST(the_end_of_the_client_resets_what_was_open),
        TEST(what_is_no_http_2_is_wrong),
        TEST(a_window_grows_while_its_reader_keeps_up_and_no_further_than_allowed),
        cmocka_unit_test(what_is_sent_before_our_settings_are_known_stops_nothing),
        TEST(a_flood_ends_the_connection),
        TEST(resets_before_the_answer_end_the_connection),
        TEST(a_reset_without_an_error_before_the_answer_counts_like_others),
        TEST(resets_of_answered_tunnels_may_be_many),
        TEST(what_is_written_at_once_may_be_more_than_there_is_room_for),
        TEST(a_client_that_reads_nothing_is_waited_for),
        TEST(an_answer_that_was_left_without_its_end_is_reset),
        TEST(streams_that_share_a_small_window_take_turns),
        TEST(bulk_is_read_in_large_pieces_while_more_is_coming),
        TEST(bulk_waits_for_no_more_than_eight_steps),
        TEST(bulk_does_not_wait_for_a_client_that_takes_nothing),
        TEST(a_connection_that_ends_within_a_head_leaves_nothing),
        TEST(a_head_that_never_ends_belongs_to_its_owner),
        TEST(a_head_that_cannot_be_unpacked_ends_the_connection),
        TEST(a_stream_too_many_is_refused_and_the_others_go_on),
        TEST(a_header_list_that_is_too_large_is_no_request),
        cmocka_unit_test(until_our_settings_are_taken_all_streams_have_one_window),
        cmocka_unit_test(settings_that_are_not_taken_in_time_end_the_connection),
        TEST(a_client_that_says_nothing_is_asked_and_lost_unless_it_answers),
        TEST(bytes_of_dead_streams_do_not_shrink_the_connection),
        cmocka_unit_test(each_flood_ends_the_connection),
        cmocka_unit_test(resets_that_a_client_provokes_end_the_connection),
        TEST(acknowledgements_that_nobody_reads_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
