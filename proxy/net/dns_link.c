// The life of a link:
//
//   CLOSED --a question--> DIALLING --connected--> AGREEING --handshake--> OPEN --cut, idle, dead--> CLOSED
//
//   1. A question waits until the connection is open and has a slot free; the low bits of its id are the slot.
//   2. All questions have the same time, so the one that was asked first is given up first: two lists in the order of
//      asking, and one timer for the older of their heads.
//   3. A connection that has answered something may be ended by its server at any time (RFC 7766 6.2.3): what it owes is
//      asked again on the next one. One that has answered nothing and ends has failed, and so have its questions.
//   4. A question that is given up costs only itself, unless nothing has come since it was sent: then the connection is
//      dead.
//
// Work is done in one pass of the loop after dns_link_ask, so that questions that are asked together leave together.
#include "proxy/net/dns_link.h"

#include <stdlib.h>

#include "proxy/log/log.h"
#include "proxy/net/dialer.h"
#include "proxy/net/dns_wire.h"
#include "proxy/net/tcp_stream.h"

enum {
    DNS_LINK_MAGIC = 0xD45711E2,
    LENGTH_LEN = 2,
    MESSAGE_MIN = 12, // bytes of a header
    INPUT_CAP = LENGTH_LEN + UINT16_MAX,
    REFUSED_MS = 1000,  // between two handshakes that fail
    READS_AT_ONCE = 16, // then others of the loop have their turn
    // so that a late answer to the question before in a slot is not taken for one to this
    NEW_ID = DNS_LINK_SLOTS,
};

enum link_state { LINK_CLOSED, LINK_DIALLING, LINK_AGREEING, LINK_OPEN };

TAILQ_HEAD(question_list, dns_question);

struct outgoing {
    size_t len;
    uint8_t bytes[DNS_WIRE_CAP];
};

struct incoming {
    size_t len;
    uint8_t bytes[INPUT_CAP];
};

struct dns_link {
    uint32_t magic;
    struct ev_loop *loop; // borrowed
    struct dns_server server;
    int64_t timeout_ms;
    dns_reply_function *on_reply;
    ev_timer pass;  // fed, never started: calls drive in this pass of the loop
    ev_timer timer; // for the oldest question, or the idle connection

    enum link_state state;
    int64_t open_due_ms;      // while it is not open: when that has failed
    int64_t refused_until_ms; // after a handshake that failed: nobody is asked so long
    int64_t last_answer_ms;   // on this connection; 0: none
    struct dialer *dialer;    // owned; while DIALLING
    struct tcp_stream tcp;    // while AGREEING and OPEN
    struct guarded *guarded;  // owned; likewise
    struct buffer_pool pool;
    bool is_failing; // the log has been told

    struct question_list waiting; // borrowed; for a slot
    struct question_list sent;    // borrowed
    size_t sent_count;
    struct dns_question *slots[DNS_LINK_SLOTS]; // borrowed; those in `sent`
    uint16_t ids[DNS_LINK_SLOTS];               // of the last question in each slot
    uint16_t next_slot;                         // to be tried first

    struct outgoing output; // what is left of a question that did not fit
    struct incoming input;
};

static int64_t now_ms(const struct dns_link *link)
{
    return (int64_t)(ev_now(link->loop) * 1000.);
}

static void fail_question(struct dns_link *link, struct question_list *list, enum dns_reply reply)
{
    struct dns_question *question = TAILQ_FIRST(list);
    TAILQ_REMOVE(list, question, link);
    link->on_reply(question, reply, (struct slice){0});
}

// forget_sent frees a question's slot.
static void forget_sent(struct dns_link *link, struct dns_question *question)
{
    TAILQ_REMOVE(&link->sent, question, link);
    link->slots[question->slot] = NULL;
    link->sent_count--;
}

static struct stream *stream_of(struct dns_link *link)
{
    return link->server.guard->ops->stream(link->guarded);
}

// close_connection leaves the questions where they are.
static void close_connection(struct dns_link *link)
{
    enum err ignored = ERR_OK;
    dialer_destroy(link->dialer);
    link->dialer = NULL;
    if (link->state == LINK_OPEN)
        ignored = stream_finish(stream_of(link)); // what cannot go out now never does
    (void)ignored;
    if (link->state == LINK_OPEN || link->state == LINK_AGREEING) {
        if (link->guarded != NULL)
            link->server.guard->ops->end(link->guarded);
        link->guarded = NULL;
        stream_close(&link->tcp.stream, false);
        buffer_pool_deinit(&link->pool);
    }
    link->state = LINK_CLOSED;
    link->last_answer_ms = 0;
    link->output.len = 0;
    link->input.len = 0;
}

// note_trouble tells the log once, until the server works again.
static void note_trouble(struct dns_link *link, const char *trouble)
{
    char address[IP_TEXT_CAP];
    dns_standing_say(link->server.standing, trouble);
    if (!link->is_failing)
        log_warning(
            LOG_DNS_SERVER_FAILING,
            "the DNS server tls://%s, port %u: %s; it is asked last, and never in the clear",
            ip_addr_format(&link->server.address, address), link->server.port, trouble);
    link->is_failing = true;
}

static void note_success(struct dns_link *link)
{
    char address[IP_TEXT_CAP];
    if (link->is_failing)
        log_info(LOG_DNS_SERVER_WORKS, "the DNS server tls://%s, port %u, works again",
                 ip_addr_format(&link->server.address, address), link->server.port);
    link->is_failing = false;
}

// fail_all ends all questions. Those that on_reply asks come after them, into lists of their own.
static void fail_all(struct dns_link *link, enum dns_reply reply)
{
    struct question_list failed = TAILQ_HEAD_INITIALIZER(failed);
    while (!TAILQ_EMPTY(&link->sent)) {
        struct dns_question *question = TAILQ_FIRST(&link->sent);
        forget_sent(link, question);
        TAILQ_INSERT_TAIL(&failed, question, link);
    }
    TAILQ_CONCAT(&failed, &link->waiting, link);
    while (!TAILQ_EMPTY(&failed))
        fail_question(link, &failed, reply);
}

// ask_again puts what a connection owes before what waits.
static void ask_again(struct dns_link *link)
{
    struct dns_question *question;
    while ((question = TAILQ_LAST(&link->sent, question_list)) != NULL) {
        forget_sent(link, question);
        TAILQ_INSERT_HEAD(&link->waiting, question, link);
    }
}

// lose_connection is for a connection that has ended without our doing.
static void lose_connection(struct dns_link *link, enum dns_reply reply)
{
    const bool has_answered = link->last_answer_ms != 0;
    close_connection(link);
    if (has_answered)
        ask_again(link);
    else
        fail_all(link, reply);
}

static void on_dialled(void *arg, enum dial_result result, int fd);
static void on_ready(void *owner);

static void begin_dial(struct dns_link *link)
{
    const struct dialer_options options = {.addresses = &link->server.address,
                                           .count = 1,
                                           .port = link->server.port,
                                           .attempt_ms = link->timeout_ms};
    const struct dialer_events events = {.on_done = on_dialled, .arg = link};
    link->open_due_ms = now_ms(link) + link->timeout_ms;
    link->dialer = dialer_start(link->loop, &options, &events);
    if (link->dialer != NULL)
        link->state = LINK_DIALLING;
    else
        fail_all(link, DNS_REPLY_NO_MEMORY);
}

static void agree(struct dns_link *link)
{
    struct errinfo info = {0};
    const enum err error = link->server.guard->ops->agree(link->guarded, &info);
    if (error == ERR_OK) {
        link->state = LINK_OPEN;
    } else if (error == ERR_AGAIN) {
        stream_want(stream_of(link), true, false);
    } else {
        note_trouble(link, info.text);
        link->refused_until_ms = now_ms(link) + REFUSED_MS;
        lose_connection(link, error == ERR_MEMORY ? DNS_REPLY_NO_MEMORY : DNS_REPLY_NOBODY);
    }
}

// take_message gives one message to the question that it answers; one that nobody has asked is dropped.
static void take_message(struct dns_link *link, struct slice message)
{
    const uint16_t id = (uint16_t)(message.data[0] << 8 | message.data[1]);
    struct dns_question *question = link->slots[id % DNS_LINK_SLOTS];
    link->last_answer_ms = now_ms(link);
    note_success(link);
    if (question == NULL || link->ids[question->slot] != id)
        return;
    forget_sent(link, question);
    link->on_reply(question, DNS_REPLY_MESSAGE, message);
}

// take_input takes the whole messages that have come. ERR_INPUT where what comes is no DNS.
static enum err take_input(struct dns_link *link)
{
    size_t at = 0;
    while (link->input.len - at >= LENGTH_LEN) {
        const size_t len = (size_t)link->input.bytes[at] << 8 | link->input.bytes[at + 1];
        if (len < MESSAGE_MIN)
            return ERR_INPUT;
        if (link->input.len - at - LENGTH_LEN < len)
            break;
        take_message(link, slice_of(link->input.bytes + at + LENGTH_LEN, len));
        at += LENGTH_LEN + len;
    }
    bytes_drop_front(link->input.bytes, link->input.len, at);
    link->input.len -= at;
    return ERR_OK;
}

static enum err receive(struct dns_link *link)
{
    enum err error = ERR_OK;
    for (unsigned i = 0; i < READS_AT_ONCE && error == ERR_OK; i++) {
        size_t len = 0;
        error = stream_read(stream_of(link), link->input.bytes + link->input.len,
                            INPUT_CAP - link->input.len, &len);
        link->input.len += len;
        if (error == ERR_OK)
            error = take_input(link);
    }
    return error == ERR_AGAIN ? ERR_OK : error;
}

// put_question writes the next question into the empty output.
static void put_question(struct dns_link *link)
{
    struct dns_question *question = TAILQ_FIRST(&link->waiting);
    uint16_t slot = link->next_slot;
    while (link->slots[slot] != NULL)
        slot = (uint16_t)((slot + 1) % DNS_LINK_SLOTS);
    link->next_slot = (uint16_t)((slot + 1) % DNS_LINK_SLOTS);
    link->ids[slot] = (uint16_t)(link->ids[slot] + NEW_ID);
    link->output.len = dns_wire_question(slice_of_string(question->name), question->type,
                                         link->ids[slot], link->output.bytes);
    if (link->output.len == 0) {
        fail_question(link, &link->waiting, DNS_REPLY_BAD);
        return;
    }
    TAILQ_REMOVE(&link->waiting, question, link);
    TAILQ_INSERT_TAIL(&link->sent, question, link);
    question->slot = slot;
    link->slots[slot] = question;
    link->sent_count++;
}

static enum err transmit(struct dns_link *link)
{
    for (;;) {
        size_t len = 0;
        while (link->output.len == 0 && link->sent_count < DNS_LINK_SLOTS &&
               !TAILQ_EMPTY(&link->waiting))
            put_question(link);
        if (link->output.len == 0)
            break;
        const enum err error =
            stream_push(stream_of(link), slice_of(link->output.bytes, link->output.len), &len);
        if (error != ERR_OK)
            return error;
        bytes_drop_front(link->output.bytes, link->output.len, len);
        link->output.len -= len;
    }
    return stream_flush(stream_of(link));
}

static void exchange_messages(struct dns_link *link)
{
    enum err error = receive(link);
    if (error == ERR_OK)
        error = transmit(link);
    if (error == ERR_OK || error == ERR_AGAIN) {
        stream_want(stream_of(link), true, link->output.len > 0);
        return;
    }
    if (error == ERR_INPUT)
        link->last_answer_ms = 0; // nothing that it has said counts
    if (link->last_answer_ms == 0)
        note_trouble(link, error == ERR_INPUT ? "what it sends is no DNS"
                                              : "it ends the connection without an answer");
    lose_connection(link, error == ERR_INPUT    ? DNS_REPLY_BAD
                          : error == ERR_MEMORY ? DNS_REPLY_NO_MEMORY
                                                : DNS_REPLY_NOBODY);
}

// next_due_ms gives when something has to be given up; INT64_MAX: nothing.
static int64_t next_due_ms(const struct dns_link *link)
{
    const struct dns_question *sent = TAILQ_FIRST(&link->sent);
    const struct dns_question *waiting = TAILQ_FIRST(&link->waiting);
    int64_t due_ms = sent == NULL ? INT64_MAX : sent->due_ms;
    if (waiting != NULL && waiting->due_ms < due_ms)
        due_ms = waiting->due_ms;
    if ((link->state == LINK_DIALLING || link->state == LINK_AGREEING) &&
        link->open_due_ms < due_ms)
        due_ms = link->open_due_ms;
    if (link->state == LINK_OPEN && due_ms == INT64_MAX)
        due_ms = link->last_answer_ms + DNS_LINK_IDLE_MS;
    return due_ms;
}

static void rearm(struct dns_link *link)
{
    const int64_t due_ms = next_due_ms(link);
    const int64_t wait_ms = due_ms - now_ms(link);
    ev_timer_stop(link->loop, &link->timer);
    if (due_ms == INT64_MAX)
        return;
    ev_timer_set(&link->timer, wait_ms > 0 ? (ev_tstamp)wait_ms / 1000. : 0., 0.);
    ev_timer_start(link->loop, &link->timer);
}

// drive does what can be done now.
static void drive(struct dns_link *link)
{
    ASSERT(link->magic == DNS_LINK_MAGIC);
    if (link->state == LINK_AGREEING)
        agree(link);
    if (link->state == LINK_OPEN)
        exchange_messages(link);
    if (link->state == LINK_CLOSED && !TAILQ_EMPTY(&link->waiting)) {
        if (link->refused_until_ms > now_ms(link))
            fail_all(link, DNS_REPLY_NOBODY);
        else
            begin_dial(link);
    }
    rearm(link);
}

static void on_ready(void *owner)
{
    drive(owner);
}

static void on_pass(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    drive(timer->data);
}

static void on_dialled(void *arg, enum dial_result result, int fd)
{
    struct dns_link *link = arg;
    ASSERT(link->magic == DNS_LINK_MAGIC && link->state == LINK_DIALLING);
    dialer_destroy(link->dialer);
    link->dialer = NULL;
    if (result != DIAL_CONNECTED) {
        note_trouble(link,
                     result == DIAL_TIMED_OUT ? "it does not answer" : "it cannot be reached");
        lose_connection(link, result == DIAL_TIMED_OUT      ? DNS_REPLY_SILENT
                              : result == DIAL_NO_RESOURCES ? DNS_REPLY_NO_MEMORY
                                                            : DNS_REPLY_NOBODY);
        drive(link);
        return;
    }
    tcp_stream_init(&link->tcp, link->loop, fd);
    link->tcp.stream.on_ready = on_ready;
    link->tcp.stream.owner = link;
    link->state = LINK_AGREEING;
    link->guarded =
        link->server.guard->ops->begin(link->server.guard, &link->tcp.stream, &link->pool);
    if (link->guarded == NULL)
        lose_connection(link, DNS_REPLY_NO_MEMORY);
    drive(link);
}

// give_up_late ends the questions whose time is over.
static void give_up_late(struct dns_link *link)
{
    const int64_t now = now_ms(link);
    struct dns_question *question;
    struct question_list late = TAILQ_HEAD_INITIALIZER(late);
    bool is_dead = false;
    while ((question = TAILQ_FIRST(&link->sent)) != NULL && question->due_ms <= now) {
        is_dead = is_dead || link->last_answer_ms <= question->due_ms - link->timeout_ms;
        forget_sent(link, question);
        TAILQ_INSERT_TAIL(&late, question, link);
    }
    while ((question = TAILQ_FIRST(&link->waiting)) != NULL && question->due_ms <= now) {
        TAILQ_REMOVE(&link->waiting, question, link);
        TAILQ_INSERT_TAIL(&late, question, link);
    }
    const bool answers_others = !is_dead && link->state == LINK_OPEN;
    if (is_dead) {
        close_connection(link);
        ask_again(link);
    }
    while (!TAILQ_EMPTY(&late))
        fail_question(link, &late, answers_others ? DNS_REPLY_LATE : DNS_REPLY_SILENT);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct dns_link *link = timer->data;
    const bool is_opening = link->state == LINK_DIALLING || link->state == LINK_AGREEING;
    if (is_opening && link->open_due_ms <= now_ms(link)) {
        note_trouble(link, "it does not finish the handshake; does it speak TLS there?");
        lose_connection(link, DNS_REPLY_SILENT);
    } else if (link->state == LINK_OPEN && TAILQ_EMPTY(&link->sent) &&
               TAILQ_EMPTY(&link->waiting)) {
        close_connection(link);
    }
    give_up_late(link);
    drive(link);
}

void dns_link_ask(struct dns_link *link, struct dns_question *question)
{
    question->due_ms = now_ms(link) + link->timeout_ms;
    TAILQ_INSERT_TAIL(&link->waiting, question, link);
    ev_feed_event(link->loop, &link->pass, EV_TIMER);
}

struct dns_link *dns_link_create(struct ev_loop *loop, const struct dns_server *server,
                                 int64_t timeout_ms, dns_reply_function *on_reply)
{
    struct dns_link *link = calloc(1, sizeof *link);
    if (link == NULL)
        return NULL;
    *link = (struct dns_link){.magic = DNS_LINK_MAGIC,
                              .loop = loop,
                              .server = *server,
                              .timeout_ms = timeout_ms,
                              .on_reply = on_reply};
    (void)stream_guard_ref(server->guard);
    TAILQ_INIT(&link->waiting);
    TAILQ_INIT(&link->sent);
    for (size_t i = 0; i < DNS_LINK_SLOTS; i++)
        link->ids[i] = (uint16_t)i;
    ev_timer_init(&link->pass, on_pass, 0., 0.);
    ev_timer_init(&link->timer, on_timer, 0., 0.);
    link->pass.data = link;
    link->timer.data = link;
    return link;
}

void dns_link_destroy(struct dns_link *link)
{
    if (link == NULL)
        return;
    close_connection(link);
    ev_timer_stop(link->loop, &link->timer);
    (void)ev_clear_pending(link->loop, &link->pass);
    stream_guard_unref(link->server.guard);
    link->magic = 0;
    free(link);
}
