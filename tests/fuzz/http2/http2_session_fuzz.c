// An HTTP/2 connection: any bytes, in pieces. Whatever comes, the session ends in order, what a request reads is a head that
// the strict reader takes or its owner is told what is wrong, no more content waits than windows allow, and none for ever.
#include <stdlib.h>

#include "proxy/http/head.h"
#include "proxy/http2/http2_session.h"
#include "proxy/http2/http2_stream.h"
#include "tests/fuzz/http2/pipe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_STREAMS = 16, WINDOW = 64 * 1024, MEMORY = 1024 * 1024 };

// request is a stream with what its owner knows.
struct request {
    struct http2_stream *stream;
    struct world *world;
    struct request *next;
    char head[REQUEST_FIELDS_HEAD_CAP];
    size_t head_len;
    bool has_head;
    uint32_t turns;
};

struct world {
    struct pipe pipe;
    struct request *requests;
    uint32_t habit; // what the owners do
};

static void check(bool is_right)
{
    if (!is_right)
        abort();
}

static void end(struct request *request)
{
    struct request **at = &request->world->requests;
    while (*at != request)
        at = &(*at)->next;
    *at = request->next;
    http2_stream_destroy(request->stream);
    free(request);
}

// read_head reads until the head is whole.
static void read_head(struct request *request)
{
    struct message_head head;
    const char *why = NULL;
    while (!request->has_head) {
        size_t len = 0;
        if (stream_read(&request->stream->stream, request->head + request->head_len, 1, &len) !=
            ERR_OK)
            return;
        request->head_len += len;
        check(request->head_len < sizeof request->head);
        const enum head_result result = request_head_parse(
            slice_of(request->head, request->head_len), HEAD_MAX_LEN, &head, &why);
        request->has_head = result != HEAD_MORE;
        if (result == HEAD_OK)
            check((head.method == METHOD_CONNECT) == request->stream->upload.is_connect);
    }
}

static void answer(struct request *request)
{
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n",
    };
    struct slice rest = slice_of_string(answers[(request->world->habit + request->turns) % 4]);
    while (rest.len > 0) {
        size_t len = 0;
        if (stream_write(&request->stream->stream, rest, &len) != ERR_OK)
            return;
        rest = slice_from(rest, len);
    }
}

static void on_ready(void *owner)
{
    static uint8_t content[16 * 1024];
    struct request *request = owner;
    request->has_head = request->has_head || request->stream->upload.misfit != NULL;
    const uint32_t habit = request->world->habit + request->turns++;
    size_t len = 0;
    enum err ignored = ERR_OK;
    read_head(request);
    if (habit % 3 != 0)
        ignored =
            stream_read(&request->stream->stream, content, 1 + habit * 61 % sizeof content, &len);
    if (habit % 5 == 1)
        answer(request);
    if (habit % 7 == 1)
        ignored = stream_finish(&request->stream->stream);
    (void)ignored;
    stream_want(&request->stream->stream, habit % 2 == 0, habit % 4 == 0);
    if (habit % 11 == 1) {
        request->stream->end = (enum http2_end)(habit % 3);
        stream_close(&request->stream->stream, habit % 2 == 0);
        end(request);
    }
}

static bool on_request(void *owner, struct http2_stream *stream, bool is_too_many)
{
    struct world *world = owner;
    struct request *request = calloc(1, sizeof *request);
    if (request == NULL || is_too_many || world->habit % 13 == 12) {
        free(request);
        return false;
    }
    request->stream = stream;
    request->world = world;
    request->next = world->requests;
    world->requests = request;
    stream->stream.on_ready = on_ready;
    stream->stream.owner = request;
    stream_want(&stream->stream, true, true);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct http2_events events = {.ops = &http2_stream_ops, .on_request = on_request};
    static const struct http2_options options = {
        .streams = MAX_STREAMS, .window = WINDOW, .memory = MEMORY};
    struct buffer_pool pool = {0};
    if (size < 2)
        return 0;
    struct world world = {.pipe = pipe_of(slice_of(data + 2, size - 2), 1 + data[0] * 64u),
                          .habit = data[1]};
    world.pipe.first = SLICE_LITERAL("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    struct http2_session *session =
        http2_session_create(&options, &world.pipe.stream, &pool, &events, &world);
    if (session == NULL)
        return 0;
    enum http2_status status = HTTP2_MORE;
    for (int64_t now_ms = 1; now_ms < 10000 && (status == HTTP2_WAITS || status == HTTP2_MORE);
         now_ms++) {
        check(session->open_count <= MAX_STREAMS && session->grown <= MEMORY);
        const struct http2_stream *stream = NULL;
        TAILQ_FOREACH(stream, &session->live, link)
        {
            check(http2_upload_left(&stream->upload) <= WINDOW);
        }
        if (status == HTTP2_WAITS && session->has_end && session->ready_count == 0)
            break;
        status = http2_session_step(session, now_ms);
        // Bulk waits for more only where more is about to be read.
        check(status != HTTP2_WAITS || TAILQ_EMPTY(&session->queues[HTTP2_QUEUE_GATHERING]));
    }
    while (world.requests != NULL)
        end(world.requests);
    http2_session_destroy(session);
    check(pool.buffers.lent_count == 0);
    buffer_pool_deinit(&pool);
    return 0;
}
