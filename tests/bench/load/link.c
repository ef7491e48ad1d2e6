// nghttp2's callbacks only note what has come; clients are told, and bytes sent, once it has returned.
#include "tests/bench/load/link.h"

#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <sys/queue.h>

enum {
    LINK_WINDOWS = 16, // of a connection, in windows of a stream
    PIECE_LEN = 16384,
    PIECES = 8,  // read in a pass of the loop
    ROUNDS = 16, // of telling and sending in a pass
    ACTIVE_MAX = 16384,
    OUT_CAP = 256 * 1024,
};

// link_stream is one stream, until the engine has closed it; its client may have left before.
struct link_stream {
    TAILQ_ENTRY(link_stream) entry;  // of the link
    TAILQ_ENTRY(link_stream) active; // among those whose client waits for something
    struct link *link;               // borrowed
    struct client *client;           // borrowed; NULL: it has left
    int32_t id;
    struct slice out; // borrowed; not sent yet
    uint8_t *in;      // owned; not read yet
    size_t in_len;
    size_t in_at;
    size_t in_cap;
    int status; // of the answer; 0: none has come
    bool has_answer;
    bool has_end;   // the server has ended its direction
    bool is_closed; // the engine has closed it
    bool ends;      // our direction ends after `out`
    bool wants_read;
    bool wants_write;
    bool is_active; // in the list
};

TAILQ_HEAD(link_streams, link_stream);

struct link {
    struct client below;         // first: TCP and TLS
    struct link *next;           // of all links
    nghttp2_session *engine;     // owned
    struct link_streams streams; // owned
    struct link_streams active;
    ev_prepare prepare; // sends what was submitted in this pass
    size_t count;       // streams with a client
    uint8_t *out;       // owned; frames that wait for the socket
    size_t out_len;
    size_t out_at;
    bool is_lost;
};

static void set_active(struct link_stream *stream)
{
    const bool is_active = stream->client != NULL && (stream->wants_read || stream->wants_write ||
                                                      stream->client->state == CLIENT_ANSWER);
    if (is_active && !stream->is_active)
        TAILQ_INSERT_TAIL(&stream->link->active, stream, active);
    if (!is_active && stream->is_active)
        TAILQ_REMOVE(&stream->link->active, stream, active);
    stream->is_active = is_active;
}

static void forget(struct link_stream *stream)
{
    TAILQ_REMOVE(&stream->link->streams, stream, entry);
    free(stream->in);
    free(stream);
}

static void leave(struct link_stream *stream)
{
    struct client *client = stream->client;
    if (client == NULL)
        return;
    // What nobody reads any more would be missing from the window of the connection for ever.
    (void)nghttp2_session_consume_connection(stream->link->engine, stream->in_len - stream->in_at);
    client->state = CLIENT_IDLE;
    client->stream = NULL;
    stream->client = NULL;
    stream->link->count--;
    set_active(stream);
    if (stream->is_closed)
        forget(stream);
}

// -- the engine's callbacks -------------------------------------------------------------------

static ssize_t give(nghttp2_session *engine, int32_t id, uint8_t *out, size_t cap, uint32_t *flags,
                    nghttp2_data_source *source, void *owner)
{
    struct link_stream *stream = source->ptr;
    (void)engine, (void)id, (void)owner;
    const struct slice piece = slice_first(stream->out, cap);
    if (piece.len == 0 && !stream->ends)
        return NGHTTP2_ERR_DEFERRED;
    (void)bytes_copy(out, cap, piece);
    stream->out = slice_from(stream->out, piece.len);
    if (stream->out.len == 0 && stream->ends)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)piece.len;
}

static int on_header(nghttp2_session *engine, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *owner)
{
    struct link_stream *stream = nghttp2_session_get_stream_user_data(engine, frame->hd.stream_id);
    (void)flags, (void)owner;
    if (stream != NULL && slice_equal(slice_of(name, name_len), SLICE_LITERAL(":status")) &&
        value_len == 3)
        stream->status = (value[0] - '0') * 100 + (value[1] - '0') * 10 + (value[2] - '0');
    return 0;
}

static int on_frame(nghttp2_session *engine, const nghttp2_frame *frame, void *owner)
{
    struct link_stream *stream = nghttp2_session_get_stream_user_data(engine, frame->hd.stream_id);
    const bool has_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    (void)owner;
    if (stream == NULL || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
        return 0;
    stream->has_end = stream->has_end || has_end;
    // Of a refusal the body is waited for.
    stream->has_answer = stream->has_answer || stream->status == 200 || has_end;
    return 0;
}

static int on_content(nghttp2_session *engine, uint8_t flags, int32_t id, const uint8_t *bytes,
                      size_t len, void *owner)
{
    struct link_stream *stream = nghttp2_session_get_stream_user_data(engine, id);
    (void)flags, (void)owner;
    if (stream == NULL || stream->client == NULL || stream->status != 200) {
        (void)nghttp2_session_consume(engine, id, len);
        return 0;
    }
    if (stream->in_len + len > stream->in_cap) {
        stream->in_cap = (stream->in_len + len) * 2;
        stream->in = realloc(stream->in, stream->in_cap);
        ASSERT(stream->in != NULL);
    }
    (void)bytes_copy(stream->in + stream->in_len, stream->in_cap - stream->in_len,
                     slice_of(bytes, len));
    stream->in_len += len;
    return 0;
}

static int on_close(nghttp2_session *engine, int32_t id, uint32_t code, void *owner)
{
    struct link_stream *stream = nghttp2_session_get_stream_user_data(engine, id);
    (void)code, (void)owner;
    if (stream == NULL)
        return 0;
    stream->is_closed = true;
    (void)nghttp2_session_set_stream_user_data(engine, id, NULL);
    if (stream->client == NULL) // others are told when the engine has returned
        forget(stream);
    return 0;
}

// -- telling and sending ----------------------------------------------------------------------

static bool is_due(const struct link_stream *stream)
{
    if (stream->client->state == CLIENT_ANSWER)
        return stream->has_answer || stream->is_closed;
    return (stream->wants_read &&
            (stream->in_at < stream->in_len || stream->has_end || stream->is_closed)) ||
           (stream->wants_write && stream->out.len == 0);
}

static void tell(struct link_stream *stream)
{
    struct client *client = stream->client;
    if (client->state == CLIENT_ANSWER && stream->has_answer) {
        client->status = stream->status;
        client->is_kept = true;
        client->state = CLIENT_OPEN;
        client->handler->on_answer(client);
    } else if (client->state == CLIENT_ANSWER) {
        leave(stream);
        client->handler->on_end(client, "no answer to CONNECT");
    } else {
        client->handler->on_ready(client);
    }
}

// tell_all tells each client for that something has come, once. True: one was told.
static bool tell_all(struct link *link)
{
    static struct client *due[ACTIVE_MAX]; // one thread
    size_t count = 0;
    struct link_stream *stream = NULL;
    TAILQ_FOREACH(stream, &link->active, active)
    {
        if (count < ACTIVE_MAX && is_due(stream))
            due[count++] = stream->client;
    }
    for (size_t i = 0; i < count; i++) {
        stream = due[i]->stream;
        if (stream != NULL && stream->link == link && stream->is_active && is_due(stream))
            tell(stream);
    }
    return count > 0;
}

static void lose(struct link *link)
{
    link->is_lost = true;
    client_close(&link->below, true);
    ev_prepare_stop(link->below.setup->loop, &link->prepare);
    // The engine closes no stream by itself: each client is told as if it had.
    struct link_stream *stream = NULL;
    TAILQ_FOREACH(stream, &link->streams, entry)
    {
        stream->is_closed = true;
        stream->has_end = true;
    }
    (void)tell_all(link);
}

// send_out gives false when the connection is lost.
static bool send_out(struct link *link)
{
    while (true) {
        while (link->out_at < link->out_len) {
            size_t len = 0;
            const struct slice rest =
                slice_of(link->out + link->out_at, link->out_len - link->out_at);
            const enum err error = client_write(&link->below, slice_first(rest, PIECE_LEN), &len);
            if (error == ERR_AGAIN)
                return true;
            if (error != ERR_OK)
                return false;
            link->out_at += len;
        }
        link->out_len = link->out_at = 0;
        while (link->out_len < OUT_CAP - 2 * PIECE_LEN) {
            const uint8_t *bytes = NULL;
            const ssize_t len = nghttp2_session_mem_send(link->engine, &bytes);
            if (len < 0)
                return false;
            if (len == 0)
                break;
            (void)bytes_copy(link->out + link->out_len, OUT_CAP - link->out_len,
                             slice_of(bytes, (size_t)len));
            link->out_len += (size_t)len;
        }
        if (link->out_len == 0)
            return true;
    }
}

// advance tells clients and sends what they say, until nothing is left to do or the others have waited long enough.
static void advance(struct link *link)
{
    bool is_more = true;
    for (int round = 0; is_more && round < ROUNDS; round++) {
        is_more = tell_all(link);
        if (!send_out(link)) {
            lose(link);
            return;
        }
    }
    client_want(&link->below, true, is_more || link->out_len > 0);
}

static void on_prepare(struct ev_loop *loop, ev_prepare *prepare, int events)
{
    struct link *link = prepare->data;
    (void)loop, (void)events;
    if (link->below.state == CLIENT_OPEN && !link->is_lost)
        advance(link);
}

// -- the connection below ---------------------------------------------------------------------

static void on_ready(struct client *below)
{
    static uint8_t piece[PIECE_LEN]; // one thread
    struct link *link = (struct link *)below;
    for (int i = 0; i < PIECES; i++) {
        size_t len = 0;
        const enum err error = client_read(below, piece, sizeof piece, &len);
        if (error == ERR_AGAIN)
            break;
        if (error != ERR_OK || nghttp2_session_mem_recv(link->engine, piece, len) < 0) {
            lose(link);
            return;
        }
    }
    advance(link);
}

static void on_open(struct client *below)
{
    advance((struct link *)below);
}

static void on_end(struct client *below, const char *why)
{
    (void)why;
    lose((struct link *)below);
}

static bool make_engine(struct link *link)
{
    const uint32_t window = link->below.setup->links->window;
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *options = NULL;
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window},
    };
    if (nghttp2_session_callbacks_new(&callbacks) != 0 || nghttp2_option_new(&options) != 0)
        return false;
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_content);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_option_set_no_http_messaging(options, 1);
    nghttp2_option_set_no_auto_window_update(options, 1);
    const bool is_good =
        nghttp2_session_client_new2(&link->engine, callbacks, link, options) == 0 &&
        nghttp2_submit_settings(link->engine, NGHTTP2_FLAG_NONE, settings,
                                sizeof settings / sizeof *settings) == 0 &&
        nghttp2_session_set_local_window_size(link->engine, NGHTTP2_FLAG_NONE, 0,
                                              (int32_t)window * LINK_WINDOWS) == 0;
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(options);
    return is_good;
}

static void destroy(struct link *link)
{
    struct link_stream *stream = NULL;
    client_close(&link->below, false);
    ev_prepare_stop(link->below.setup->loop, &link->prepare);
    while ((stream = TAILQ_FIRST(&link->streams)) != NULL) {
        if (stream->client != NULL)
            leave(stream); // its client may begin again
        else
            forget(stream);
    }
    nghttp2_session_del(link->engine);
    free(link->out);
    free(link);
}

static struct link *link_make(const struct client_setup *setup)
{
    static const struct client_handler handler = {on_open, on_ready, on_end};
    struct link *link = calloc(1, sizeof *link);
    if (link == NULL)
        return NULL;
    link->out = malloc(OUT_CAP);
    link->below.setup = setup;
    link->below.handler = &handler;
    link->below.is_link = true;
    TAILQ_INIT(&link->streams);
    TAILQ_INIT(&link->active);
    ev_prepare_init(&link->prepare, on_prepare);
    link->prepare.data = link;
    ev_prepare_start(setup->loop, &link->prepare);
    if (link->out == NULL || !make_engine(link) || !client_start(&link->below, "")) {
        destroy(link);
        return NULL;
    }
    link->next = setup->links->first;
    setup->links->first = link;
    return link;
}

// -- what client.c hands over -----------------------------------------------------------------

static nghttp2_nv field(const char *name, const char *value)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
                        .namelen = strlen(name),
                        .value = (uint8_t *)(uintptr_t)value,
                        .valuelen = strlen(value)};
}

bool link_start(struct client *client, const char *target)
{
    const struct client_setup *setup = client->setup;
    struct link *link = setup->links->first;
    while (link != NULL && (link->is_lost || link->count >= setup->links->streams))
        link = link->next;
    if (link == NULL)
        link = link_make(setup);
    struct link_stream *stream = calloc(1, sizeof *stream);
    if (link == NULL || stream == NULL) {
        free(stream);
        return false;
    }
    const nghttp2_nv fields[] = {field(":method", "CONNECT"), field(":authority", target)};
    const nghttp2_data_provider content = {.source.ptr = stream, .read_callback = give};
    stream->link = link;
    stream->client = client;
    stream->id = nghttp2_submit_request(link->engine, NULL, fields, 2, &content, stream);
    if (stream->id < 0) {
        free(stream);
        return false;
    }
    TAILQ_INSERT_TAIL(&link->streams, stream, entry);
    link->count++;
    client->stream = stream;
    client->target = target;
    client->status = 0;
    client->early_len = 0;
    client->state = CLIENT_ANSWER;
    client->begun_ns = now_ns();
    set_active(stream);
    return true;
}

enum err link_read(struct client *client, void *out, size_t cap, size_t *out_len)
{
    struct link_stream *stream = client->stream;
    *out_len = 0;
    if (stream->in_at == stream->in_len)
        return stream->has_end ? ERR_EOF : stream->is_closed ? ERR_SYSTEM : ERR_AGAIN;
    const struct slice rest = slice_of(stream->in + stream->in_at, stream->in_len - stream->in_at);
    const struct slice piece = slice_first(rest, cap);
    (void)bytes_copy(out, cap, piece);
    stream->in_at += piece.len;
    (void)nghttp2_session_consume(stream->link->engine, stream->id, piece.len);
    if (stream->in_at == stream->in_len)
        stream->in_at = stream->in_len = 0;
    *out_len = piece.len;
    return ERR_OK;
}

enum err link_write(struct client *client, struct slice bytes, size_t *out_len)
{
    struct link_stream *stream = client->stream;
    *out_len = 0;
    if (stream->is_closed || stream->link->is_lost)
        return ERR_SYSTEM;
    if (stream->out.len > 0)
        return ERR_AGAIN;
    stream->out = bytes;
    (void)nghttp2_session_resume_data(stream->link->engine, stream->id);
    *out_len = bytes.len;
    return ERR_OK;
}

void link_want(struct client *client, bool read, bool write)
{
    struct link_stream *stream = client->stream;
    if (stream == NULL)
        return;
    stream->wants_read = read;
    stream->wants_write = write;
    set_active(stream);
}

void link_close(struct client *client, bool is_reset)
{
    struct link_stream *stream = client->stream;
    if (stream == NULL)
        return;
    if (!stream->is_closed && !stream->link->is_lost) {
        stream->ends = true;
        if (is_reset)
            (void)nghttp2_submit_rst_stream(stream->link->engine, NGHTTP2_FLAG_NONE, stream->id,
                                            NGHTTP2_CANCEL);
        else
            (void)nghttp2_session_resume_data(stream->link->engine, stream->id);
    }
    leave(stream);
}

void links_close(struct links *links)
{
    while (links->first != NULL) {
        struct link *link = links->first;
        links->first = link->next;
        destroy(link);
    }
}
