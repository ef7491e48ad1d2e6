// One question after its start:
//   1. CONNECT: a kept connection, or a new one: DNS, dial, TLS.
//   2. HEAD: the question is written, and the head of the answer is awaited. Interim responses are dropped.
//   3. BODY: until it ends as the head has said.
//   4. DONE: the result stands; on_soon tells it from the loop.
// One timer ends everything. Reading goes on for READS_AT_ONCE pieces, then others of the loop have their turn.
#include "proxy/fetch/fetch.h"

#include <stdlib.h>

#include "auth/base/array.h"
#include "proxy/clock/clock.h"
#include "proxy/http/field.h"
#include "proxy/http/head.h"

enum { FETCH_MAGIC = 0xFE7C4000, READS_AT_ONCE = 16, BODY_FIRST_CAP = 4096 };

enum fetch_state { STATE_CONNECT, STATE_HEAD, STATE_BODY, STATE_DONE };

// question is what is asked.
struct question {
    struct http_url url;
    struct server_trust *tls; // ref; NULL: none
    size_t max_body;
    bool keeps;
    char *bytes; // owned; head and content
    size_t len;
};

// received is what of the answer is kept.
struct received {
    uint8_t *body; // owned
    size_t len;
    size_t cap;
    char content_type[FETCH_FIELD_CAP];
    char etag[FETCH_FIELD_CAP];
    char last_modified[FETCH_FIELD_CAP];
};

struct fetch {
    uint32_t magic;
    enum fetch_state state;
    struct fetcher *fetcher; // borrowed
    fetch_done_function *on_done;
    void *arg; // borrowed
    struct question question;
    struct received received;
    bool is_entered;                     // counted by the fetcher
    ev_timer deadline;                   // ends everything
    int64_t due_ms;                      // monotonic
    ev_timer soon;                       // of length zero: goes on, or tells the result
    size_t sent;                         // bytes of the question
    struct fetch_connection *connection; // owned; NULL once it is done
    bool is_kept;                        // the connection has answered somebody before
    bool has_answer;                     // a byte of it has come
    bool is_persistent;                  // the server means to keep the connection
    uint32_t interim_count;
    struct piece *piece; // borrowed from the pool; what is not read yet
    struct body_reader reader;
    struct fetch_result result;
    struct errinfo why;
};

static void drive(struct fetch *fetch);

static struct fetch *fetch_of(void *arg)
{
    struct fetch *fetch = arg;
    ASSERT(fetch->magic == FETCH_MAGIC);
    return fetch;
}

static struct ev_loop *loop_of(const struct fetch *fetch)
{
    return fetcher_path(fetch->fetcher)->loop;
}

static void set_timer(struct fetch *fetch, ev_timer *timer, int64_t after_ms)
{
    ev_now_update(loop_of(fetch));
    ev_timer_stop(loop_of(fetch), timer);
    ev_timer_set(timer, (ev_tstamp)after_ms / 1000., 0.);
    ev_timer_start(loop_of(fetch), timer);
}

// drop_way gives back what the exchange has needed.
static void drop_way(struct fetch *fetch)
{
    fetch_connection_destroy(fetch->connection);
    fetch->connection = NULL;
    if (fetch->piece != NULL)
        buffer_pool_give_piece(fetcher_path(fetch->fetcher)->buffers, fetch->piece);
    fetch->piece = NULL;
}

// finish ends the question; the first end counts.
static void finish(struct fetch *fetch, enum fetch_outcome outcome, const char *why)
{
    if (fetch->state == STATE_DONE)
        return;
    fetch->state = STATE_DONE;
    fetch->result.outcome = outcome;
    (void)errinfo_set(&fetch->why, ERR_OK, "%s%s",
                      outcome == FETCH_MALFORMED ? "what came is no good HTTP answer: " : "", why);
    drop_way(fetch);
    ev_timer_stop(loop_of(fetch), &fetch->deadline);
    set_timer(fetch, &fetch->soon, 0);
}

// finish_well ends it with a whole answer, and keeps the connection where that can serve again.
static void finish_well(struct fetch *fetch)
{
    const bool is_clean = fetch->piece->start == fetch->piece->end &&
                          fetch->sent == fetch->question.len && fetch->reader.kind != BODY_TO_END;
    if (fetch->question.keeps && fetch->is_persistent && is_clean) {
        fetcher_keep(fetch->fetcher, fetch->connection);
        fetch->connection = NULL;
    }
    fetch->result.body = slice_of(fetch->received.body, fetch->received.len);
    finish(fetch, FETCH_OK, "");
}

static void on_wake(void *owner)
{
    drive(fetch_of(owner));
}

// connect_anew begins a connection of its own.
static void connect_anew(struct fetch *fetch)
{
    fetch->is_kept = false;
    fetch->sent = 0;
    fetch->state = STATE_CONNECT;
    fetch->connection = fetch_connection_create(fetcher_path(fetch->fetcher), &fetch->question.url,
                                                fetch->question.tls, on_wake, fetch);
    if (fetch->connection == NULL)
        finish(fetch, FETCH_NO_RESOURCES, "no memory for a connection");
}

// lose ends it when the connection has ended; a kept one that has said nothing is no loss.
static void lose(struct fetch *fetch)
{
    if (!fetch->is_kept || fetch->has_answer) {
        finish(fetch, FETCH_CLOSED,
               fetch->has_answer ? "the connection ended in the middle of the answer"
                                 : "the connection ended without an answer");
        return;
    }
    drop_way(fetch);
    connect_anew(fetch);
    if (fetch->state != STATE_DONE)
        set_timer(fetch, &fetch->soon, 0);
}

// take_value notes the one field of this name, or nothing.
static void take_value(struct slice fields, const char *name, char out[FETCH_FIELD_CAP])
{
    struct field field;
    size_t count = 0;
    out[0] = '\0';
    while (field_next(&fields, &field)) {
        if (!slice_equal_ignore_case(field.name, slice_of_string(name)))
            continue;
        count++;
        if (!string_copy(out, FETCH_FIELD_CAP, field.value) || count > 1)
            out[0] = '\0';
    }
}

// is_coded tells whether the content is compressed or otherwise coded (RFC 9110 8.4).
static bool is_coded(struct slice fields)
{
    struct field field;
    while (field_next(&fields, &field)) {
        if (slice_equal_ignore_case(field.name, SLICE_LITERAL("content-encoding")) &&
            field.value.len > 0 && !slice_equal_ignore_case(field.value, SLICE_LITERAL("identity")))
            return true;
    }
    return false;
}

// take_final begins the body of the answer.
static void take_final(struct fetch *fetch, const struct message_head *head)
{
    fetch->result.status = head->status;
    fetch->is_persistent = head->is_persistent;
    take_value(head->fields, "content-type", fetch->received.content_type);
    take_value(head->fields, "etag", fetch->received.etag);
    take_value(head->fields, "last-modified", fetch->received.last_modified);
    body_reader_init(&fetch->reader, head->body, head->length);
    fetch->state = STATE_BODY;
    if (is_coded(head->fields))
        finish(fetch, FETCH_MALFORMED, "compressed, unasked");
    else if (head->body == BODY_LENGTH && head->length > fetch->question.max_body)
        finish(fetch, FETCH_TOO_LARGE, "the answer is announced to be longer than may be");
}

static struct slice unread(const struct fetch *fetch)
{
    const struct piece *piece = fetch->piece;
    return slice_of(piece->data + piece->start, piece->end - piece->start);
}

static void consume(struct fetch *fetch, size_t count)
{
    fetch->piece->start += (uint32_t)count;
}

// read_head goes on with a head that is whole; false: more bytes are needed, or it is done.
static bool read_head(struct fetch *fetch)
{
    struct message_head head;
    const char *why = "";
    const struct slice bytes = unread(fetch);
    switch (response_head_parse(bytes, false, &head, &why)) {
    case HEAD_MORE:
        if (bytes.len >= FETCH_HEAD_MAX)
            finish(fetch, FETCH_TOO_LARGE, "the head of the answer is too large");
        return false;
    case HEAD_TOO_LARGE:
        finish(fetch, FETCH_TOO_LARGE, "the head of the answer is too large");
        return false;
    case HEAD_BAD:
        finish(fetch, FETCH_MALFORMED, why);
        return false;
    case HEAD_OK:
        break;
    }
    consume(fetch, head.len); // its bytes stay where they are until the next are read
    if (head.status >= 200) {
        take_final(fetch, &head);
        return fetch->state == STATE_BODY;
    }
    if (head.status == 101 || ++fetch->interim_count > FETCH_MAX_INTERIM) {
        finish(fetch, FETCH_MALFORMED,
               head.status == 101 ? "a change of protocol, unasked" : "too many interim answers");
        return false;
    }
    return true;
}

// take_content keeps one piece of the body.
static bool take_content(struct fetch *fetch, struct slice content)
{
    const size_t len = fetch->received.len + content.len;
    if (len > fetch->question.max_body) {
        finish(fetch, FETCH_TOO_LARGE, "the answer is longer than may be");
        return false;
    }
    uint8_t *body = array_fit(fetch->received.body, len, &fetch->received.cap, BODY_FIRST_CAP);
    if (body == NULL) {
        finish(fetch, FETCH_NO_RESOURCES, "no memory for the answer");
        return false;
    }
    fetch->received.body = body;
    const bool fits =
        bytes_copy(body + fetch->received.len, fetch->received.cap - fetch->received.len, content);
    ASSERT(fits);
    fetch->received.len = len;
    return true;
}

// read_body goes on with the body; false: more bytes are needed, or it is done.
static bool read_body(struct fetch *fetch)
{
    size_t used = 0;
    struct slice content = {0};
    const char *why = "";
    const enum body_result result =
        body_reader_next(&fetch->reader, unread(fetch), &used, &content, &why);
    bool goes_on = false;
    switch (result) {
    case BODY_DATA:
        goes_on = take_content(fetch, content);
        break;
    case BODY_MORE:
        break;
    case BODY_DONE:
        consume(fetch, used);
        finish_well(fetch);
        return false;
    case BODY_BAD:
        finish(fetch, FETCH_MALFORMED, why);
        return false;
    }
    if (fetch->piece != NULL)
        consume(fetch, used);
    return goes_on;
}

// read_end judges the server's end of the connection.
static void read_end(struct fetch *fetch, enum err error)
{
    struct stream *stream = fetch_connection_stream(fetch->connection);
    const bool is_orderly = error == ERR_EOF && !stream_is_truncated(stream);
    if (fetch->state == STATE_BODY && is_orderly && body_reader_ends_well(&fetch->reader))
        finish_well(fetch);
    else if (error == ERR_MEMORY)
        finish(fetch, FETCH_NO_RESOURCES, "no memory to read the answer");
    else
        lose(fetch);
}

// fill reads what has arrived after what is not read yet; false: nothing more now, or it is done.
static bool fill(struct fetch *fetch)
{
    struct piece *piece = fetch->piece;
    bytes_drop_front(piece->data, piece->end, piece->start);
    piece->end -= piece->start;
    piece->start = 0;
    ASSERT(piece->end < PIECE_CAP); // a full one is used up or refused
    size_t len = 0;
    const enum err error = stream_read(fetch_connection_stream(fetch->connection),
                                       piece->data + piece->end, PIECE_CAP - piece->end, &len);
    if (error == ERR_OK) {
        piece->end += (uint32_t)len;
        fetch->has_answer = true;
        return true;
    }
    if (error != ERR_AGAIN)
        read_end(fetch, error);
    return false;
}

static void read_all(struct fetch *fetch)
{
    bool goes_on = true;
    while (goes_on)
        goes_on = (fetch->state == STATE_HEAD && read_head(fetch)) ||
                  (fetch->state == STATE_BODY && read_body(fetch));
}

// send writes what is left of the request. A server that takes no more may still have answered: reading tells.
static bool send_rest(struct fetch *fetch)
{
    struct stream *stream = fetch_connection_stream(fetch->connection);
    enum err error = ERR_OK;
    while (error == ERR_OK && fetch->sent < fetch->question.len) {
        size_t len = 0;
        error = stream_push(
            stream,
            slice_of(fetch->question.bytes + fetch->sent, fetch->question.len - fetch->sent), &len);
        fetch->sent += len;
    }
    if (error == ERR_OK)
        error = stream_flush(stream);
    return error == ERR_AGAIN;
}

// exchange writes and reads what can be written and read now.
static void exchange(struct fetch *fetch)
{
    if (fetch->piece == NULL)
        fetch->piece = buffer_pool_take_piece(fetcher_path(fetch->fetcher)->buffers);
    if (fetch->piece == NULL) {
        finish(fetch, FETCH_NO_RESOURCES, "no memory to read the answer");
        return;
    }
    const bool is_sending = send_rest(fetch);
    for (size_t i = 0; i < READS_AT_ONCE; i++) {
        if (!fill(fetch)) {
            if (fetch->state == STATE_HEAD || fetch->state == STATE_BODY)
                stream_want(fetch_connection_stream(fetch->connection), true, is_sending);
            return;
        }
        read_all(fetch);
        if (fetch->state == STATE_DONE)
            return;
    }
    // There may be more, and over TLS nothing that the loop would tell of.
    set_timer(fetch, &fetch->soon, 0);
}

static void drive(struct fetch *fetch)
{
    const char *why = "";
    if (fetch->state == STATE_CONNECT) {
        const enum fetch_connection_state state = fetch_connection_step(fetch->connection);
        if (state == FETCH_CONNECTION_READY)
            fetch->state = STATE_HEAD;
        if (state == FETCH_CONNECTION_FAILED) {
            struct errinfo copy;
            const enum fetch_outcome outcome = fetch_connection_failure(fetch->connection, &why);
            (void)errinfo_set(&copy, ERR_OK, "%s", why);
            finish(fetch, outcome, copy.text);
        }
    }
    if (fetch->state == STATE_HEAD || fetch->state == STATE_BODY)
        exchange(fetch);
}

static void on_soon(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct fetch *fetch = fetch_of(timer->data);
    if (fetch->state == STATE_DONE)
        fetch->on_done(fetch->arg, &fetch->result);
    else
        drive(fetch);
}

// late_sentence says what has not come in time.
static const char *late_sentence(struct fetch *fetch)
{
    if (fetch->state == STATE_BODY)
        return "the answer has not ended in time";
    if (fetch->state == STATE_HEAD)
        return "no answer in time";
    switch (fetch_connection_step(fetch->connection)) {
    case FETCH_CONNECTION_RESOLVE:
        return "DNS has not answered in time";
    case FETCH_CONNECTION_DIAL:
        return "no connection in time";
    case FETCH_CONNECTION_HANDSHAKE:
    case FETCH_CONNECTION_READY:
    case FETCH_CONNECTION_FAILED:
        break;
    }
    return "no end of the TLS handshake in time";
}

static void on_deadline(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct fetch *fetch = fetch_of(timer->data);
    const int64_t left_ms = fetch->due_ms - monotonic_ms();
    if (left_ms > 0)
        set_timer(fetch, &fetch->deadline, left_ms);
    else
        finish(fetch, FETCH_TIMEOUT, late_sentence(fetch));
}

// prepare copies what the question needs; false without memory.
static bool prepare(struct fetch *fetch, const struct fetch_request *request)
{
    struct text text;
    const size_t cap = FETCH_REQUEST_HEAD_CAP + request->content.len + 1;
    fetch->question.url = *request->url;
    fetch->question.tls = server_trust_ref(request->tls);
    fetch->question.max_body = request->max_body;
    fetch->question.keeps = request->keeps;
    fetch->due_ms = monotonic_ms() + request->timeout_ms;
    fetch->result = (struct fetch_result){.why = fetch->why.text,
                                          .content_type = fetch->received.content_type,
                                          .etag = fetch->received.etag,
                                          .last_modified = fetch->received.last_modified};
    fetch->question.bytes = malloc(cap);
    if (fetch->question.bytes == NULL)
        return false;
    text_init(&text, fetch->question.bytes, cap);
    fetch_request_append(request, &text);
    ASSERT(!text.is_cut);
    fetch->question.len = text.len;
    return true;
}

// begin takes a kept connection, or makes one.
static void begin(struct fetch *fetch)
{
    fetch->is_entered = fetcher_enter(fetch->fetcher);
    if (!fetch->is_entered) {
        finish(fetch, FETCH_TOO_MANY, "not asked: too many questions are under way");
        return;
    }
    if (fetch->question.keeps)
        fetch->connection = fetcher_take(fetch->fetcher, &fetch->question.url, fetch->question.tls);
    if (fetch->connection == NULL) {
        connect_anew(fetch);
    } else {
        fetch->is_kept = true;
        fetch->state = STATE_HEAD;
        fetch_connection_set_owner(fetch->connection, on_wake, fetch);
    }
    drive(fetch);
}

struct fetch *fetch_start(struct fetcher *fetcher, const struct fetch_request *request,
                          fetch_done_function *on_done, void *arg)
{
    if (!fetch_request_is_sound(request))
        return NULL;
    struct fetch *fetch = calloc(1, sizeof *fetch);
    if (fetch == NULL)
        return NULL;
    fetch->magic = FETCH_MAGIC;
    fetch->fetcher = fetcher;
    fetch->on_done = on_done;
    fetch->arg = arg;
    ev_timer_init(&fetch->deadline, on_deadline, 0., 0.);
    ev_timer_init(&fetch->soon, on_soon, 0., 0.);
    fetch->deadline.data = fetch;
    fetch->soon.data = fetch;
    if (!prepare(fetch, request)) {
        fetch_destroy(fetch);
        return NULL;
    }
    set_timer(fetch, &fetch->deadline, request->timeout_ms);
    begin(fetch);
    return fetch;
}

void fetch_destroy(struct fetch *fetch)
{
    if (fetch == NULL)
        return;
    drop_way(fetch);
    if (fetch->is_entered)
        fetcher_leave(fetch->fetcher);
    ev_timer_stop(loop_of(fetch), &fetch->deadline);
    ev_timer_stop(loop_of(fetch), &fetch->soon);
    server_trust_unref(fetch->question.tls);
    free(fetch->question.bytes);
    free(fetch->received.body);
    fetch->magic = 0;
    free(fetch);
}
