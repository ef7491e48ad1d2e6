// A client is read until its line is there, then belongs to the owner, then its answer is written out.
// Every write is as much as the socket takes; nothing waits.
#include "proxy/admin/control_server.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <unistd.h>

#include "auth/base/array.h"
#include "auth/base/json.h"
#include "proxy/loop/acceptor.h"

enum {
    CALL_MAGIC = 0x3C0117A1,
    ANSWER_MAX = 16 * 1024 * 1024,
    FIRST_ANSWER_CAP = 4096,
    PIECE_CAP = 1024,
};

static const ev_tstamp request_s = 10.;
static const ev_tstamp answer_s = 30.;

enum call_state {
    CALL_READING, // its line is not complete
    CALL_OPEN,    // the owner has it
    CALL_ENDED,   // the answer is complete
};

TAILQ_HEAD(call_list, control_call);

struct control_server {
    struct ev_loop *loop; // borrowed
    struct control_events events;
    struct acceptor acceptor;
    struct call_list calls;
    size_t call_count;
};

struct control_call {
    uint32_t magic;
    enum call_state state;
    struct control_server *server; // borrowed
    TAILQ_ENTRY(control_call) link;
    ev_io io; // its descriptor is owned
    ev_timer timer;
    struct ucred caller;
    bool is_broken; // nobody reads any more, or the answer is too long
    struct control_request request;
    char line[CONTROL_LINE_MAX + 1];
    size_t line_len;
    struct text text; // what comes next of the answer
    char piece[PIECE_CAP];
    char *answer; // owned
    size_t answer_len;
    size_t answer_cap;
    size_t sent_len;
};

static void destroy(struct control_call *call)
{
    struct control_server *server = call->server;
    ev_io_stop(server->loop, &call->io);
    ev_timer_stop(server->loop, &call->timer);
    (void)close(call->io.fd);
    TAILQ_REMOVE(&server->calls, call, link);
    server->call_count--;
    free(call->answer);
    call->magic = 0;
    free(call);
}

// wait_for sets what to wait for, and for how long; 0: for ever.
static void wait_for(struct control_call *call, int events, ev_tstamp patience_s)
{
    struct ev_loop *loop = call->server->loop;
    ev_io_stop(loop, &call->io);
    ev_io_set(&call->io, call->io.fd, events);
    if (events != 0)
        ev_io_start(loop, &call->io);
    ev_timer_stop(loop, &call->timer);
    ev_timer_set(&call->timer, patience_s, 0.);
    if (patience_s > 0.)
        ev_timer_start(loop, &call->timer);
}

// push writes what the socket takes; false when nobody reads any more.
static bool push(struct control_call *call)
{
    while (call->sent_len < call->answer_len && !call->is_broken) {
        const ssize_t count = send(call->io.fd, call->answer + call->sent_len,
                                   call->answer_len - call->sent_len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count > 0)
            call->sent_len += (size_t)count;
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            return true;
        else if (errno != EINTR)
            call->is_broken = true;
    }
    if (call->sent_len == call->answer_len) {
        call->sent_len = 0;
        call->answer_len = 0;
    }
    return !call->is_broken;
}

// go_on writes, and waits for what comes next; may destroy an ended call.
static void go_on(struct control_call *call)
{
    const bool is_read = push(call);
    const bool has_more = is_read && call->answer_len > 0;
    if (has_more)
        wait_for(call, EV_WRITE, answer_s);
    else if (call->state == CALL_ENDED)
        destroy(call);
    else
        wait_for(call, 0, 0.);
}

static void refuse(struct control_call *call, int exit_status, const char *why)
{
    const struct control_events *events = &call->server->events;
    events->on_refused(events->arg, &call->caller, why);
    call->state = CALL_OPEN;
    control_call_end(call, exit_status, why);
}

static void take_line(struct control_call *call, size_t line_len)
{
    struct errinfo info;
    if (line_len + 1 != call->line_len) {
        refuse(call, 2, "one line is one request, and nothing may follow it");
        return;
    }
    if (control_request_parse(slice_of(call->line, line_len), &call->request, &info) != ERR_OK) {
        refuse(call, 2, info.text);
        return;
    }
    call->state = CALL_OPEN;
    wait_for(call, 0, 0.);
    call->server->events.on_call(call->server->events.arg, call);
}

static void read_line(struct control_call *call)
{
    const ssize_t count = recv(call->io.fd, call->line + call->line_len,
                               sizeof call->line - call->line_len, MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (count <= 0) {
        destroy(call);
        return;
    }
    call->line_len += (size_t)count;
    const size_t line_len = slice_find(slice_of(call->line, call->line_len), '\n');
    if (line_len < call->line_len)
        take_line(call, line_len);
    else if (call->line_len == sizeof call->line)
        refuse(call, 2, "the request is too long");
}

static void on_io(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    (void)events;
    struct control_call *call = io->data;
    ASSERT(call->magic == CALL_MAGIC);
    if (call->state == CALL_READING)
        read_line(call);
    else
        go_on(call);
}

// on_timer drops one who is too slow. A call that the owner has is only marked.
static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct control_call *call = timer->data;
    ASSERT(call->magic == CALL_MAGIC);
    call->is_broken = true;
    if (call->state == CALL_OPEN)
        wait_for(call, 0, 0.);
    else
        destroy(call);
}

// take adds bytes to the answer.
static void take(void *arg, struct slice bytes)
{
    struct control_call *call = arg;
    ASSERT(call->magic == CALL_MAGIC && call->state == CALL_OPEN);
    const size_t needed = call->answer_len + bytes.len;
    if (call->is_broken)
        return;
    char *answer = needed > ANSWER_MAX
                       ? NULL
                       : array_fit(call->answer, needed, &call->answer_cap, FIRST_ANSWER_CAP);
    if (answer == NULL) {
        call->is_broken = true;
        return;
    }
    call->answer = answer;
    (void)bytes_copy(call->answer + call->answer_len, call->answer_cap - call->answer_len, bytes);
    call->answer_len += bytes.len;
}

static bool ask_who(int fd, struct ucred *out)
{
    socklen_t len = sizeof *out;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, out, &len) == 0 && len == sizeof *out;
}

// begin_call takes over a connected socket.
static void begin_call(void *arg, int fd)
{
    struct control_server *server = arg;
    struct control_call *call = calloc(1, sizeof *call);
    if (call == NULL || !ask_who(fd, &call->caller)) {
        free(call);
        (void)close(fd);
        return;
    }
    call->magic = CALL_MAGIC;
    call->server = server;
    text_init_sink(&call->text, call->piece, sizeof call->piece, take, call);
    ev_io_init(&call->io, on_io, fd, EV_READ);
    ev_timer_init(&call->timer, on_timer, 0., 0.);
    call->io.data = call;
    call->timer.data = call;
    TAILQ_INSERT_TAIL(&server->calls, call, link);
    server->call_count++;
    if (call->caller.uid != 0 && call->caller.uid != geteuid())
        refuse(call, 1, "only the user that sallyport runs as, and root, may ask");
    else
        wait_for(call, EV_READ, request_s);
}

static bool has_room(void *arg)
{
    const struct control_server *server = arg;
    return server->call_count < CONTROL_CALLS_MAX;
}

static void listen_at(struct control_server *server, int fd)
{
    const struct acceptor_events accepting = {
        .has_room = has_room, .on_accept = begin_call, .arg = server};
    acceptor_start(&server->acceptor, server->loop, fd, &accepting);
}

struct control_server *control_server_create(struct ev_loop *loop, int fd,
                                             const struct control_events *events)
{
    struct control_server *server = calloc(1, sizeof *server);
    if (server == NULL)
        return NULL;
    server->loop = loop;
    server->events = *events;
    TAILQ_INIT(&server->calls);
    listen_at(server, fd);
    return server;
}

void control_server_move(struct control_server *server, int fd)
{
    acceptor_stop(&server->acceptor);
    listen_at(server, fd);
}

void control_server_pause(struct control_server *server)
{
    acceptor_hold(&server->acceptor);
}

void control_server_resume(struct control_server *server)
{
    acceptor_release(&server->acceptor);
}

void control_server_destroy(struct control_server *server)
{
    if (server == NULL)
        return;
    while (!TAILQ_EMPTY(&server->calls)) {
        struct control_call *call = TAILQ_FIRST(&server->calls);
        ASSERT(call->state != CALL_OPEN);
        destroy(call);
    }
    acceptor_stop(&server->acceptor);
    free(server);
}

const struct control_request *control_call_request(const struct control_call *call)
{
    return &call->request;
}

const struct ucred *control_call_caller(const struct control_call *call)
{
    return &call->caller;
}

struct text *control_call_text(struct control_call *call)
{
    return &call->text;
}

void control_call_append(struct control_call *call, struct slice bytes)
{
    text_flush(&call->text);
    take(call, bytes);
}

void control_call_send(struct control_call *call)
{
    text_flush(&call->text);
    go_on(call);
}

size_t control_call_unsent(const struct control_call *call)
{
    return call->answer_len - call->sent_len;
}

bool control_call_is_gone(const struct control_call *call)
{
    struct pollfd end = {.fd = call->io.fd};
    return call->is_broken ||
           (poll(&end, 1, 0) == 1 && (end.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0);
}

void control_call_end(struct control_call *call, int exit_status, const char *message)
{
    struct text *text = &call->text;
    json_begin_object(text, NULL);
    json_add_number(text, "exit", exit_status);
    json_add_string(text, "message", message);
    json_end_object(text);
    text_append_string(text, "\n");
    text_flush(text);
    ASSERT(!text->is_cut);
    call->state = CALL_ENDED;
    go_on(call);
}
