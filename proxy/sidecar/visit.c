// Connects, sends, and reads until the answer is whole, the proxy ends, or patience does.
#include "proxy/sidecar/visit.h"

#include <stdlib.h>

#include "proxy/http/field.h"
#include "proxy/net/stream.h"

static void end(struct visit *visit, enum cause cause)
{
    visit->is_done = true;
    visit->failure = upstream_failure(visit->upstream);
    visit->failure.cause = cause;
    ev_break(visit->route->loop, EVBREAK_ALL);
}

// send_rest sends what is left of the request. A proxy that takes no more may have said why.
static void send_rest(struct visit *visit)
{
    struct stream *stream = upstream_stream(visit->upstream);
    enum err error = ERR_OK;
    while (visit->request.len > 0 && error == ERR_OK) {
        size_t len = 0;
        error = stream_push(stream, visit->request, &len);
        visit->request = slice_from(visit->request, len);
    }
    if (error == ERR_OK)
        error = stream_flush(stream);
    if (error != ERR_OK && error != ERR_AGAIN)
        visit->request = (struct slice){0};
}

// look reads the head of the answer, once it is there.
static void look(struct visit *visit)
{
    const char *why = "";
    const struct slice all = slice_of(visit->bytes, visit->len);
    switch (response_head_parse(all, false, &visit->answer, &why)) {
    case HEAD_OK:
        visit->has_answer = true;
        return;
    case HEAD_MORE:
        return;
    case HEAD_BAD:
    case HEAD_TOO_LARGE:
        end(visit, CAUSE_NOT_A_PROXY);
        return;
    }
}

// is_whole tells whether all of the answer is here: the head of a tunnel, or a body of known length.
static bool is_whole(const struct visit *visit)
{
    const struct message_head *answer = &visit->answer;
    if (!visit->has_answer)
        return false;
    if (!answer->has_length)
        return answer->status == 200 && !answer->is_chunked && !answer->has_close;
    return visit->len - answer->len >= answer->length;
}

static void receive(struct visit *visit)
{
    struct stream *stream = upstream_stream(visit->upstream);
    while (!visit->is_done) {
        size_t len = 0;
        const size_t room = sizeof visit->bytes - visit->len;
        const enum err error =
            room == 0 ? ERR_EOF : stream_read(stream, visit->bytes + visit->len, room, &len);
        if (error == ERR_AGAIN)
            return;
        visit->len += len;
        if (error == ERR_OK && !visit->has_answer)
            look(visit);
        if (visit->is_done)
            return;
        if (is_whole(visit) || (error != ERR_OK && visit->has_answer))
            end(visit, CAUSE_NONE);
        else if (error != ERR_OK)
            end(visit, upstream_failure(visit->upstream).cause);
    }
}

static void drive(void *owner)
{
    struct visit *visit = owner;
    const enum upstream_state state = upstream_step(visit->upstream);
    if (visit->is_done)
        return;
    if (state == UPSTREAM_FAILED) {
        end(visit, upstream_failure(visit->upstream).cause);
        return;
    }
    if (state != UPSTREAM_READY)
        return;
    visit->is_connected = true;
    if (visit->wants_protocol) {
        end(visit, CAUSE_NONE);
        return;
    }
    send_rest(visit);
    receive(visit);
    if (!visit->is_done)
        stream_want(upstream_stream(visit->upstream), true, visit->request.len > 0);
}

static void on_patience(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    end(timer->data, CAUSE_CONNECTION_TIMEOUT);
}

// make makes a visit, and runs the loop until it is done.
static enum err make(struct proxy_route *route, struct slice request, bool wants_protocol,
                     int64_t patience_ms, struct visit **out)
{
    *out = NULL;
    struct visit *visit = calloc(1, sizeof *visit);
    if (visit == NULL)
        return ERR_MEMORY;
    visit->route = route;
    visit->request = request;
    visit->wants_protocol = wants_protocol;
    visit->upstream = upstream_create(route, wants_protocol, drive, visit);
    if (visit->upstream == NULL) {
        free(visit);
        return ERR_MEMORY;
    }
    ev_timer_init(&visit->patience, on_patience, (ev_tstamp)patience_ms / 1000., 0.);
    visit->patience.data = visit;
    ev_timer_start(route->loop, &visit->patience);
    drive(visit);
    if (!visit->is_done)
        ev_run(route->loop, 0);
    ev_timer_stop(route->loop, &visit->patience);
    visit->request = (struct slice){0};
    *out = visit;
    return ERR_OK;
}

enum err visit_make(struct proxy_route *route, struct slice request, int64_t patience_ms,
                    struct visit **out)
{
    return make(route, request, false, patience_ms, out);
}

enum err visit_offers_http2(struct proxy_route *route, int64_t patience_ms, bool *out)
{
    struct visit *visit = NULL;
    TRY(make(route, (struct slice){0}, true, patience_ms, &visit));
    *out = visit->is_connected && upstream_is_http2(visit->upstream);
    visit_destroy(visit);
    return ERR_OK;
}

void visit_destroy(struct visit *visit)
{
    if (visit == NULL)
        return;
    if (visit->is_connected && stream_finish(upstream_stream(visit->upstream)) != ERR_OK) {
        // The proxy has ended it already, or will find out.
    }
    upstream_destroy(visit->upstream, false);
    free(visit);
}

struct slice visit_body(const struct visit *visit)
{
    if (!visit->has_answer)
        return (struct slice){0};
    const struct slice all = slice_from(slice_of(visit->bytes, visit->len), visit->answer.len);
    return visit->answer.has_length ? slice_first(all, (size_t)visit->answer.length) : all;
}

struct slice visit_field(const struct visit *visit, const char *name)
{
    struct field field;
    struct slice lines = visit->answer.fields;
    while (visit->has_answer && field_next(&lines, &field)) {
        if (slice_equal_ignore_case(field.name, slice_of_string(name)))
            return field.value;
    }
    return (struct slice){0};
}
