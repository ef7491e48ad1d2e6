// Our side of an HTTP/2 connection, and a proxy that sends any bytes, in pieces. Whatever comes, the connection ends in order,
// what an answer reads as is a head that the strict reader takes, and no more content waits than windows allow.
#include <stdlib.h>

#include "proxy/http/head.h"
#include "proxy/http2/http2_client.h"
#include "tests/fuzz/http2/pipe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_STREAMS = 8, WINDOW = 64 * 1024, MEMORY = 1024 * 1024, HEAD_CAP = 20 * 1024 };

struct tunnel {
    struct http2_stream *stream;
    uint32_t habit; // what its owner does
    uint32_t turns;
    char head[HEAD_CAP];
    size_t head_len;
    bool has_head;
};

static void check(bool is_right)
{
    if (!is_right)
        abort();
}

// read_head reads until the head is whole. What comes first is always a head.
static void read_head(struct tunnel *tunnel)
{
    struct message_head head;
    const char *why = NULL;
    while (!tunnel->has_head) {
        size_t len = 0;
        if (stream_read(&tunnel->stream->stream, tunnel->head + tunnel->head_len, 1, &len) !=
            ERR_OK)
            return;
        tunnel->head_len += len;
        check(tunnel->head_len < sizeof tunnel->head);
        const enum head_result result =
            response_head_parse(slice_of(tunnel->head, tunnel->head_len), false, &head, &why);
        tunnel->has_head = result != HEAD_MORE;
        if (result == HEAD_OK)
            check(head.status == tunnel->stream->upload.status && head.status >= 200);
    }
}

static void on_ready(void *owner)
{
    static uint8_t content[4096];
    struct tunnel *tunnel = owner;
    struct stream *stream = &tunnel->stream->stream;
    const uint32_t habit = tunnel->habit + tunnel->turns++;
    size_t len = 0;
    enum err ignored = ERR_OK;
    read_head(tunnel);
    if (habit % 3 != 0)
        ignored = stream_read(stream, content, 1 + habit % sizeof content, &len);
    if (habit % 5 == 1)
        ignored = stream_write(stream, SLICE_LITERAL("some bytes"), &len);
    if (habit % 7 == 1)
        ignored = stream_finish(stream);
    (void)ignored;
    if (habit % 11 == 10)
        stream_close(stream, habit % 2 == 0);
    else
        stream_want(stream, habit % 2 == 0, habit % 4 == 0);
}

static void open_tunnel(struct http2_session *session, struct tunnel *tunnel, uint32_t habit)
{
    const struct slice head =
        SLICE_LITERAL("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n");
    size_t len = 0;
    *tunnel = (struct tunnel){.habit = habit};
    tunnel->stream = http2_client_open(session, habit % 2 == 0);
    if (tunnel->stream == NULL)
        return;
    tunnel->stream->stream.on_ready = on_ready;
    tunnel->stream->stream.owner = tunnel;
    const enum err ignored = stream_write(&tunnel->stream->stream, head, &len);
    (void)ignored;
    stream_want(&tunnel->stream->stream, true, true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tunnel tunnels[MAX_STREAMS];
    static const struct http2_options options = {
        .streams = MAX_STREAMS, .window = WINDOW, .memory = MEMORY};
    struct buffer_pool pool = {0};
    size_t count = 0;
    if (size < 2)
        return 0;
    struct pipe pipe = pipe_of(slice_of(data + 2, size - 2), 1 + data[0] * 64u);
    struct http2_session *session = http2_client_create(&options, &pipe.stream, &pool);
    if (session == NULL)
        return 0;
    enum http2_status status = HTTP2_MORE;
    for (int64_t now_ms = 1; now_ms < 10000 && (status == HTTP2_WAITS || status == HTTP2_MORE);
         now_ms++) {
        if (count < MAX_STREAMS && http2_session_room(session) > 0) {
            open_tunnel(session, &tunnels[count], data[1] + (uint32_t)count);
            count++;
        }
        status = http2_session_step(session, now_ms);
        check(session->grown <= MEMORY);
        const struct http2_stream *stream = NULL;
        TAILQ_FOREACH(stream, &session->live, link)
        {
            check(http2_upload_left(&stream->upload) <= WINDOW);
        }
        if (status == HTTP2_WAITS && session->has_end && session->ready_count == 0)
            break;
    }
    while (count > 0)
        http2_stream_destroy(tunnels[--count].stream);
    http2_session_destroy(session);
    check(pool.buffers.lent_count == 0);
    buffer_pool_deinit(&pool);
    return 0;
}
