// Reach, ask, read the first bytes of the answer. One timer ends it all; before that it also makes the first step, for
// nothing may call back from within the beginning.
#include "proxy/uplink/proxy_check.h"

#include <stdlib.h>

#include "auth/base/text.h"

enum {
    PROXY_CHECK_MAGIC = 0xC4EC0001,
    HEAD_CAP = 2 * TARGET_TEXT_CAP + 128,
    STATUS_LINE_LEN = sizeof "HTTP/1." - 1,
};

struct proxy_check {
    uint32_t magic;
    struct proxy_route_options options;
    struct proxy_route route;
    struct upstream *upstream; // owned; NULL: before the first step
    ev_timer timer;
    int64_t limit_ms;
    char head[HEAD_CAP];
    size_t head_len;
    size_t head_at;
    char in[STATUS_LINE_LEN];
    size_t in_len;
    void (*on_done)(void *owner, const char *problem);
    void *owner; // borrowed
    bool is_over;
};

static void end(struct proxy_check *check, const char *problem)
{
    if (check->is_over)
        return;
    check->is_over = true;
    ev_timer_stop(check->route.loop, &check->timer);
    check->on_done(check->owner, problem); // it may be freed by now
}

static void end_failed(struct proxy_check *check)
{
    end(check, cause_info(upstream_failure(check->upstream).cause)->name);
}

// ask sends the request. ERR_OK: it is out.
static enum err ask(struct proxy_check *check, struct stream *stream)
{
    while (check->head_at < check->head_len) {
        size_t len = 0;
        TRY(stream_push(stream,
                        slice_of(check->head + check->head_at, check->head_len - check->head_at),
                        &len));
        check->head_at += len;
    }
    return stream_flush(stream);
}

// hear reads until it is known whether that is HTTP.
static void hear(struct proxy_check *check, struct stream *stream)
{
    enum err error = ERR_OK;
    while (error == ERR_OK && check->in_len < STATUS_LINE_LEN) {
        size_t len = 0;
        error =
            stream_read(stream, check->in + check->in_len, STATUS_LINE_LEN - check->in_len, &len);
        check->in_len += len;
    }
    if (check->in_len == STATUS_LINE_LEN)
        end(check, slice_equal(slice_of(check->in, check->in_len), SLICE_LITERAL("HTTP/1."))
                       ? NULL
                       : "not_http");
    else if (error == ERR_AGAIN)
        stream_want(stream, true, false);
    else
        end_failed(check);
}

static void drive(void *owner)
{
    struct proxy_check *check = owner;
    ASSERT(check->magic == PROXY_CHECK_MAGIC);
    if (check->is_over)
        return;
    const enum upstream_state state = upstream_step(check->upstream);
    if (state == UPSTREAM_FAILED || state == UPSTREAM_WAIT) {
        end_failed(check);
        return;
    }
    if (state != UPSTREAM_READY)
        return;
    struct stream *stream = upstream_stream(check->upstream);
    if (ask(check, stream) == ERR_AGAIN)
        stream_want(stream, true, true);
    else // one that takes no more may have said why
        hear(check, stream);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct proxy_check *check = timer->data;
    ASSERT(check->magic == PROXY_CHECK_MAGIC);
    (void)events;
    if (check->upstream != NULL) {
        end(check, "no_answer");
        return;
    }
    ev_timer_set(timer, (ev_tstamp)check->limit_ms / 1000., 0.);
    ev_timer_start(loop, timer);
    check->upstream = upstream_create(&check->route, false, drive, check);
    if (check->upstream == NULL)
        end(check, cause_info(CAUSE_NO_RESOURCES)->name);
    else
        drive(check);
}

static void write_head(struct proxy_check *check)
{
    const struct target *proxy = &check->options.proxies[0];
    const bool is_v6 = proxy->kind == TARGET_ADDRESS && proxy->address.family == IP_V6;
    char host[TARGET_TEXT_CAP];
    struct text text;
    text_init(&text, check->head, sizeof check->head);
    text_append_format(&text, "OPTIONS * HTTP/1.1\r\nHost: %s%s%s:%u\r\nConnection: close\r\n\r\n",
                       is_v6 ? "[" : "", target_format_host(proxy, host), is_v6 ? "]" : "",
                       proxy->port);
    ASSERT(!text.is_cut);
    check->head_len = text.len;
}

struct proxy_check *proxy_check_begin(const struct proxy_check_request *request,
                                      void (*on_done)(void *owner, const char *problem),
                                      void *owner)
{
    struct proxy_check *check = calloc(1, sizeof *check);
    if (check == NULL)
        return NULL;
    check->magic = PROXY_CHECK_MAGIC;
    check->options.proxies[0] = *request->proxy;
    check->options.proxy_count = 1;
    if (request->served_name != NULL)
        check->options.served_name = *request->served_name;
    check->options.is_clear = request->credentials == NULL;
    check->limit_ms = request->limit_ms;
    check->on_done = on_done;
    check->owner = owner;
    proxy_route_init(&check->route, &check->options, request->loop, request->pool,
                     request->resolver, request->credentials);
    write_head(check);
    ev_timer_init(&check->timer, on_timer, 0., 0.);
    check->timer.data = check;
    ev_timer_start(request->loop, &check->timer);
    return check;
}

void proxy_check_destroy(struct proxy_check *check)
{
    if (check == NULL)
        return;
    ev_timer_stop(check->route.loop, &check->timer);
    upstream_destroy(check->upstream, false);
    proxy_route_close(&check->route);
    check->magic = 0;
    free(check);
}
