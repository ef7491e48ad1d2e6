// One attempt, and what follows:
//   1. PAUSE: wait, after a whole round of places without success.
//   2. CONNECT: DNS, dial, TLS.
//   3. GREET: AUTH where a password is given, then ROLE; of a Sentinel: who is the master, then 2 again, with that one.
//   4. READY: calls are taken. PING where nothing was asked for a while.
// A fault in any of them ends the connection, answers all calls with NULL, and goes on with 1 at the next place.
#include "proxy/store/store_link.h"

#include <openssl/mem.h>
#include <stdlib.h>

#include "proxy/clock/clock.h"
#include "proxy/loop/deadline.h"
#include "proxy/store/store_calls.h"
#include "proxy/store/store_fault.h"
#include "proxy/store/store_places.h"
#include "proxy/store/store_role.h"

enum {
    STORE_LINK_MAGIC = 0x5704E000,
    ATTEMPT_MS = 2000, // for steps 2 and 3
    IDLE_MS = 300,     // then PING
    FAULT_MS = 60000,  // an answer that was an error is told for so long
    READS_AT_ONCE = 16,
    CHUNK_LEN = 16 * 1024,
    TLS_ALERT = 21, // the first byte of a record (RFC 8446, 5.1)
    TLS_HANDSHAKE = 22,
    MAX_SCRIPT_WORDS = 1024,
    NUMBER_CAP = 24,
};

enum store_phase { PHASE_PAUSE, PHASE_CONNECT, PHASE_GREET, PHASE_READY };

struct store_link {
    uint32_t magic;
    enum store_phase phase;
    const struct fetch_path *path;  // borrowed
    struct store_settings settings; // `tls` is a ref
    struct store_places places;
    struct target server;                // that is connected to, or tried
    bool is_sentinel;                    // `server` is asked for the master
    bool is_shaking;                     // it has accepted the connection, and TLS is under way
    bool has_heard;                      // it has said something
    struct fetch_connection *connection; // owned; NULL: none
    struct resp_reader *reader;          // owned; NULL: none
    struct store_calls calls;
    struct deadline deadline;
    ev_timer soon;        // of length zero: go on
    int64_t phase_due_ms; // monotonic; when PAUSE ends, and the patience with CONNECT and GREET
    int64_t waiting_ms;   // monotonic; since when the next answer is due
    int64_t fault_ms;     // monotonic; when the store has answered with an error last
    int64_t asked_ms;     // monotonic; when something was asked last
    struct store_facts facts;
    void (*on_change)(void *owner);
    void *owner; // borrowed
};

static void drive(struct store_link *link);

static struct store_link *link_of(void *arg)
{
    struct store_link *link = arg;
    ASSERT(link->magic == STORE_LINK_MAGIC);
    return link;
}

const char *store_state_name(enum store_state state)
{
    static const char *const names[] = {
#define X(name, word) [name] = word,
        STORE_STATE_TABLE(X)
#undef X
    };
    return names[state];
}

const struct store_facts *store_link_facts(const struct store_link *link)
{
    return &link->facts;
}

// go_on_soon has drive called in the next pass of the loop.
static void go_on_soon(struct store_link *link)
{
    if (!ev_is_active(&link->soon))
        ev_timer_start(link->path->loop, &link->soon);
}

static void enter(struct store_link *link, enum store_state state)
{
    if (link->facts.state == state)
        return;
    link->facts.state = state;
    link->facts.since_ms = wall_clock_ms();
    link->on_change(link->owner);
}

// say notes what is wrong, with the server that it concerns.
static void say(struct store_link *link, const char *what, const struct resp *error)
{
    struct text out;
    text_init(&out, link->facts.sentence, sizeof link->facts.sentence);
    text_append_format(&out, "%s %s: ", link->is_sentinel ? "the Sentinel at" : "the store at",
                       link->facts.place);
    if (error != NULL)
        store_fault_append(&out, error);
    else
        text_append_string(&out, what);
}

// answer_with_nothing tells all who wait that nothing will come.
static void answer_with_nothing(struct store_link *link)
{
    struct store_call *call = NULL;
    while ((call = store_calls_take(&link->calls)) != NULL) {
        link->facts.failures++;
        if (call->on_reply != NULL)
            call->on_reply(call->owner, NULL);
        free(call);
    }
    store_calls_deinit(&link->calls);
}

// lose ends the connection, with a reset: questions that are still on their way are not to arrive after those of the next one. The
// sentence was said.
static void lose(struct store_link *link)
{
    fetch_connection_reset(link->connection);
    link->connection = NULL;
    resp_reader_destroy(link->reader);
    link->reader = NULL;
    link->phase = PHASE_PAUSE;
    const int64_t now_ms = monotonic_ms();
    link->facts.pause_ms = store_places_fail(&link->places, &link->settings, now_ms);
    link->phase_due_ms = now_ms + link->facts.pause_ms;
    enter(link, STORE_LOST);
    answer_with_nothing(link);
    go_on_soon(link);
}

static void lose_because(struct store_link *link, const char *what)
{
    say(link, what, NULL);
    lose(link);
}

static void on_wake(void *owner)
{
    drive(link_of(owner));
}

// connect_to begins to connect to `server`.
static void connect_to(struct store_link *link, const struct target *server)
{
    const struct http_url url = {.is_https = link->settings.is_tls, .target = *server};
    struct text place;
    char host[TARGET_TEXT_CAP];
    link->server = *server;
    text_init(&place, link->facts.place, sizeof link->facts.place);
    const bool has_brackets = server->kind == TARGET_ADDRESS && server->address.family == IP_V6;
    text_append_format(&place, has_brackets ? "[%s]:%u" : "%s:%u", target_format_host(server, host),
                       server->port);
    link->phase = PHASE_CONNECT;
    link->is_shaking = false;
    link->has_heard = false;
    link->phase_due_ms = monotonic_ms() + ATTEMPT_MS;
    link->connection = fetch_connection_create(link->path, &url, link->settings.tls, on_wake, link);
    link->reader = resp_reader_create();
    if (link->connection == NULL || link->reader == NULL)
        lose_because(link, "no memory for a connection");
    else if (link->settings.has_tls_name)
        fetch_connection_judge_as(link->connection, &link->settings.tls_name);
}

static void begin_attempt(struct store_link *link)
{
    link->is_sentinel = link->settings.master[0] != '\0';
    connect_to(link, store_places_current(&link->places, &link->settings));
}

// ask queues a call, of ours or of others.
static bool ask(struct store_link *link, const struct slice *words, size_t count,
                struct store_call *call)
{
    call->sent_ms = monotonic_ms();
    const bool is_first = TAILQ_EMPTY(&link->calls.list);
    if (!store_calls_add(&link->calls, words, count, call)) {
        link->facts.refusals++;
        return false;
    }
    if (is_first)
        link->waiting_ms = call->sent_ms;
    link->asked_ms = call->sent_ms;
    link->facts.calls++;
    go_on_soon(link);
    return true;
}

// ask_ourselves asks something for this file. Without memory for it the connection is of no use.
static bool ask_ourselves(struct store_link *link, const struct slice *words, size_t count,
                          store_reply_function *on_reply)
{
    struct store_call call = {
        .on_reply = on_reply, .owner = link, .deadline_ms = INT64_MAX, .subject = "our greeting"};
    if (ask(link, words, count, &call))
        return true;
    lose_because(link, "no memory for a question");
    return false;
}

// lose_by ends the connection because of an answer; NULL: it is lost already.
static void lose_by(struct store_link *link, const struct resp *answer, const char *what)
{
    if (answer == NULL)
        return;
    say(link, what, answer->kind == RESP_ERROR ? answer : NULL);
    lose(link);
}

static void on_pong(void *owner, const struct resp *answer)
{
    struct store_link *link = link_of(owner);
    if (answer == NULL || !resp_is_status(answer, "PONG"))
        lose_by(link, answer,
                "its answer is none to PING; what listens there is no Valkey or Redis");
}

static void on_auth(void *owner, const struct resp *answer)
{
    struct store_link *link = link_of(owner);
    if (answer == NULL || !resp_is_status(answer, "OK"))
        lose_by(link, answer,
                "its answer is none to AUTH; what listens there is no Valkey or Redis");
}

static void on_role(void *owner, const struct resp *answer)
{
    struct store_link *link = link_of(owner);
    if (answer == NULL || !store_role_is_master(answer)) {
        lose_by(link, answer,
                "it is no master, but a replica or a Sentinel; the next place is tried");
        return;
    }
    store_places_serve(&link->places, monotonic_ms());
    link->phase = PHASE_READY;
    link->facts.connects++;
    link->facts.sentence[0] = '\0';
    enter(link, STORE_READY);
}

// on_master goes on from a Sentinel to the store that it names.
static void on_master(void *owner, const struct resp *answer)
{
    struct store_link *link = link_of(owner);
    struct target master;
    if (answer == NULL || !store_role_read_master(answer, &master)) {
        lose_by(link, answer,
                "it names no master of `shared.sentinel.name`; compare the name with its "
                "configuration");
        return;
    }
    fetch_connection_destroy(link->connection);
    link->connection = NULL;
    resp_reader_destroy(link->reader);
    link->reader = NULL;
    link->is_sentinel = false;
    connect_to(link, &master);
    go_on_soon(link);
}

static void greet_sentinel(struct store_link *link)
{
    const struct slice words[] = {SLICE_LITERAL("SENTINEL"),
                                  SLICE_LITERAL("get-master-addr-by-name"),
                                  slice_of_string(link->settings.master)};
    (void)ask_ourselves(link, words, 3, on_master);
}

static void greet(struct store_link *link)
{
    link->phase = PHASE_GREET;
    if (link->is_sentinel) {
        greet_sentinel(link);
        return;
    }
    struct slice auth[3] = {SLICE_LITERAL("AUTH")};
    size_t count = 1;
    if (link->settings.user[0] != '\0')
        auth[count++] = slice_of_string(link->settings.user);
    auth[count++] = slice_of_string(link->settings.password);
    if (link->settings.password[0] != '\0' && !ask_ourselves(link, auth, count, on_auth))
        return;
    const struct slice role = SLICE_LITERAL("ROLE");
    (void)ask_ourselves(link, &role, 1, on_role);
}

// note_answer counts one, and notes the sentence of an error.
static void note_answer(struct store_link *link, const struct store_call *call,
                        const struct resp *answer)
{
    histogram_note(&link->facts.latency, &histogram_waits, link->waiting_ms - call->sent_ms);
    if (answer->kind != RESP_ERROR || store_fault_is_ours(answer))
        return;
    link->facts.failures++;
    link->fault_ms = link->waiting_ms;
    say(link, "", answer);
    if (link->phase == PHASE_READY)
        link->on_change(link->owner);
}

// take_answer hands an answer to its caller.
static void take_answer(struct store_link *link, const struct resp *answer)
{
    struct store_call *call = store_calls_take(&link->calls);
    if (call == NULL) {
        lose_because(link,
                     "it answers what nobody has asked; what listens there is no Valkey or Redis");
        return;
    }
    link->waiting_ms = monotonic_ms();
    if (call->script != NULL && call->on_reply != NULL && resp_is_error(answer, "NOSCRIPT") &&
        store_calls_repeat(&link->calls, call)) {
        go_on_soon(link);
        return;
    }
    note_answer(link, call, answer);
    const bool is_over =
        link->phase == PHASE_READY && answer->kind == RESP_ERROR && store_fault_ends(answer);
    if (call->on_reply != NULL)
        call->on_reply(call->owner, answer);
    free(call);
    if (is_over && link->connection != NULL)
        lose_by(link, answer, "");
}

// talks tells whether there is a connection that things are said over.
static bool talks(const struct store_link *link)
{
    return link->phase == PHASE_GREET || link->phase == PHASE_READY;
}

// lose_unread ends the connection because of what came, which is no answer, or none that may be. Who writes too much into the store
// is found by the key.
static void lose_unread(struct store_link *link, const char *why)
{
    const struct store_call *call = TAILQ_FIRST(&link->calls.list);
    const size_t excess_len = resp_reader_excess(link->reader);
    char sentence_data[STORE_SENTENCE_CAP];
    struct text sentence;
    text_init(&sentence, sentence_data, sizeof sentence_data);
    if (excess_len != 0 && call != NULL)
        text_append_format(&sentence,
                           "%s: %zu bytes, where %d are the most, to %s; find out who writes that, "
                           "and remove it",
                           why, excess_len, (int)RESP_MAX_LEN, call->subject);
    lose_because(link, sentence.len == 0 ? why : sentence_data);
}

// take_answers hands out all that are whole; false: the connection has ended.
static bool take_answers(struct store_link *link)
{
    while (talks(link)) {
        struct resp *answer = NULL;
        const char *why = "";
        switch (resp_reader_next(link->reader, &answer, &why)) {
        case RESP_MORE:
            return true;
        case RESP_BAD:
            lose_unread(link, why);
            return false;
        case RESP_OK:
            take_answer(link, answer);
            resp_free(answer);
            break;
        }
    }
    return false;
}

// send_rest sends what waits; true: something is left.
static bool send_rest(struct store_link *link)
{
    struct stream *stream = fetch_connection_stream(link->connection);
    enum err error = ERR_OK;
    struct slice unsent = store_calls_unsent(&link->calls);
    while (error == ERR_OK && unsent.len > 0) {
        size_t len = 0;
        error = stream_push(stream, unsent, &len);
        store_calls_sent(&link->calls, len);
        unsent = store_calls_unsent(&link->calls);
    }
    if (error == ERR_OK)
        error = stream_flush(stream);
    return error == ERR_AGAIN;
}

// explain_end says that the server has ended the connection, and what that most often means.
static const char *explain_end(const struct store_link *link)
{
    if (link->has_heard)
        return "it has ended the connection";
    return link->settings.is_tls
               ? "it has ended the connection before it said anything; it may want a client's "
                 "certificate (`shared.tls.certificate`): its own log says so"
               : "it has ended the connection before it said anything; it may want TLS "
                 "(`shared.tls`): its own log says so";
}

// is_tls_record tells whether what a server says first is TLS. No answer of a store begins so.
static bool is_tls_record(const struct store_link *link, uint8_t first)
{
    return !link->has_heard && !link->settings.is_tls &&
           (first == TLS_ALERT || first == TLS_HANDSHAKE);
}

// exchange sends and reads what can be sent and read now. That the server is gone is learned by reading.
static void exchange(struct store_link *link)
{
    uint8_t chunk[CHUNK_LEN];
    const bool is_sending = send_rest(link);
    for (size_t i = 0; i < READS_AT_ONCE; i++) {
        struct stream *stream = fetch_connection_stream(link->connection);
        size_t len = 0;
        const enum err error = stream_read(stream, chunk, sizeof chunk, &len);
        if (error == ERR_AGAIN) {
            stream_want(stream, true, is_sending);
            return;
        }
        if (error != ERR_OK) {
            lose_because(link, error == ERR_MEMORY ? "no memory to read what it says"
                                                   : explain_end(link));
            return;
        }
        if (is_tls_record(link, chunk[0])) {
            lose_because(link, "it speaks TLS, and the proxy does not: set `shared.tls`, or name "
                               "its port without TLS in `shared.valkey`");
            return;
        }
        link->has_heard = true;
        resp_reader_feed(link->reader, slice_of(chunk, len));
        if (!take_answers(link))
            return;
    }
    go_on_soon(link);
}

// lose_unconnected ends an attempt that has failed, and says what it means where the server shows no sign of TLS.
static void lose_unconnected(struct store_link *link, const char *why)
{
    char sentence_data[STORE_SENTENCE_CAP];
    struct text sentence;
    const bool may_be_clear = link->is_shaking && !fetch_connection_speaks_tls(link->connection);
    text_init(&sentence, sentence_data, sizeof sentence_data);
    text_append_string(&sentence, why);
    if (may_be_clear)
        text_append_string(&sentence,
                           "; the proxy speaks TLS, and this port may not: name its port with TLS "
                           "in `shared.valkey`, or take out `shared.tls`");
    lose_because(link, sentence_data);
}

static void go_on_connecting(struct store_link *link)
{
    const char *why = "";
    switch (fetch_connection_step(link->connection)) {
    case FETCH_CONNECTION_RESOLVE:
    case FETCH_CONNECTION_DIAL:
        break;
    case FETCH_CONNECTION_HANDSHAKE:
        link->is_shaking = true;
        break;
    case FETCH_CONNECTION_READY:
        greet(link);
        break;
    case FETCH_CONNECTION_FAILED:
        (void)fetch_connection_failure(link->connection, &why);
        lose_unconnected(link, why);
        break;
    }
}

// end_late answers the calls whose deadline has passed, and tells when the next one does.
static int64_t end_late(struct store_link *link, int64_t now_ms)
{
    struct store_call *call = NULL;
    int64_t due_ms = INT64_MAX;
    TAILQ_FOREACH(call, &link->calls.list, link)
    {
        store_reply_function *on_reply = call->on_reply;
        if (on_reply == NULL)
            continue;
        if (call->deadline_ms > now_ms) {
            due_ms = deadline_sooner(due_ms, call->deadline_ms);
            continue;
        }
        link->facts.failures++;
        call->on_reply = NULL;
        on_reply(call->owner, NULL);
    }
    return due_ms;
}

// watch_time does what is due while the link is ready, and tells when it must look again.
static int64_t watch_time(struct store_link *link, int64_t now_ms)
{
    const struct slice ping = SLICE_LITERAL("PING");
    const int64_t due_ms = end_late(link, now_ms);
    if (now_ms - link->fault_ms > FAULT_MS)
        link->facts.sentence[0] = '\0';
    if (TAILQ_EMPTY(&link->calls.list)) {
        if (now_ms - link->asked_ms < IDLE_MS)
            return link->asked_ms + IDLE_MS;
        if (!ask_ourselves(link, &ping, 1, on_pong))
            return INT64_MAX;
    }
    if (now_ms - link->waiting_ms < STORE_SILENCE_MS)
        return deadline_sooner(due_ms, link->waiting_ms + STORE_SILENCE_MS);
    lose_because(link, "it has not answered for a second");
    return INT64_MAX;
}

// look_at_clock does what is due, and sets the timer for the next time.
static void look_at_clock(struct store_link *link)
{
    const int64_t now_ms = monotonic_ms();
    int64_t due_ms = link->phase_due_ms;
    if (link->phase == PHASE_READY)
        due_ms = watch_time(link, now_ms);
    else if (now_ms >= link->phase_due_ms && link->phase == PHASE_CONNECT)
        lose_unconnected(link, link->is_shaking ? "it has not answered TLS in two seconds"
                                                : "no connection in two seconds");
    else if (now_ms >= link->phase_due_ms && link->phase == PHASE_GREET)
        lose_because(link, "it says nothing");
    if (link->phase == PHASE_PAUSE)
        due_ms = link->phase_due_ms;
    ev_now_update(link->path->loop);
    deadline_set(&link->deadline, link->path->loop, due_ms, now_ms);
}

static void drive(struct store_link *link)
{
    if (link->phase == PHASE_PAUSE && monotonic_ms() >= link->phase_due_ms)
        begin_attempt(link);
    if (link->phase == PHASE_CONNECT)
        go_on_connecting(link);
    if (talks(link))
        exchange(link);
    look_at_clock(link);
}

static void on_deadline(void *owner)
{
    drive(link_of(owner));
}

static void on_soon(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    drive(link_of(timer->data));
}

// describe writes down for people what is asked, of which key.
static void describe(struct store_call *call, const char *what, struct slice key)
{
    struct text subject;
    text_init(&subject, call->subject, sizeof call->subject);
    text_append_string(&subject, what);
    text_append_printable(&subject, key);
}

bool store_link_call(struct store_link *link, const struct slice *argv, size_t argc,
                     int64_t deadline_ms, store_reply_function *on_reply, void *owner)
{
    struct store_call call = {.on_reply = on_reply, .owner = owner, .deadline_ms = deadline_ms};
    if (link->phase != PHASE_READY) {
        link->facts.refusals++;
        return false;
    }
    describe(&call, "a question about ", argc < 2 ? argv[0] : argv[1]);
    return ask(link, argv, argc, &call);
}

void store_link_say(struct store_link *link, const struct slice *argv, size_t argc)
{
    if (store_link_call(link, argv, argc, INT64_MAX, NULL, NULL))
        (void)send_rest(link);
}

// fill_words writes the words of a call of a script, and returns how many they are.
static size_t fill_words(const struct store_script_call *from, const char *key_count,
                         struct slice words[MAX_SCRIPT_WORDS])
{
    size_t count = 0;
    words[count++] = SLICE_LITERAL("EVALSHA");
    words[count++] = slice_of_string(from->script->sha1);
    words[count++] = slice_of_string(key_count);
    for (size_t i = 0; i < from->key_count; i++)
        words[count++] = from->keys[i];
    for (size_t i = 0; i < from->argument_count; i++)
        words[count++] = from->arguments[i];
    return count;
}

bool store_link_script(struct store_link *link, const struct store_script_call *from,
                       int64_t deadline_ms, store_reply_function *on_reply, void *owner)
{
    struct slice words[MAX_SCRIPT_WORDS];
    char number[NUMBER_CAP];
    struct text text;
    struct store_call call = {
        .on_reply = on_reply, .owner = owner, .deadline_ms = deadline_ms, .script = from->script};
    if (link->phase != PHASE_READY || from->key_count > MAX_SCRIPT_WORDS / 2 ||
        from->argument_count > MAX_SCRIPT_WORDS / 2 - 3) {
        link->facts.refusals++;
        return false;
    }
    text_init(&text, number, sizeof number);
    text_append_format(&text, "%zu", from->key_count);
    describe(&call, "a script about ",
             from->key_count == 0 ? SLICE_LITERAL("nothing") : from->keys[0]);
    return ask(link, words, fill_words(from, number, words), &call);
}

void store_link_forgive(struct store_link *link)
{
    if (link->phase == PHASE_READY)
        link->facts.sentence[0] = '\0';
}

void store_link_forget(struct store_link *link, const void *owner)
{
    store_calls_forget(&link->calls, owner);
}

struct store_link *store_link_create(const struct store_link_options *options)
{
    struct store_link *link = calloc(1, sizeof *link);
    if (link == NULL)
        return NULL;
    link->magic = STORE_LINK_MAGIC;
    link->path = options->path;
    link->settings = *options->settings;
    (void)server_trust_ref(link->settings.tls);
    link->on_change = options->on_change;
    link->owner = options->owner;
    link->facts.since_ms = wall_clock_ms();
    store_calls_init(&link->calls);
    deadline_init(&link->deadline, on_deadline, link);
    ev_timer_init(&link->soon, on_soon, 0., 0.);
    link->soon.data = link;
    go_on_soon(link);
    return link;
}

void store_link_destroy(struct store_link *link)
{
    if (link == NULL)
        return;
    deadline_stop(&link->deadline, link->path->loop);
    ev_timer_stop(link->path->loop, &link->soon);
    fetch_connection_destroy(link->connection);
    resp_reader_destroy(link->reader);
    store_calls_deinit(&link->calls);
    server_trust_unref(link->settings.tls);
    OPENSSL_cleanse(link->settings.password, sizeof link->settings.password);
    link->magic = 0;
    free(link);
}
