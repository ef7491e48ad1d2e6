// What waits stands in a table; the number of a request is its place there, and how often the place was used.
//
// begin puts a request into the outbox, which goes out before the loop waits. An answer finds its signing by the number; one
// that nobody waits for any more finds none.
#include "proxy/keys/key_line.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "proxy/keys/key_desk.h"
#include "proxy/log/log.h"
#include "proxy/loop/wakeup.h"

enum {
    LINE_MAGIC = 0x4B1E11E5,
    SIGNINGS_MAX = 4096, // that wait on one line
};

struct signing {
    struct key_line *line; // borrowed; NULL: on none
    uint64_t number;
    void (*on_done)(void *owner);
    void *owner; // borrowed
    enum signing_state state;
    struct key_message request; // its bytes are `bytes`
    struct slice signature;     // in `bytes`, once it is done
    size_t cap;
    uint8_t bytes[]; // the message, then the signature
};

// place is one of the table.
struct place {
    struct signing *signing; // borrowed; NULL: free
    uint32_t used;           // how often
    uint32_t next_free;
};

struct key_line {
    uint32_t magic;
    struct key_desk *desk; // borrowed
    struct ev_loop *loop;  // borrowed
    struct wakeup given;   // there is a socket
    int given_fd;          // owned; -1: none; under the store's `state`
    uint64_t generation;   // of the holder at its other end; under `state`
    pthread_t thread;      // of the loop; under `state`
    bool has_thread;       // under `state`
    ev_prepare before_wait;
    ev_io io; // its descriptor is owned; -1: there is no holder now
    struct key_inbox in;
    struct key_outbox out;
    uint32_t first_free;
    uint32_t place_count; // that were ever used
    struct place places[SIGNINGS_MAX];
};

// ---- the table ----------------------------------------------------------------------------------

static bool take_place(struct key_line *line, struct signing *signing)
{
    uint32_t at = line->first_free;
    if (at < line->place_count)
        line->first_free = line->places[at].next_free;
    else if (line->place_count < SIGNINGS_MAX)
        line->first_free = ++line->place_count;
    else
        return false;
    line->places[at].signing = signing;
    line->places[at].used++;
    signing->line = line;
    signing->number = (uint64_t)line->places[at].used << 32 | at;
    return true;
}

static void give_place(struct signing *signing)
{
    struct key_line *line = signing->line;
    const uint32_t at = (uint32_t)signing->number;
    line->places[at].signing = NULL;
    line->places[at].next_free = line->first_free;
    line->first_free = at;
    signing->line = NULL;
}

// find gives the signing of a number; NULL: nobody waits for it.
static struct signing *find(const struct key_line *line, uint64_t number)
{
    const uint32_t at = (uint32_t)number;
    if (at >= line->place_count || line->places[at].signing == NULL ||
        line->places[at].signing->number != number)
        return NULL;
    return line->places[at].signing;
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

// drop_socket: the holder is gone. What waits is asked of the next one.
static void drop_socket(struct key_line *line)
{
    if (line->io.fd < 0)
        return;
    ev_io_stop(line->loop, &line->io);
    (void)close(line->io.fd);
    line->io.fd = -1;
    key_inbox_deinit(&line->in);
    key_outbox_deinit(&line->out);
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

// bind notes on which thread the loop runs.
static void bind(struct key_line *line)
{
    struct key_desk *desk = line->desk;
    (void)pthread_mutex_lock(&desk->state);
    line->thread = pthread_self();
    line->has_thread = true;
    (void)pthread_mutex_unlock(&desk->state);
}

static void on_before_wait(struct ev_loop *loop, ev_prepare *prepare, int events)
{
    struct key_line *line = prepare->data;
    ASSERT(line->magic == LINE_MAGIC);
    (void)events;
    ev_prepare_stop(loop, prepare);
    if (!line->has_thread)
        bind(line);
    send_out(line);
}

// put asks for a signature, where there is a holder. Without memory it stays unasked until there is another one, or nobody
// waits any more.
static void put(struct key_line *line, const struct signing *signing)
{
    if (line->io.fd >= 0 && key_outbox_add(&line->out, &signing->request))
        ev_prepare_start(line->loop, &line->before_wait);
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

static void take_answer(struct key_line *line, const struct key_message *answer)
{
    struct signing *signing = find(line, answer->number);
    if (signing == NULL)
        return;
    give_place(signing);
    if (answer->kind == KEY_ANSWER_FAILED)
        log_warning(LOG_KEY_HOLDER, "a signature is refused: %.*s", (int)answer->bytes.len,
                    (const char *)answer->bytes.data);
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

// on_given goes on with another holder: all that waits is asked for once more.
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
    drop_socket(line);
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    line->io.fd = fd;
    set_events(line);
    for (uint32_t i = 0; i < line->place_count; i++) {
        if (line->places[i].signing != NULL)
            put(line, line->places[i].signing);
    }
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
    ev_prepare_start(loop, &line->before_wait); // for the thread
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
    for (uint32_t i = 0; i < line->place_count; i++) {
        struct signing *signing = line->places[i].signing;
        if (signing == NULL)
            continue;
        give_place(signing);
        settle(desk, signing, false, (struct slice){0});
    }
    drop_socket(line);
    ev_prepare_stop(line->loop, &line->before_wait);
    wakeup_stop(&line->given);
    line->magic = 0;
    free(line);
}

// ---- signatures ---------------------------------------------------------------------------------

// line_of_this_thread gives the line of the loop that runs on it; NULL: there is none.
static struct key_line *line_of_this_thread(struct key_desk *desk)
{
    const pthread_t self = pthread_self();
    struct key_line *found = NULL;
    (void)pthread_mutex_lock(&desk->state);
    for (size_t i = 0; i < desk->line_count && found == NULL; i++) {
        struct key_line *line = desk->lines[i];
        if (line->has_thread && pthread_equal(line->thread, self) != 0)
            found = line;
    }
    (void)pthread_mutex_unlock(&desk->state);
    return found;
}

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
    const enum err error = key_desk_ask(desk, &signing->request, &answer, &info);
    const bool is_good = error == ERR_OK && answer.kind == KEY_ANSWER_SIGNATURE;
    settle(desk, signing, is_good, is_good ? answer.bytes : (struct slice){0});
    key_desk_done(desk);
}

struct signing *signing_begin(struct key_desk *desk, const struct signing_question *question,
                              void (*on_done)(void *owner), void *owner)
{
    struct key_line *line = line_of_this_thread(desk);
    struct signing *signing = make(question);
    if (signing == NULL)
        return NULL;
    signing->on_done = on_done;
    signing->owner = owner;
    if (line == NULL) {
        wait_for(desk, signing);
        return signing;
    }
    if (!take_place(line, signing)) {
        free(signing);
        return NULL;
    }
    signing->request.number = signing->number;
    put(line, signing);
    return signing;
}

enum signing_state signing_look(const struct signing *signing, struct slice *out)
{
    *out = signing->signature;
    return signing->state;
}

void signing_end(struct signing *signing)
{
    if (signing->line != NULL)
        give_place(signing);
    free(signing);
}
