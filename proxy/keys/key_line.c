// What waits stands in a queue until the holder may have it, and in a table from then on until it has answered; the number of a
// request is its place there, and how often the place was used. Who has asked may leave meanwhile: out of the queue at once; in the
// table the place stays taken, so that the holder never has more before it than the table has places.
//
// The queue moves up before the loop waits.
#include "proxy/keys/key_line.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <unistd.h>

#include "proxy/clock/clock.h"
#include "proxy/keys/key_desk.h"
#include "proxy/log/log.h"
#include "proxy/loop/wakeup.h"

enum {
    LINE_MAGIC = 0x4B1E11E5,
    SIGNINGS_MAX = 4096, // that wait on one line
    SENT_MAX = 128,      // that the holder has of them
    WARN_MS = 60 * 1000, // between two warnings of refused signatures
};

struct signing {
    struct key_line *line;     // borrowed; NULL: it waits on none
    TAILQ_ENTRY(signing) link; // of the line's queue, where it was not sent
    bool is_sent;              // it has a place
    bool is_left;              // nobody waits for it; it is the line's
    uint64_t number;           // where it is sent
    void (*on_done)(void *owner);
    void *owner; // borrowed
    enum signing_state state;
    struct key_message request; // its bytes are `bytes`
    struct slice signature;     // in `bytes`, once it is done
    size_t cap;
    uint8_t bytes[]; // the message, then the signature
};

TAILQ_HEAD(signings, signing);

// place is one of the table.
struct place {
    struct signing *signing; // borrowed, or owned where it is left; NULL: free
    uint32_t used;           // how often
};

struct key_line {
    uint32_t magic;
    struct key_desk *desk; // borrowed
    struct ev_loop *loop;  // borrowed
    struct wakeup given;   // there is a socket
    int given_fd;          // owned; -1: none; under the store's `state`
    uint64_t generation;   // of the holder at its other end; 0: of none; under `state`
    ev_prepare before_wait;
    ev_io io; // its descriptor is owned; -1: there is no holder now
    struct key_inbox in;
    struct key_outbox out;
    int64_t warned_ms;     // monotonic; 0: never
    uint64_t unwarned;     // refused since
    size_t count;          // of signings
    struct signings queue; // borrowed
    size_t sent_count;
    struct place places[SENT_MAX];
};

// The line of the loop that runs on this thread.
static _Thread_local struct key_line *here;

// ---- what waits ---------------------------------------------------------------------------------

// take_place moves the first of the queue into the table, which has room.
static struct signing *take_place(struct key_line *line)
{
    struct signing *signing = TAILQ_FIRST(&line->queue);
    uint32_t at = 0;
    while (line->places[at].signing != NULL)
        at++;
    TAILQ_REMOVE(&line->queue, signing, link);
    line->places[at].signing = signing;
    line->places[at].used++;
    line->sent_count++;
    signing->is_sent = true;
    signing->number = (uint64_t)line->places[at].used << 32 | at;
    signing->request.number = signing->number;
    return signing;
}

static void give_place(struct key_line *line, struct signing *signing)
{
    line->places[(uint32_t)signing->number].signing = NULL;
    line->sent_count--;
    signing->is_sent = false;
}

// put_back undoes take_place: the holder does not have it.
static void put_back(struct key_line *line, struct signing *signing)
{
    give_place(line, signing);
    TAILQ_INSERT_HEAD(&line->queue, signing, link);
}

// forget ends the wait of one that is in neither queue nor table any more, and frees it where nobody else does. True: somebody waits.
static bool forget(struct key_line *line, struct signing *signing)
{
    line->count--;
    (void)atomic_fetch_sub(&line->desk->waiting, 1);
    signing->line = NULL;
    if (!signing->is_left)
        return true;
    free(signing);
    return false;
}

// find gives the signing of a number; NULL: there is none.
static struct signing *find(const struct key_line *line, uint64_t number)
{
    const uint32_t at = (uint32_t)number;
    if (at >= SENT_MAX || line->places[at].signing == NULL ||
        line->places[at].signing->number != number)
        return NULL;
    return line->places[at].signing;
}

// take_back has all that was sent wait for the next holder, but what nobody wants any more.
static void take_back(struct key_line *line)
{
    for (uint32_t i = SENT_MAX; i-- > 0;) {
        struct signing *signing = line->places[i].signing;
        if (signing == NULL)
            continue;
        if (!signing->is_left) {
            put_back(line, signing);
        } else {
            give_place(line, signing);
            (void)forget(line, signing);
        }
    }
}

// ---- sending ------------------------------------------------------------------------------------

static void set_events(struct key_line *line)
{
    const int events = key_outbox_is_empty(&line->out) ? EV_READ : EV_READ | EV_WRITE;
    if (line->io.fd < 0 || (ev_is_active(&line->io) && (line->io.events & 3) == events))
        return;
    ev_io_stop(line->loop, &line->io);
    ev_io_set(&line->io, line->io.fd, events);
    ev_io_start(line->loop, &line->io);
}

static void close_socket(struct key_line *line)
{
    if (line->io.fd < 0)
        return;
    ev_io_stop(line->loop, &line->io);
    (void)close(line->io.fd);
    line->io.fd = -1;
    key_inbox_deinit(&line->in);
    key_outbox_deinit(&line->out);
    take_back(line);
}

// drop_socket: the holder is gone, or this line of it. What waits is asked for over the next one.
static void drop_socket(struct key_line *line)
{
    struct key_desk *desk = line->desk;
    close_socket(line);
    (void)pthread_mutex_lock(&desk->state);
    if (line->given_fd < 0)
        line->generation = 0;
    (void)pthread_mutex_unlock(&desk->state);
    key_desk_wake(desk);
}

static void send_out(struct key_line *line)
{
    if (line->io.fd < 0)
        return;
    const enum err error = key_outbox_send(&line->out, line->io.fd);
    if (error == ERR_OK || error == ERR_AGAIN)
        set_events(line);
    else
        drop_socket(line);
}

// move_up asks for what may be asked for. Without memory it is tried again before the loop waits the next time.
static void move_up(struct key_line *line)
{
    while (line->io.fd >= 0 && line->sent_count < SENT_MAX && !TAILQ_EMPTY(&line->queue)) {
        struct signing *signing = take_place(line);
        if (key_outbox_add(&line->out, &signing->request))
            continue;
        put_back(line, signing);
        return;
    }
}

// on_before_wait: the loop may have gone to another thread.
static void on_before_wait(struct ev_loop *loop, ev_prepare *prepare, int events)
{
    struct key_line *line = prepare->data;
    ASSERT(line->magic == LINE_MAGIC);
    (void)loop;
    (void)events;
    here = line;
    move_up(line);
    if (!key_outbox_is_empty(&line->out))
        send_out(line);
}

// ---- answers ------------------------------------------------------------------------------------

// settle ends the wait of a signing, and may free it.
static void settle(struct key_desk *desk, struct signing *signing, bool is_good,
                   struct slice signature)
{
    is_good = is_good && bytes_copy(signing->bytes, signing->cap, signature);
    signing->signature = slice_of(signing->bytes, signature.len);
    signing->state = is_good ? SIGNING_DONE : SIGNING_FAILED;
    (void)atomic_fetch_add(is_good ? &desk->signatures : &desk->failures, 1);
}

// warn says that a signature is refused, and how many were since it was said last.
static void warn(struct key_line *line, struct slice why)
{
    const int64_t now_ms = monotonic_ms();
    line->unwarned++;
    if (line->warned_ms != 0 && now_ms - line->warned_ms < WARN_MS)
        return;
    log_warning(LOG_KEY_HOLDER, "a signature is refused (%" PRIu64 " on this line, of late): %.*s",
                line->unwarned, (int)why.len, (const char *)why.data);
    line->warned_ms = now_ms;
    line->unwarned = 0;
}

static void take_answer(struct key_line *line, const struct key_message *answer)
{
    struct signing *signing = find(line, answer->number);
    if (signing == NULL)
        return;
    give_place(line, signing);
    if (answer->kind == KEY_ANSWER_FAILED)
        warn(line, answer->bytes);
    if (!forget(line, signing))
        return;
    settle(line->desk, signing, answer->kind == KEY_ANSWER_SIGNATURE, answer->bytes);
    signing->on_done(signing->owner);
}

static void on_io(struct ev_loop *loop, ev_io *io, int events)
{
    struct key_line *line = io->data;
    struct key_message answer;
    ASSERT(line->magic == LINE_MAGIC);
    (void)loop;
    if ((events & EV_WRITE) != 0)
        send_out(line);
    if ((events & EV_READ) == 0 || line->io.fd < 0)
        return;
    const enum err error = key_inbox_fill(&line->in, line->io.fd);
    if (error == ERR_AGAIN)
        return;
    enum key_parse parsed = KEY_PARSE_BAD;
    while (error == ERR_OK && (parsed = key_inbox_take(&line->in, &answer)) == KEY_PARSE_GOOD)
        take_answer(line, &answer);
    if (parsed != KEY_PARSE_MORE)
        drop_socket(line);
}

// ---- connecting ---------------------------------------------------------------------------------

uint64_t key_line_generation(const struct key_line *line)
{
    return line->generation;
}

// find_index gives a line's place; `line_count` where it is not there. Under `state`.
static size_t find_index(const struct key_desk *desk, const struct key_line *line)
{
    size_t at = 0;
    while (at < desk->line_count && desk->lines[at] != line)
        at++;
    return at;
}

void key_line_give(struct key_desk *desk, struct key_line *line, int fd, uint64_t generation)
{
    (void)pthread_mutex_lock(&desk->state);
    const bool is_there = find_index(desk, line) < desk->line_count;
    if (is_there) {
        if (line->given_fd >= 0)
            (void)close(line->given_fd);
        line->given_fd = fd;
        line->generation = generation;
        wakeup_send(&line->given);
    }
    (void)pthread_mutex_unlock(&desk->state);
    if (!is_there)
        (void)close(fd);
}

// on_given goes on with another holder: all that waits is asked for once more, before the loop waits.
static void on_given(void *arg, uint32_t count)
{
    struct key_line *line = arg;
    ASSERT(line->magic == LINE_MAGIC);
    (void)count;
    (void)pthread_mutex_lock(&line->desk->state);
    const int fd = line->given_fd;
    line->given_fd = -1;
    (void)pthread_mutex_unlock(&line->desk->state);
    if (fd < 0)
        return;
    close_socket(line);
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    line->io.fd = fd;
    set_events(line);
}

// enlist has the desk know the line. False: it has no room.
static bool enlist(struct key_desk *desk, struct key_line *line)
{
    (void)pthread_mutex_lock(&desk->state);
    const bool has_room = desk->line_count < KEY_LINES_MAX;
    if (has_room)
        desk->lines[desk->line_count++] = line;
    (void)pthread_mutex_unlock(&desk->state);
    return has_room;
}

struct key_line *key_line_create(struct key_desk *desk, struct ev_loop *loop)
{
    struct key_line *line = calloc(1, sizeof *line);
    if (line == NULL)
        return NULL;
    line->magic = LINE_MAGIC;
    line->desk = desk;
    line->loop = loop;
    line->given_fd = -1;
    TAILQ_INIT(&line->queue);
    ev_init(&line->io, on_io);
    line->io.fd = -1;
    line->io.data = line;
    ev_prepare_init(&line->before_wait, on_before_wait);
    line->before_wait.data = line;
    if (!wakeup_start(&line->given, loop, on_given, line)) {
        free(line);
        return NULL;
    }
    if (!enlist(desk, line)) {
        wakeup_stop(&line->given);
        free(line);
        return NULL;
    }
    ev_prepare_start(loop, &line->before_wait);
    key_desk_wake(desk);
    return line;
}

void key_line_destroy(struct key_line *line)
{
    if (line == NULL)
        return;
    struct key_desk *desk = line->desk;
    (void)pthread_mutex_lock(&desk->state);
    desk->lines[find_index(desk, line)] = desk->lines[desk->line_count - 1];
    desk->line_count--;
    (void)pthread_mutex_unlock(&desk->state);
    if (line->given_fd >= 0)
        (void)close(line->given_fd);
    close_socket(line);
    for (struct signing *signing = NULL; (signing = TAILQ_FIRST(&line->queue)) != NULL;) {
        TAILQ_REMOVE(&line->queue, signing, link);
        if (forget(line, signing))
            settle(desk, signing, false, (struct slice){0});
    }
    if (here == line)
        here = NULL;
    ev_prepare_stop(line->loop, &line->before_wait);
    wakeup_stop(&line->given);
    line->magic = 0;
    free(line);
}

// ---- signatures ---------------------------------------------------------------------------------

static struct signing *make(const struct signing_question *question)
{
    const size_t len = question->message.len;
    if (len > KEY_SIGNED_MAX)
        return NULL;
    const size_t cap = len < SIGNATURE_MAX ? SIGNATURE_MAX : len;
    struct signing *signing = malloc(sizeof *signing + cap);
    if (signing == NULL)
        return NULL;
    const int cpu = sched_getcpu();
    *signing = (struct signing){.cap = cap, .state = SIGNING_WAITS};
    (void)bytes_copy(signing->bytes, cap, question->message);
    signing->request = (struct key_message){.kind = KEY_SIGN,
                                            .algorithm = question->algorithm,
                                            .cpu = cpu < 0 ? UINT16_MAX : (uint16_t)cpu,
                                            .bytes = slice_of(signing->bytes, len)};
    (void)bytes_copy(signing->request.name, sizeof signing->request.name,
                     slice_of(question->name, KEY_NAME_LEN));
    return signing;
}

// wait_for asks on a thread without a loop.
static void wait_for(struct key_desk *desk, struct signing *signing)
{
    struct key_message answer;
    struct errinfo info;
    const enum err error = key_desk_ask(desk, &signing->request, KEY_PATIENCE_MS, &answer, &info);
    const bool is_good = error == ERR_OK && answer.kind == KEY_ANSWER_SIGNATURE;
    settle(desk, signing, is_good, is_good ? answer.bytes : (struct slice){0});
    key_desk_done(desk);
}

struct signing *signing_begin(struct key_desk *desk, const struct signing_question *question,
                              void (*on_done)(void *owner), void *owner)
{
    struct key_line *line = here != NULL && here->desk == desk ? here : NULL;
    struct signing *signing = make(question);
    if (signing == NULL)
        return NULL;
    signing->on_done = on_done;
    signing->owner = owner;
    if (line == NULL) {
        wait_for(desk, signing);
        return signing;
    }
    if (line->count == SIGNINGS_MAX) {
        free(signing);
        return NULL;
    }
    signing->line = line;
    line->count++;
    (void)atomic_fetch_add(&desk->waiting, 1);
    TAILQ_INSERT_TAIL(&line->queue, signing, link);
    return signing;
}

enum signing_state signing_look(const struct signing *signing, struct slice *out)
{
    *out = signing->signature;
    return signing->state;
}

void signing_end(struct signing *signing)
{
    struct key_line *line = signing->line;
    if (line != NULL && signing->is_sent) {
        signing->is_left = true; // it is freed with the answer
        return;
    }
    if (line != NULL) {
        TAILQ_REMOVE(&line->queue, signing, link);
        (void)forget(line, signing);
    }
    free(signing);
}
