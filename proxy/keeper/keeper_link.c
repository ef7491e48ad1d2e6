// A watcher over a keeper_socket.
#include "proxy/keeper/keeper_link.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "auth/ipaddr.h"
#include "proxy/clock/clock.h"
#include "proxy/keeper/keeper.h"
#include "proxy/keeper/keeper_socket.h"
#include "proxy/log/log.h"

int keeper_link_find(void)
{
    const char *text = getenv(KEEPER_VARIABLE);
    uint64_t fd = 0;
    int type = 0;
    socklen_t len = sizeof type;
    const bool is_link = text != NULL && decimal_parse(slice_of_string(text), INT32_MAX, &fd) &&
                         fd > STDERR_FILENO &&
                         getsockopt((int)fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
                         type == SOCK_SEQPACKET;
    (void)unsetenv(KEEPER_VARIABLE);
    if (!is_link)
        return -1;
    (void)fcntl((int)fd, F_SETFD, FD_CLOEXEC);
    return (int)fd;
}

static void stop(struct keeper_link *link, struct ev_loop *loop)
{
    ev_io_stop(loop, &link->io);
    (void)close(link->io.fd);
    link->io.fd = -1;
}

static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
    (void)events;
    struct keeper_link *link = io->data;
    struct keeper_message message;
    struct errinfo info;
    int beside = -1;
    const enum err error = keeper_socket_receive(io->fd, &message, &beside, &info);
    if (beside >= 0)
        (void)close(beside);
    if (error == ERR_AGAIN)
        return;
    if (error == ERR_INPUT) {
        log_warning(LOG_KEEPER, "the keeper says what this version does not understand: %s",
                    info.text);
    } else if (error != ERR_OK) {
        stop(link, loop);
        link->events.on_lost(link->events.arg);
    } else if (message.kind == KEEPER_STARTED) {
        link->events.on_started(link->events.arg, message.pid);
    } else if (message.kind == KEEPER_NOT_STARTED) {
        link->events.on_not_started(link->events.arg, message.text);
    } else if (message.kind == KEEPER_ENDED) {
        link->events.on_ended(link->events.arg, message.pid, (int)message.number);
    }
}

void keeper_link_begin(struct keeper_link *link, struct ev_loop *loop, int fd,
                       const struct keeper_events *events)
{
    link->events = *events;
    ev_io_init(&link->io, on_readable, fd, EV_READ);
    link->io.data = link;
    ev_io_start(loop, &link->io);
}

void keeper_link_end(struct keeper_link *link, struct ev_loop *loop)
{
    if (link->io.fd >= 0)
        stop(link, loop);
}

// say tells the keeper. Where it does not take it, it is gone, which is seen at the link.
static bool say(const struct keeper_link *link, const struct keeper_message *message, int beside)
{
    return link->io.fd >= 0 && keeper_socket_send(link->io.fd, message, beside);
}

void keeper_link_serve(const struct keeper_link *link, bool is_json)
{
    const struct keeper_message message = {.kind = KEEPER_SERVING, .number = is_json};
    (void)say(link, &message, -1);
}

void keeper_link_notify(const struct keeper_link *link, const char *state)
{
    struct keeper_message message = {.kind = KEEPER_NOTIFY};
    if (string_copy(message.text, sizeof message.text, slice_of_string(state)))
        (void)say(link, &message, -1);
}

void keeper_link_notify_reloading(const struct keeper_link *link)
{
    char state[64];
    (void)snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, monotonic_us());
    keeper_link_notify(link, state);
}

bool keeper_link_start(const struct keeper_link *link, int handover)
{
    const struct keeper_message message = {.kind = KEEPER_START};
    return say(link, &message, handover);
}

bool keeper_link_hold(int fd, int socket)
{
    const struct keeper_message message = {.kind = KEEPER_HOLD};
    return keeper_socket_send(fd, &message, socket);
}

bool keeper_link_settle(const struct keeper_link *link)
{
    const struct keeper_message message = {.kind = KEEPER_SETTLED};
    return say(link, &message, -1);
}

void keeper_link_signal(const struct keeper_link *link, int64_t pid, int number)
{
    const struct keeper_message message = {.kind = KEEPER_SIGNAL, .pid = pid, .number = number};
    (void)say(link, &message, -1);
}
