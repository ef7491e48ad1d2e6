// A CONNECT asks the pool for a connection; the rest, and what the pool cannot serve, goes over a connection of its own. A
// stream that the proxy has refused, having done nothing (RFC 9113 8.7, 6.8), is tried once more elsewhere.
#include "proxy/uplink/uplink.h"

#include <stdlib.h>

// A proxy that answers so, because it is about to end, or for another reason of its own, gets no further tunnel over this
// connection where there is another: a new one may lead to another proxy.
enum { UNAVAILABLE = 503 };

struct uplink {
    struct connection_pool *pool; // borrowed
    struct connection_user user;
    struct slice head;           // borrowed; empty: nothing is shared
    struct upstream *own;        // owned; NULL: shared
    struct http2_stream *stream; // owned; of the shared connection, once it is ready
    struct failure failure;      // with `is_failed`
    bool says_close;
    bool was_refused; // once
    bool is_failed;
};

static void fail(struct uplink *uplink, struct failure failure)
{
    uplink->failure = failure;
    uplink->is_failed = true;
}

static void fail_for(struct uplink *uplink, enum cause cause)
{
    fail(uplink, (struct failure){cause, "", 0});
}

// drop_shared leaves the shared connection.
static void drop_shared(struct uplink *uplink, bool is_reset)
{
    if (uplink->stream != NULL)
        stream_close(&uplink->stream->stream, is_reset);
    http2_stream_destroy(uplink->stream);
    uplink->stream = NULL;
    connection_leave(&uplink->user);
}

// go_alone begins a connection of its own.
static void go_alone(struct uplink *uplink)
{
    uplink->own =
        upstream_create(uplink->pool->route, false, uplink->user.wake, uplink->user.owner);
    if (uplink->own == NULL)
        fail_for(uplink, CAUSE_NO_RESOURCES);
}

// begin looks for a connection to share.
static void begin(struct uplink *uplink)
{
    if (uplink->head.len == 0 || !connection_pool_join(uplink->pool, &uplink->user))
        go_alone(uplink);
}

struct uplink *uplink_create(struct connection_pool *pool, struct slice head, bool says_close,
                             void (*wake)(void *owner), void *owner)
{
    struct uplink *uplink = calloc(1, sizeof *uplink);
    if (uplink == NULL)
        return NULL;
    uplink->pool = pool;
    uplink->head = head;
    uplink->says_close = says_close;
    uplink->user = (struct connection_user){.wake = wake, .owner = owner};
    begin(uplink);
    return uplink;
}

void uplink_destroy(struct uplink *uplink, bool is_reset)
{
    if (uplink == NULL)
        return;
    drop_shared(uplink, is_reset);
    upstream_destroy(uplink->own, is_reset);
    free(uplink);
}

// take_plain goes on over a connection on which the proxy has chosen HTTP/1.1, or makes another one.
static void take_plain(struct uplink *uplink)
{
    uplink->own = connection_take_upstream(uplink->user.connection);
    connection_leave(&uplink->user);
    if (uplink->own == NULL)
        go_alone(uplink);
    else
        upstream_set_owner(uplink->own, uplink->user.wake, uplink->user.owner);
}

// open_stream sends the CONNECT. Where the connection is full by now, another way is looked for.
static void open_stream(struct uplink *uplink)
{
    struct http2_session *http2 = connection_http2(uplink->user.connection);
    size_t len = 0;
    if (http2_session_room(http2) == 0) {
        drop_shared(uplink, false);
        begin(uplink);
        return;
    }
    uplink->stream = http2_client_open(http2, uplink->says_close);
    if (uplink->stream == NULL) {
        fail_for(uplink, CAUSE_NO_RESOURCES);
        return;
    }
    uplink->stream->stream.on_ready = uplink->user.wake;
    uplink->stream->stream.owner = uplink->user.owner;
    if (stream_write(&uplink->stream->stream, uplink->head, &len) != ERR_OK)
        fail_for(uplink, CAUSE_NO_RESOURCES);
    uplink_flush(uplink);
}

// reach_shared goes on to a stream of the shared connection. False: it waits.
static bool reach_shared(struct uplink *uplink)
{
    struct connection *connection = uplink->user.connection;
    if (connection_is_plain(connection))
        take_plain(uplink);
    else if (connection_state(connection) == UPSTREAM_FAILED)
        fail(uplink, connection_failure(connection));
    else if (connection_state(connection) == UPSTREAM_READY)
        open_stream(uplink);
    else
        return false;
    return true;
}

// await_answer waits for the proxy's answer to the CONNECT. False: it is here, or still to come.
static bool await_answer(struct uplink *uplink)
{
    struct http2_stream *stream = uplink->stream;
    const bool is_over = connection_is_over(uplink->user.connection);
    if (stream->upload.has_head && !stream->is_reset && (!is_over || stream->upload.has_end))
        return false;
    if (stream->is_reset && stream->loss == HTTP2_LOSS_REFUSED && !uplink->was_refused) {
        uplink->was_refused = true;
        drop_shared(uplink, true);
        begin(uplink);
        return true;
    }
    if (stream->is_reset || is_over) {
        fail(uplink, connection_failure(uplink->user.connection));
        return true;
    }
    stream_want(&stream->stream, true, false);
    return false;
}

enum upstream_state uplink_step(struct uplink *uplink)
{
    bool is_moving = true;
    while (is_moving && !uplink->is_failed && uplink->own == NULL)
        is_moving = uplink->stream == NULL ? reach_shared(uplink) : await_answer(uplink);
    if (uplink->is_failed)
        return UPSTREAM_FAILED;
    if (uplink->own != NULL)
        return upstream_step(uplink->own);
    if (uplink->stream == NULL)
        return connection_state(uplink->user.connection);
    const struct http2_upload *answer = &uplink->stream->upload;
    if (answer->status == UNAVAILABLE)
        connection_shun(uplink->user.connection);
    return answer->has_head && !answer->is_held ? UPSTREAM_READY : UPSTREAM_HANDSHAKE;
}

enum upstream_state uplink_give_up(struct uplink *uplink)
{
    if (uplink->own != NULL)
        return upstream_give_up(uplink->own);
    fail(uplink, connection_failure(uplink->user.connection));
    return UPSTREAM_FAILED;
}

struct stream *uplink_stream(struct uplink *uplink)
{
    return uplink->own != NULL ? upstream_stream(uplink->own) : &uplink->stream->stream;
}

bool uplink_is_shared(const struct uplink *uplink)
{
    return uplink->stream != NULL;
}

bool uplink_has_asked(const struct uplink *uplink)
{
    const struct http2_stream *stream = uplink->stream;
    return stream != NULL && !(stream->is_reset && stream->loss == HTTP2_LOSS_REFUSED);
}

void uplink_shun(struct uplink *uplink)
{
    if (uplink->own != NULL)
        upstream_shun(uplink->own);
    else if (uplink->user.connection != NULL)
        connection_shun(uplink->user.connection);
}

bool uplink_is_refusal(const struct uplink *uplink)
{
    return uplink->stream != NULL && uplink->stream->upload.status >= 300;
}

bool uplink_is_lost(const struct uplink *uplink)
{
    const struct http2_stream *stream = uplink->stream;
    return stream != NULL && connection_is_over(uplink->user.connection) &&
           !(stream->upload.has_end && stream->has_said_end);
}

void uplink_flush(struct uplink *uplink)
{
    if (uplink->stream != NULL)
        connection_flush(uplink->user.connection);
}

const struct target *uplink_proxy(const struct uplink *uplink)
{
    return uplink->own != NULL               ? upstream_proxy(uplink->own)
           : uplink->user.connection != NULL ? connection_proxy(uplink->user.connection)
                                             : NULL;
}

struct failure uplink_failure(const struct uplink *uplink)
{
    if (uplink->is_failed)
        return uplink->failure;
    return uplink->own != NULL ? upstream_failure(uplink->own)
                               : connection_failure(uplink->user.connection);
}
