// Glue to nghttp2. Its callbacks only note what has come: streams are told, and bytes sent, once it has returned, for it
// must not be called from within.
#include "proxy/http2/http2_session.h"

#include <nghttp2/nghttp2.h>
#include <stdlib.h>

#include "proxy/http/field.h"

enum {
    FRAME_ROOM = 16 * 1024 + 9, // bytes of the largest frame that we send
    FRAME_HEADER_LEN = 9,
    RECORD_LEN = 16 * 1024, // bytes that one record of TLS carries
    PIECE_LEN = 16 * 1024,  // bytes read at once; of a turn it is this many, some times
    PIECES_A_STEP = 4,
    GATHER_LEN = 63 * 1024, // bytes of bulk that are worth a write
    GATHER_STEPS = 8,       // that bulk waits for more
    LATE_MS = 30000,        // after a reset of ours frames for its stream may still be on their way
};

static bool is_client(const struct http2_session *session)
{
    return session->events->on_request == NULL;
}

static struct http2_stream *stream_of(struct nghttp2_session *engine, int32_t id)
{
    return nghttp2_session_get_stream_user_data(engine, id);
}

static enum err err_of(int result)
{
    return result == 0 ? ERR_OK : result == NGHTTP2_ERR_NOMEM ? ERR_MEMORY : ERR_INPUT;
}

// heed takes what the engine has answered. An engine that met a lack of memory may have left out a frame that the client
// waits for: its connection ends.
static enum err heed(struct http2_session *session, int result)
{
    session->is_broken = session->is_broken || result == NGHTTP2_ERR_NOMEM;
    return err_of(result);
}

// ---- sending ------------------------------------------------------------------------------------

static size_t out_room(const struct http2_session *session)
{
    return session->out == NULL ? BUFFER_CAP : buffer_room(session->out);
}

// pass_on gives frames to the stream below, which gathers them, once they fill a record. What it does not take stays.
static enum err pass_on(struct http2_session *session)
{
    while (buffer_len(session->out) >= RECORD_LEN) {
        size_t passed = 0;
        const enum err error = stream_push(
            session->below, slice_first(buffer_unread(session->out), RECORD_LEN), &passed);
        if (error != ERR_OK)
            return error == ERR_AGAIN ? ERR_OK : error;
        buffer_consume(session->out, passed);
    }
    return ERR_OK;
}

// pump moves frames from the engine to `out`, and whole records on from there, as far as there is room. ERR_MEMORY, or an
// error of the stream below.
static enum err pump(struct http2_session *session)
{
    while (true) {
        const uint8_t *bytes = NULL;
        session->is_full = out_room(session) < FRAME_ROOM;
        if (session->is_full)
            return ERR_OK;
        if (session->out == NULL)
            session->out = buffer_pool_take(session->pool);
        if (session->out == NULL)
            return ERR_MEMORY;
        const size_t before = session->out->end;
        const ssize_t len = nghttp2_session_mem_send(session->engine, &bytes);
        if (len < 0)
            return heed(session, NGHTTP2_ERR_NOMEM);
        const bool fits = buffer_append(session->out, slice_of(bytes, (size_t)len));
        ASSERT(fits);
        if (session->out->end == before)
            break;
        TRY(pass_on(session));
    }
    buffer_pool_give_if_empty(session->pool, &session->out);
    return ERR_OK;
}

// send_out sends what is in `out`. ERR_AGAIN: some is left.
static enum err send_out(struct http2_session *session)
{
    while (buffer_len(session->out) > 0) {
        size_t sent = 0;
        TRY(stream_push(session->below, buffer_unread(session->out), &sent));
        buffer_consume(session->out, sent);
    }
    buffer_pool_give_if_empty(session->pool, &session->out);
    return stream_flush(session->below);
}

// content_room gives how many bytes of content the next DATA frame may have. Where it can, a frame ends with a record.
static size_t content_room(const struct http2_session *session)
{
    const size_t in_record = buffer_len(session->out) % RECORD_LEN + FRAME_HEADER_LEN;
    const size_t room = out_room(session) - FRAME_HEADER_LEN;
    const size_t record_room = in_record < RECORD_LEN ? RECORD_LEN - in_record : room;
    return record_room < room ? record_room : room;
}

// is_malformed tells whether the stream has to end by a reset, also after an answer (RFC 9113 8.1.1).
static bool is_malformed(const struct http2_stream *stream)
{
    return stream->upload.misfit != NULL;
}

// give_content is how the engine asks for DATA.
static ssize_t give_content(nghttp2_session *engine, int32_t id, uint8_t *out, size_t cap,
                            uint32_t *flags, nghttp2_data_source *source, void *owner)
{
    struct http2_session *session = owner;
    struct http2_stream *stream = source->ptr;
    (void)engine, (void)id, (void)out;
    size_t len = stream->pending.len < cap ? stream->pending.len : cap;
    const size_t room = content_room(session);
    len = len < room ? len : room;
    if (len == 0 && !(stream->says_end && stream->pending.len == 0))
        return NGHTTP2_ERR_DEFERRED;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (stream->says_end && len == stream->pending.len) {
        const bool stays_open = stream->has_trailer || is_malformed(stream);
        *flags |= NGHTTP2_DATA_FLAG_EOF | (stays_open ? NGHTTP2_DATA_FLAG_NO_END_STREAM : 0);
        stream->has_said_end = true;
    }
    return (ssize_t)len;
}

// put_content writes a DATA frame: what give_content has said. The engine pauses after it, so that `pump` looks for room
// before the next one.
static int put_content(nghttp2_session *engine, nghttp2_frame *frame, const uint8_t *header,
                       size_t len, nghttp2_data_source *source, void *owner)
{
    struct http2_session *session = owner;
    struct http2_stream *stream = source->ptr;
    (void)engine, (void)frame;
    const bool fits = buffer_append(session->out, slice_of(header, FRAME_HEADER_LEN)) &&
                      buffer_append(session->out, slice_first(stream->pending, len));
    ASSERT(fits);
    stream->pending = slice_from(stream->pending, len);
    return NGHTTP2_ERR_PAUSE;
}

static void set_blocked(struct http2_session *session, struct http2_stream *stream, bool is_blocked)
{
    if (is_blocked && !stream->is_blocked)
        TAILQ_INSERT_TAIL(&session->blocked, stream, blocked_link);
    if (!is_blocked && stream->is_blocked)
        TAILQ_REMOVE(&session->blocked, stream, blocked_link);
    stream->is_blocked = is_blocked;
}

void http2_session_send(struct http2_session *session, struct http2_stream *stream)
{
    if (stream->id != 0)
        (void)heed(session, nghttp2_session_resume_data(session->engine, stream->id));
    session->is_broken = session->is_broken || pump(session) != ERR_OK;
    set_blocked(session, stream,
                stream->pending.len > 0 || (stream->says_end && !stream->has_said_end));
}

// is_of_connection tells whether a field in HTTP/1.1 has no meaning in HTTP/2 (RFC 9113 8.2.2).
static bool is_of_connection(const struct field *field)
{
    static const char *const names[] = {"connection", "keep-alive", "proxy-connection",
                                        "transfer-encoding", "upgrade"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (slice_equal_ignore_case(field->name, slice_of_string(names[i])))
            return true;
    }
    return false;
}

static nghttp2_nv pair(struct slice name, struct slice value)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name.data,
                        .namelen = name.len,
                        .value = (uint8_t *)(uintptr_t)value.data,
                        .valuelen = value.len};
}

// fields_of gives the fields that go on; the engine writes their names in lower case.
static size_t fields_of(struct slice lines, nghttp2_nv out[RESPONSE_HEAD_OWN_MAX_FIELDS])
{
    struct field field;
    size_t count = 0;
    while (count < RESPONSE_HEAD_OWN_MAX_FIELDS && field_next(&lines, &field)) {
        if (!is_of_connection(&field))
            out[count++] = pair(field.name, field.value);
    }
    return count;
}

enum err http2_session_submit_head(struct http2_session *session, struct http2_stream *stream,
                                   const struct message_head *head, bool has_end)
{
    nghttp2_nv fields[1 + RESPONSE_HEAD_OWN_MAX_FIELDS];
    const nghttp2_data_provider content = {.source.ptr = stream, .read_callback = give_content};
    const uint8_t status[3] = {(uint8_t)('0' + head->status / 100),
                               (uint8_t)('0' + head->status / 10 % 10),
                               (uint8_t)('0' + head->status % 10)};
    fields[0] = pair(SLICE_LITERAL(":status"), slice_of(status, sizeof status));
    const size_t count = 1 + fields_of(head->fields, fields + 1);
    const int result = head->status < 200
                           ? nghttp2_submit_headers(session->engine, NGHTTP2_FLAG_NONE, stream->id,
                                                    NULL, fields, count, NULL)
                           : nghttp2_submit_response(session->engine, stream->id, fields, count,
                                                     has_end ? NULL : &content);
    TRY(heed(session, result < 0 ? result : 0));
    stream->has_said_end = has_end;
    return pump(session);
}

// stays_here tells whether a field of a CONNECT does not go on, beside those of the connection: :authority has the target,
// and a length or TE has no meaning (RFC 9113 8.5). `options`: those of Connection.
static bool stays_here(const struct field *field, struct slice options)
{
    static const char *const names[] = {"host", "content-length", "te", "http2-settings"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (slice_equal_ignore_case(field->name, slice_of_string(names[i])))
            return true;
    }
    return is_of_connection(field) || list_has(options, field->name);
}

// connection_options gives the value of the first Connection field.
static struct slice connection_options(struct slice lines)
{
    struct field field;
    while (field_next(&lines, &field)) {
        if (slice_equal_ignore_case(field.name, SLICE_LITERAL("connection")))
            return field.value;
    }
    return (struct slice){0};
}

enum err http2_session_submit_connect(struct http2_session *session, struct http2_stream *stream,
                                      const struct message_head *head)
{
    enum { PSEUDO_COUNT = 2, CAP = PSEUDO_COUNT + HEAD_CONNECT_MAX_FIELDS };
    nghttp2_nv fields[CAP];
    struct field field;
    struct slice lines = head->fields;
    const struct slice options = connection_options(lines);
    const nghttp2_data_provider content = {.source.ptr = stream, .read_callback = give_content};
    size_t count = 0;
    fields[count++] = pair(SLICE_LITERAL(":method"), head->method_text);
    fields[count++] = pair(SLICE_LITERAL(":authority"), head->target);
    while (count < CAP && field_next(&lines, &field)) {
        if (!stays_here(&field, options))
            fields[count++] = pair(field.name, field.value);
    }
    const int32_t id =
        nghttp2_submit_request(session->engine, NULL, fields, count, &content, stream);
    if (id < 0)
        return heed(session, id);
    stream->id = id;
    session->open_count++;
    return pump(session);
}

uint32_t http2_session_room(const struct http2_session *session)
{
    const uint32_t allowed = nghttp2_session_get_remote_settings(
        session->engine, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    const uint32_t most = allowed < session->options.streams ? allowed : session->options.streams;
    if (session->is_leaving || session->has_end || session->why != NULL || session->is_broken)
        return 0;
    return session->live_count < most ? most - session->live_count : 0;
}

enum err http2_session_submit_trailer(struct http2_session *session, struct http2_stream *stream,
                                      struct slice trailer)
{
    nghttp2_nv fields[RESPONSE_HEAD_OWN_MAX_FIELDS];
    const size_t count = fields_of(trailer, fields);
    stream->has_trailer = count > 0;
    if (count > 0)
        TRY(heed(session, nghttp2_submit_trailer(session->engine, stream->id, fields, count)));
    stream->says_end = true;
    http2_session_send(session, stream);
    stream->has_said_end = true;
    return ERR_OK;
}

// ---- streams ------------------------------------------------------------------------------------

// is_wanted tells whether the owner of a stream is to be told: what it waits for is there, or the stream was reset.
static bool is_wanted(const struct http2_stream *stream)
{
    return stream->is_reset || (stream->wants_read && http2_upload_can_read(&stream->upload)) ||
           (stream->wants_write && !stream->is_blocked);
}

static void set_queue(struct http2_session *session, struct http2_stream *stream,
                      enum http2_queue queue)
{
    if (stream->queue == queue)
        return;
    if (stream->queue != HTTP2_QUEUE_NONE)
        TAILQ_REMOVE(&session->queues[stream->queue], stream, queue_link);
    if (queue != HTTP2_QUEUE_NONE)
        TAILQ_INSERT_TAIL(&session->queues[queue], stream, queue_link);
    session->ready_count += queue == HTTP2_QUEUE_READY;
    session->ready_count -= stream->queue == HTTP2_QUEUE_READY;
    stream->queue = queue;
}

bool http2_session_gathers(const struct http2_stream *stream)
{
    const uint32_t half = stream->window / 2; // the client must be able to go on meanwhile
    const size_t enough = half < GATHER_LEN ? half : GATHER_LEN;
    return stream->session->gathers && stream->is_bulk && !stream->is_reset &&
           !stream->upload.has_end && http2_upload_left(&stream->upload) < enough;
}

void http2_session_note(struct http2_session *session, struct http2_stream *stream)
{
    const bool is_told = !stream->is_closed && is_wanted(stream);
    const bool may_write = stream->wants_write && !stream->is_blocked;
    if (!is_told)
        set_queue(session, stream, HTTP2_QUEUE_NONE);
    else if (may_write || !http2_session_gathers(stream))
        set_queue(session, stream, HTTP2_QUEUE_READY);
    else
        set_queue(session, stream, HTTP2_QUEUE_GATHERING);
}

// gather decides whether bulk waits for more. `is_coming`: there is more to read.
static void gather(struct http2_session *session, bool is_coming)
{
    session->gathers = is_coming && session->gathered < GATHER_STEPS;
    session->gathered = session->gathers ? session->gathered + 1 : 0;
    while (!session->gathers && !TAILQ_EMPTY(&session->queues[HTTP2_QUEUE_GATHERING]))
        set_queue(session, TAILQ_FIRST(&session->queues[HTTP2_QUEUE_GATHERING]), HTTP2_QUEUE_READY);
}

static void unblock(struct http2_session *session, struct http2_stream *stream)
{
    set_blocked(session, stream, false);
    http2_session_note(session, stream);
}

// unblock_all has all that want to send try again: see `wake`.
static void unblock_all(struct http2_session *session)
{
    session->may_wake = !TAILQ_EMPTY(&session->blocked);
}

// grow doubles the window of a stream whose reader has taken a whole one and left nothing, while there is credit: what
// all streams together may be sent never exceeds the connection's memory.
static void grow(struct http2_session *session, struct http2_stream *stream)
{
    const uint32_t more = stream->window;
    const uint64_t least = (uint64_t)session->options.streams * HTTP2_FIRST_WINDOW;
    if (!session->is_settled || stream->window_used < stream->window ||
        http2_upload_left(&stream->upload) > 0 || stream->window + more > session->options.window ||
        least + session->grown + more > session->options.memory)
        return;
    if (heed(session,
             nghttp2_session_set_local_window_size(session->engine, NGHTTP2_FLAG_NONE, stream->id,
                                                   (int32_t)(stream->window + more))) != ERR_OK)
        return;
    session->grown += more;
    stream->window += more;
    stream->window_used = 0;
}

void http2_session_consumed(struct http2_session *session, struct http2_stream *stream, size_t len)
{
    if (stream->id == 0)
        return;
    (void)heed(session, nghttp2_session_consume_stream(session->engine, stream->id, len));
    stream->window_used += len;
    grow(session, stream);
}

// shrink gives back the credit of a stream that takes no more.
static void shrink(struct http2_stream *stream)
{
    stream->session->grown -= stream->window - HTTP2_FIRST_WINDOW;
    stream->window = HTTP2_FIRST_WINDOW;
}

static void forget(struct http2_stream *stream)
{
    if (stream->id == 0)
        return;
    (void)nghttp2_session_set_stream_user_data(stream->session->engine, stream->id, NULL);
    stream->id = 0;
    stream->session->open_count--;
    shrink(stream);
}

static void reset(struct http2_session *session, int32_t id, uint32_t code)
{
    (void)heed(session, nghttp2_submit_rst_stream(session->engine, NGHTTP2_FLAG_NONE, id, code));
}

// code_of gives the error code of a reset of ours. CONNECT_ERROR is about the connection of a CONNECT alone (RFC 9113 7).
static uint32_t code_of(const struct http2_stream *stream)
{
    switch (stream->end) {
    case HTTP2_END_CANCEL:
        break;
    case HTTP2_END_TARGET:
        return stream->upload.is_connect ? NGHTTP2_CONNECT_ERROR : NGHTTP2_INTERNAL_ERROR;
    case HTTP2_END_REFUSED:
        return NGHTTP2_REFUSED_STREAM;
    }
    return NGHTTP2_CANCEL;
}

void http2_session_end(struct http2_session *session, struct http2_stream *stream, bool is_reset)
{
    set_queue(session, stream, HTTP2_QUEUE_NONE);
    set_blocked(session, stream, false);
    if (stream->id == 0)
        return;
    if (is_client(session)) // a tunnel that is left before both its ends
        is_reset = is_reset || !stream->upload.has_end || !stream->has_said_end;
    if (is_client(session) && is_reset && !stream->upload.has_head)
        session->vain_count++;
    if (is_reset)
        reset(session, stream->id, code_of(stream));
    else if (is_malformed(stream))
        reset(session, stream->id, NGHTTP2_PROTOCOL_ERROR);
    else if (!stream->upload.has_end) // RFC 9113 8.1
        reset(session, stream->id, NGHTTP2_NO_ERROR);
    forget(stream);
}

void http2_stream_destroy(struct http2_stream *stream)
{
    if (stream == NULL)
        return;
    stream_close(&stream->stream, true);
    TAILQ_REMOVE(&stream->session->live, stream, link);
    stream->session->live_count--;
    http2_upload_deinit(&stream->upload);
    free(stream);
}

// ---- what comes ---------------------------------------------------------------------------------

// give_up ends the connection for something that the client did. The first fault counts.
static void give_up(struct http2_session *session, enum http2_fault fault, uint32_t code,
                    const char *why)
{
    if (session->why != NULL)
        return;
    session->why = why;
    session->fault = fault;
    (void)heed(session, nghttp2_session_terminate_session(session->engine, code));
}

// charge counts what a client does that moves no byte. Too much of it ends the connection.
static void charge(struct http2_session *session, enum http2_cost cost)
{
    if (!http2_budget_take(&session->budget, cost, session->now_ms))
        give_up(session, HTTP2_FAULT_FLOOD, NGHTTP2_ENHANCE_YOUR_CALM, http2_cost_text(cost));
}

// is_gone tells whether a stream was there, or was passed over. The engine knows none that is closed.
static bool is_gone(const struct http2_session *session, int32_t id)
{
    return !is_client(session) && id % 2 == 1 && id <= session->last_id &&
           nghttp2_session_find_stream(session->engine, id) == NULL;
}

// take_late judges HEADERS of a stream that is gone. Where we have reset one lately, they may have been on their way;
// otherwise the client must know better (RFC 9113 5.1, 5.1.1). DATA of such a stream the engine passes over by itself.
static void take_late(struct http2_session *session, int32_t id)
{
    if (session->now_ms < session->late_until_ms)
        return;
    if (id > session->before_last_id && id < session->last_id)
        give_up(session, HTTP2_FAULT_PROTOCOL, NGHTTP2_PROTOCOL_ERROR, "a stream that goes back");
    else
        give_up(session, HTTP2_FAULT_PROTOCOL, NGHTTP2_STREAM_CLOSED, "a stream that has ended");
}

static int on_begin_frame(nghttp2_session *engine, const nghttp2_frame_hd *header, void *owner)
{
    struct http2_session *session = owner;
    const bool is_late = is_gone(session, header->stream_id);
    (void)engine;
    if (is_late && header->type == NGHTTP2_HEADERS)
        take_late(session, header->stream_id);
    switch (header->type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_RST_STREAM: // those of a stream that is open, or opens, are for on_frame
        if (is_late)
            charge(session, HTTP2_COST_CONTROL);
        break;
    case NGHTTP2_DATA:
        if (header->length == 0 && (header->flags & NGHTTP2_FLAG_END_STREAM) == 0)
            charge(session, HTTP2_COST_CONTROL);
        break;
    case NGHTTP2_WINDOW_UPDATE:
        charge(session, HTTP2_COST_WINDOW);
        break;
    default:
        charge(session, HTTP2_COST_CONTROL);
        break;
    }
    return session->why == NULL ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

// is_provoked tells whether a reset of ours answers what the client did wrong (CVE-2025-8671).
static bool is_provoked(uint32_t code)
{
    return code != NGHTTP2_NO_ERROR && code != NGHTTP2_CANCEL && code != NGHTTP2_CONNECT_ERROR &&
           code != NGHTTP2_INTERNAL_ERROR && code != NGHTTP2_REFUSED_STREAM; // see on_begin_headers
}

static enum http2_loss loss_of(uint32_t code)
{
    return code == NGHTTP2_INTERNAL_ERROR ? HTTP2_LOSS_MEMORY : HTTP2_LOSS_MISUSE;
}

// take_sent_reset counts the resets that a client provokes from us. A stream that the engine still knows was reset by the
// engine.
static void take_sent_reset(struct http2_session *session, const nghttp2_frame *frame)
{
    struct http2_stream *stream = stream_of(session->engine, frame->hd.stream_id);
    session->late_until_ms = session->now_ms + LATE_MS;
    if (stream != NULL)
        stream->loss = loss_of(frame->rst_stream.error_code);
    if (is_provoked(frame->rst_stream.error_code))
        charge(session, HTTP2_COST_RESET);
}

// on_sent also notes why the engine ends the connection.
static int on_sent(nghttp2_session *engine, const nghttp2_frame *frame, void *owner)
{
    struct http2_session *session = owner;
    (void)engine;
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR &&
        session->why == NULL)
        session->why = nghttp2_http2_strerror(frame->goaway.error_code);
    if (frame->hd.type == NGHTTP2_DATA)
        http2_budget_earn(&session->budget, frame->hd.length);
    if (frame->hd.type == NGHTTP2_RST_STREAM)
        take_sent_reset(session, frame);
    return 0;
}

struct http2_stream *http2_session_add_stream(struct http2_session *session)
{
    struct http2_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL)
        return NULL;
    stream->stream.ops = session->events->ops;
    stream->session = session;
    stream->window = HTTP2_FIRST_WINDOW;
    stream->upload.content.pool = session->pool;
    stream->upload.fields.max_size = session->options.fields;
    TAILQ_INSERT_TAIL(&session->live, stream, link);
    session->live_count++;
    return stream;
}

// set_id joins the stream to the engine's.
static void set_id(struct http2_session *session, struct http2_stream *stream, int32_t id)
{
    stream->id = id;
    session->open_count++;
    (void)nghttp2_session_set_stream_user_data(session->engine, id, stream);
}

// take_stream makes the stream of a request that has begun. False: it is not taken.
static bool take_stream(struct http2_session *session, int32_t id)
{
    session->before_last_id = session->last_id;
    session->last_id = id;
    const bool is_too_many = session->open_count >= session->options.streams;
    struct http2_stream *stream = http2_session_add_stream(session);
    if (stream == NULL) {
        if (session->events->on_missed != NULL)
            session->events->on_missed(session->owner, id);
        return false;
    }
    set_id(session, stream, id);
    if (session->events->on_request(session->owner, stream, is_too_many))
        return true;
    forget(stream);
    http2_stream_destroy(stream);
    return false;
}

static int on_begin_headers(nghttp2_session *engine, const nghttp2_frame *frame, void *owner)
{
    struct http2_session *session = owner;
    (void)engine;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST || take_stream(session, frame->hd.stream_id))
        return 0;
    reset(session, frame->hd.stream_id, NGHTTP2_REFUSED_STREAM);
    charge(session, HTTP2_COST_RESET);
    return 0;
}

static int on_header(nghttp2_session *engine, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *owner)
{
    struct http2_stream *stream = stream_of(engine, frame->hd.stream_id);
    (void)flags, (void)owner;
    if (stream == NULL)
        return 0;
    const enum err error = request_fields_add(&stream->upload.fields, slice_of(name, name_len),
                                              slice_of(value, value_len));
    return error == ERR_MEMORY ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE : 0;
}

// break_stream resets a stream that the client has used wrongly, or that there is no memory for. Its owner reads the error.
static void break_stream(struct http2_session *session, struct http2_stream *stream, uint32_t code)
{
    reset(session, stream->id, code);
    forget(stream);
    stream->is_reset = true;
    stream->loss = loss_of(code);
    http2_session_note(session, stream);
}

static void take_headers(struct http2_session *session, struct http2_stream *stream,
                         const nghttp2_frame *frame)
{
    const bool has_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (is_client(session)) {
        if (session->events->take_answer(stream, has_end) != ERR_OK)
            break_stream(session, stream, NGHTTP2_PROTOCOL_ERROR);
        else
            http2_session_note(session, stream);
        if (!stream->upload.has_head) // an interim answer; each request has one other
            charge(session, HTTP2_COST_CONTROL);
    } else if (!stream->upload.has_head) {
        if (http2_upload_take_head(&stream->upload, has_end) == ERR_MEMORY)
            break_stream(session, stream, NGHTTP2_INTERNAL_ERROR);
        else
            http2_session_note(session, stream);
    } else if (!has_end || stream->upload.is_connect ||
               http2_upload_take_end(&stream->upload) != ERR_OK) {
        break_stream(session, stream, NGHTTP2_PROTOCOL_ERROR); // RFC 9113 8.1, 8.5
    } else {
        http2_session_note(session, stream);
    }
}

// take_data takes the end of the content, where there is one. DATA that is padding alone carries nothing.
static void take_data(struct http2_session *session, struct http2_stream *stream,
                      const nghttp2_frame *frame)
{
    const bool has_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (!has_end && frame->hd.length > 0 && frame->hd.length == frame->data.padlen)
        charge(session, HTTP2_COST_CONTROL);
    if (!has_end || stream == NULL)
        return;
    if (http2_upload_take_end(&stream->upload) != ERR_OK)
        break_stream(session, stream, NGHTTP2_PROTOCOL_ERROR);
    else
        http2_session_note(session, stream);
}

// take_acknowledgement gives the connection its window, once the client's streams have the size that we want.
static void take_acknowledgement(struct http2_session *session)
{
    session->is_settled = true;
    (void)heed(session, nghttp2_session_consume_connection(session->engine, session->uncredited));
    session->uncredited = 0;
    (void)heed(session, nghttp2_session_set_local_window_size(session->engine, NGHTTP2_FLAG_NONE, 0,
                                                              (int32_t)session->options.memory));
}

static int on_frame(nghttp2_session *engine, const nghttp2_frame *frame, void *owner)
{
    struct http2_session *session = owner;
    struct http2_stream *stream = stream_of(engine, frame->hd.stream_id);
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        if (stream != NULL)
            take_headers(session, stream, frame);
        break;
    case NGHTTP2_DATA:
        take_data(session, stream, frame);
        break;
    case NGHTTP2_RST_STREAM:
        if (stream != NULL && !stream->has_head && !is_client(session))
            charge(session, HTTP2_COST_RESET);
        break;
    case NGHTTP2_WINDOW_UPDATE:
        if (stream != NULL)
            unblock(session, stream);
        else
            unblock_all(session);
        break;
    case NGHTTP2_GOAWAY:
        session->is_leaving = true;
        break;
    case NGHTTP2_SETTINGS:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0)
            take_acknowledgement(session);
        unblock_all(session);
        break;
    default:
        break;
    }
    return session->why == NULL ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

// on_content credits the connection at once, so that a stream which is not read stops no other. Before the client has taken
// our SETTINGS its streams have windows of 64 KiB each (RFC 9113 6.9.2): all of them together get no more than one such.
static int on_content(nghttp2_session *engine, uint8_t flags, int32_t id, const uint8_t *bytes,
                      size_t len, void *owner)
{
    struct http2_session *session = owner;
    struct http2_stream *stream = stream_of(engine, id);
    (void)flags;
    if (session->is_settled)
        (void)heed(session, nghttp2_session_consume_connection(engine, len));
    else
        session->uncredited += len;
    if (stream == NULL || is_malformed(stream))
        return 0;
    if ((is_client(session) && !stream->upload.has_head) ||
        http2_upload_take_content(&stream->upload, slice_of(bytes, len)) != ERR_OK)
        break_stream(session, stream, NGHTTP2_PROTOCOL_ERROR);
    else
        http2_session_note(session, stream);
    return 0;
}

static int on_close(nghttp2_session *engine, int32_t id, uint32_t code, void *owner)
{
    struct http2_session *session = owner;
    struct http2_stream *stream = stream_of(engine, id);
    if (stream == NULL)
        return 0;
    forget(stream);
    if (is_client(session)) {
        // After the end of the answer a reset without an error only asks for no more bytes (RFC 9113 8.1): one that waits to
        // send learns by its next write that no window will open.
        set_blocked(session, stream, false);
        stream->is_reset = code != NGHTTP2_NO_ERROR || !stream->upload.has_end;
        if (code == NGHTTP2_REFUSED_STREAM && !stream->upload.has_head)
            stream->loss = HTTP2_LOSS_REFUSED;
        http2_session_note(session, stream);
        return 0;
    }
    stream->is_reset = code != NGHTTP2_NO_ERROR || !stream->upload.has_end || !stream->has_said_end;
    http2_session_note(session, stream);
    return 0;
}

// on_not_sent: a request that waited in the engine until the proxy took no more.
static int on_not_sent(nghttp2_session *engine, const nghttp2_frame *frame, int error, void *owner)
{
    struct http2_session *session = owner;
    struct http2_stream *stream = NULL;
    (void)engine, (void)error;
    if (!is_client(session) || frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    TAILQ_FOREACH(stream, &session->live, link)
    {
        if (stream->id != frame->hd.stream_id || stream->upload.has_head)
            continue;
        stream->id = 0;
        stream->is_reset = true;
        stream->loss = HTTP2_LOSS_REFUSED;
        http2_session_note(session, stream);
    }
    return 0;
}

// ---- the session --------------------------------------------------------------------------------

// pass_over drops a frame that we do not know, once on_begin_frame has counted it (RFC 9113 4.1).
static int pass_over(nghttp2_session *engine, void **payload, const nghttp2_frame_hd *header,
                     void *owner)
{
    (void)engine, (void)payload, (void)header, (void)owner;
    return NGHTTP2_ERR_CANCEL;
}

static nghttp2_session_callbacks *make_callbacks(void)
{
    nghttp2_session_callbacks *callbacks = NULL;
    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        return NULL;
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_not_sent);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_content);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_unpack_extension_callback(callbacks, pass_over);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, put_content);
    return callbacks;
}

static nghttp2_option *make_options(void)
{
    nghttp2_option *options = NULL;
    if (nghttp2_option_new(&options) != 0)
        return NULL;
    nghttp2_option_set_no_auto_window_update(options, 1);
    nghttp2_option_set_no_http_messaging(options, 1); // request_fields.h judges
    // http2_budget.h counts those of requests that are not answered: the others end tunnels.
    nghttp2_option_set_stream_reset_rate_limit(options, UINT64_MAX, UINT64_MAX);
    nghttp2_option_set_max_deflate_dynamic_table_size(options, 0);
    nghttp2_option_set_no_closed_streams(options, 1);
    for (int type = NGHTTP2_CONTINUATION + 1; type <= UINT8_MAX; type++)
        nghttp2_option_set_user_recv_extension_type(options, (uint8_t)type); // see pass_over
    return options;
}

static bool make_engine(struct http2_session *session)
{
    nghttp2_session_callbacks *callbacks = make_callbacks();
    nghttp2_option *options = make_options();
    const bool is_made =
        callbacks != NULL && options != NULL &&
        (is_client(session)
             ? nghttp2_session_client_new2(&session->engine, callbacks, session, options)
             : nghttp2_session_server_new2(&session->engine, callbacks, session, options)) == 0;
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(options);
    return is_made;
}

// say_settings announces what we take. The engine ends the connection of a client that opens a stream more than it
// knows to be allowed: it is told of no limit, and the frame of the true one. See on_begin_headers.
static bool say_settings(struct http2_session *session)
{
    enum { LIMIT_AT = FRAME_HEADER_LEN + 2, LIMIT_LEN = 4 }; // of the first entry's value
    const nghttp2_settings_entry entries[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, is_client(session) ? 0 : INT32_MAX},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, HTTP2_FIRST_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
         session->options.fields == 0 ? REQUEST_FIELDS_MAX_SIZE : session->options.fields},
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0}, // last: of a client's side alone (RFC 9113 6.5.2)
    };
    const size_t count = sizeof entries / sizeof *entries - (is_client(session) ? 0 : 1);
    const uint32_t streams = session->options.streams;
    const uint8_t limit[LIMIT_LEN] = {(uint8_t)(streams >> 24), (uint8_t)(streams >> 16),
                                      (uint8_t)(streams >> 8), (uint8_t)streams};
    if (nghttp2_submit_settings(session->engine, NGHTTP2_FLAG_NONE, entries, count) != 0 ||
        pump(session) != ERR_OK)
        return false;
    if (is_client(session))
        return true;
    uint8_t *frame = session->out->data + session->out->start;
    ASSERT(frame[3] == NGHTTP2_SETTINGS && frame[LIMIT_AT - 1] == entries[0].settings_id);
    return bytes_copy(frame + LIMIT_AT, LIMIT_LEN, slice_of(limit, sizeof limit));
}

struct http2_session *http2_session_create(const struct http2_options *options,
                                           struct stream *below, struct buffer_pool *pool,
                                           const struct http2_events *events, void *owner)
{
    struct http2_session *session = calloc(1, sizeof *session);
    if (session == NULL)
        return NULL;
    session->below = below;
    session->pool = pool;
    session->events = events;
    session->owner = owner;
    session->options = *options;
    TAILQ_INIT(&session->queues[HTTP2_QUEUE_READY]);
    TAILQ_INIT(&session->queues[HTTP2_QUEUE_GATHERING]);
    TAILQ_INIT(&session->live);
    TAILQ_INIT(&session->blocked);
    if (!make_engine(session) || !say_settings(session)) {
        http2_session_destroy(session);
        return NULL;
    }
    return session;
}

void http2_session_destroy(struct http2_session *session)
{
    if (session == NULL)
        return;
    ASSERT(session->live_count == 0);
    nghttp2_session_del(session->engine);
    if (session->out != NULL)
        buffer_consume(session->out, buffer_len(session->out));
    buffer_pool_give(session->pool, &session->out);
    free(session);
}

// take gives bytes to the engine. ERR_INPUT: the client broke the protocol.
static enum err take(struct http2_session *session, struct slice bytes)
{
    const ssize_t taken = nghttp2_session_mem_recv(session->engine, bytes.data, bytes.len);
    if (taken >= 0 && (size_t)taken == bytes.len)
        return ERR_OK;
    if (taken == NGHTTP2_ERR_NOMEM)
        return ERR_MEMORY;
    const bool is_flood =
        taken == NGHTTP2_ERR_FLOODED || taken == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS;
    give_up(session, is_flood ? HTTP2_FAULT_FLOOD : HTTP2_FAULT_PROTOCOL,
            is_flood ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR,
            taken < 0 ? nghttp2_strerror((int)taken) : "too much at once");
    return ERR_INPUT;
}

// read_below reads and takes, a piece at a time, while there is room for what is to be said about it.
static enum err read_below(struct http2_session *session)
{
    uint8_t piece[PIECE_LEN];
    for (size_t i = 0; i < PIECES_A_STEP && !session->is_full; i++) {
        size_t len = 0;
        TRY(stream_read(session->below, piece, sizeof piece, &len));
        session->silence = (struct http2_silence){.heard_ms = session->now_ms};
        TRY(take(session, slice_of(piece, len)));
        TRY(pump(session));
    }
    return ERR_OK;
}

// tell tells the streams, each once, in the order in which they became ready. Those that become ready meanwhile come next
// time. A stream that is told may destroy others.
static void tell(struct http2_session *session)
{
    for (uint32_t left = session->ready_count; left > 0 && session->ready_count > 0; left--) {
        struct http2_stream *stream = TAILQ_FIRST(&session->queues[HTTP2_QUEUE_READY]);
        set_queue(session, stream, HTTP2_QUEUE_NONE);
        stream->stream.on_ready(stream->stream.owner);
    }
}

static bool has_room(const struct http2_session *session)
{
    return !session->is_full && nghttp2_session_get_remote_window_size(session->engine) > 0;
}

// wake tells streams that wait to send, each once, while the connection has room: the one that has waited longest goes first,
// and waits behind all others for more. One that waits for a window of its own is passed over.
static void wake(struct http2_session *session)
{
    struct http2_stream *stream = NULL;
    size_t left = 0;
    if (!session->may_wake)
        return;
    session->may_wake = false;
    TAILQ_FOREACH(stream, &session->blocked, blocked_link)
    {
        left++;
    }
    for (; left > 0 && !TAILQ_EMPTY(&session->blocked) && has_room(session); left--) {
        stream = TAILQ_FIRST(&session->blocked);
        const bool has_window =
            nghttp2_session_get_stream_remote_window_size(session->engine, stream->id) > 0;
        set_blocked(session, stream, false);
        set_blocked(session, stream, !has_window);
        http2_session_note(session, stream);
        if (stream->queue != HTTP2_QUEUE_READY)
            continue;
        set_queue(session, stream, HTTP2_QUEUE_NONE);
        stream->stream.on_ready(stream->stream.owner);
    }
}

// lose ends all streams: nothing more will come.
static void lose(struct http2_session *session)
{
    struct http2_stream *stream = NULL;
    TAILQ_FOREACH(stream, &session->live, link)
    {
        stream->is_reset = stream->is_reset || stream->id != 0;
        forget(stream);
        http2_session_note(session, stream);
    }
}

static enum http2_status status_of(struct http2_session *session, enum err read, enum err sent)
{
    const bool is_over = nghttp2_session_want_read(session->engine) == 0 &&
                         nghttp2_session_want_write(session->engine) == 0;
    if (session->is_broken || (sent != ERR_OK && sent != ERR_AGAIN))
        return HTTP2_BROKEN;
    if (session->why != NULL)
        return HTTP2_WRONG;
    if (session->live_count == 0 && (is_over || session->has_end))
        return sent == ERR_OK ? HTTP2_FINISHED : HTTP2_WAITS;
    const bool may_read_on = read == ERR_OK && !session->is_full;
    return may_read_on || session->ready_count > 0 || session->may_wake ? HTTP2_MORE : HTTP2_WAITS;
}

void http2_session_flush(struct http2_session *session)
{
    const enum err error = pump(session) == ERR_OK ? send_out(session) : ERR_MEMORY;
    session->is_broken = session->is_broken || (error != ERR_OK && error != ERR_AGAIN);
}

enum http2_status http2_session_step(struct http2_session *session, int64_t now_ms)
{
    enum err read = ERR_AGAIN;
    session->now_ms = now_ms;
    session->gathers = true; // until it is known what there is
    if (!session->has_end && session->why == NULL)
        read = read_below(session);
    if (read != ERR_OK && read != ERR_AGAIN) {
        session->has_end = true;
        session->is_broken = session->is_broken || read == ERR_MEMORY;
    }
    gather(session, read == ERR_OK && !session->is_full);
    // The streams of a client that was wrong are their owner's to end, who records why.
    if (session->why == NULL || is_client(session)) {
        if (session->has_end)
            lose(session);
        tell(session);
        wake(session);
    }
    session->is_broken = session->is_broken || pump(session) != ERR_OK;
    const bool was_full = session->is_full;
    const enum err sent = send_out(session);
    session->is_full = out_room(session) < FRAME_ROOM;
    if (was_full && !session->is_full)
        unblock_all(session);
    if (session->is_full)
        gather(session, false); // nothing is read until there is room
    const enum http2_status status = status_of(session, read, sent);
    // Of a client's side nobody else tells the streams that nothing more will come. Another step is not to be.
    if (is_client(session) && (status == HTTP2_BROKEN || status == HTTP2_WRONG))
        lose(session);
    return status;
}

void http2_session_update_interest(const struct http2_session *session)
{
    stream_want(session->below, !session->has_end && !session->is_full,
                buffer_len(session->out) > 0);
}

void http2_session_drain(struct http2_session *session, bool is_final)
{
    const int32_t last = nghttp2_session_get_last_proc_stream_id(session->engine);
    if (is_final)
        (void)heed(session, nghttp2_submit_goaway(session->engine, NGHTTP2_FLAG_NONE, last,
                                                  NGHTTP2_NO_ERROR, NULL, 0));
    else
        (void)heed(session, nghttp2_submit_shutdown_notice(session->engine));
}

void http2_session_check_settings(struct http2_session *session)
{
    if (!session->is_settled)
        give_up(session, HTTP2_FAULT_SETTINGS, NGHTTP2_SETTINGS_TIMEOUT,
                "our SETTINGS were not acknowledged");
}

void http2_session_end_silence(struct http2_session *session)
{
    if (session->silence.is_asked)
        session->is_broken = true;
    else
        (void)heed(session, nghttp2_submit_ping(session->engine, NGHTTP2_FLAG_NONE, NULL));
    session->silence.is_asked = true;
}
