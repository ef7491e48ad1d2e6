// A link each. Who does not answer in time is ended by the kernel: it would go on with tunnels of those who are blocked.
#include "proxy/service/predecessors.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proxy/clock/clock.h"
#include "proxy/log/log.h"
#include "proxy/service/blocks_message.h"

enum { OBEY_PATIENCE_MS = 30 * 1000 };
static const ev_tstamp look_every_s = 1.;

struct predecessor {
    struct predecessors *all;   // borrowed
    struct handover_link *link; // owned
    int64_t pid;
    int pidfd;        // owned; -1: unknown, and it cannot be ended by us
    uint64_t sent;    // number of the list of blocks that it got last
    uint64_t obeyed;  // of the list that it goes by
    int64_t since_ms; // monotonic; when it got the oldest list that it does not go by
};

static void on_message(void *arg, const struct handover_message *message, int *fds, size_t fd_count)
{
    (void)fds;
    (void)fd_count;
    struct predecessor *predecessor = arg;
    if (message->kind == HANDOVER_OBEYED && message->number <= predecessor->sent &&
        message->number > predecessor->obeyed) {
        predecessor->obeyed = message->number;
        predecessor->since_ms = monotonic_ms();
    } else if (message->kind == HANDOVER_ENDED && message->number > 0) {
        log_warning(LOG_UPGRADE,
                    "the old process %" PRId64 " had to cut %" PRIu64 " requests or tunnels",
                    predecessor->pid, message->number);
    }
}

static void destroy(struct predecessor *predecessor)
{
    handover_link_destroy(predecessor->link);
    if (predecessor->pidfd >= 0)
        (void)close(predecessor->pidfd);
    free(predecessor);
}

static void remove_one(struct predecessor *predecessor)
{
    struct predecessors *all = predecessor->all;
    size_t at = 0;
    while (all->list[at] != predecessor)
        at++;
    all->list[at] = all->list[--all->count];
    all->list[all->count] = NULL;
    destroy(predecessor);
    all->on_less(all->arg);
}

static void end_process(const struct predecessor *predecessor)
{
    if (predecessor->pidfd >= 0)
        (void)syscall(SYS_pidfd_send_signal, predecessor->pidfd, SIGKILL, NULL, 0);
}

static void on_end(void *arg, const char *why)
{
    struct predecessor *predecessor = arg;
    if (why == NULL) {
        log_info(LOG_UPGRADE, "the old process %" PRId64 " has ended", predecessor->pid);
    } else {
        log_error(LOG_UPGRADE, "the old process %" PRId64 ": %s: it is ended", predecessor->pid,
                  why);
        end_process(predecessor);
    }
    remove_one(predecessor);
}

static bool is_late(const struct predecessor *predecessor)
{
    return predecessor->obeyed < predecessor->sent &&
           monotonic_ms() - predecessor->since_ms > OBEY_PATIENCE_MS;
}

// on_look ends those that do not answer. Their end is seen at the link.
static void on_look(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)events;
    struct predecessors *all = timer->data;
    bool is_waiting = false;
    for (size_t i = 0; i < all->count; i++) {
        struct predecessor *predecessor = all->list[i];
        is_waiting |= predecessor->obeyed < predecessor->sent;
        if (!is_late(predecessor))
            continue;
        log_error(LOG_UPGRADE,
                  "the old process %" PRId64 " does not take the list of blocks: it is ended, and "
                  "its tunnels with it",
                  predecessor->pid);
        end_process(predecessor);
        predecessor->since_ms = monotonic_ms();
    }
    if (!is_waiting)
        ev_timer_stop(loop, timer);
}

void predecessors_init(struct predecessors *predecessors, struct ev_loop *loop,
                       void (*on_less)(void *arg), void *arg)
{
    // Numbers of the one before us are smaller, so that no answer to it is taken for one to us.
    *predecessors = (struct predecessors){
        .loop = loop, .on_less = on_less, .arg = arg, .newest = (uint64_t)monotonic_us()};
    ev_timer_init(&predecessors->late, on_look, look_every_s, look_every_s);
    predecessors->late.data = predecessors;
}

void predecessors_add(struct predecessors *predecessors, int64_t pid, int fd)
{
    struct predecessor *made = calloc(1, sizeof *made);
    const struct handover_events events = {.on_message = on_message, .on_end = on_end, .arg = made};
    if (made == NULL)
        (void)close(fd);
    else
        made->link = handover_link_create(predecessors->loop, fd, &events);
    if (made == NULL || made->link == NULL || predecessors->count == PREDECESSORS_MAX) {
        log_error(LOG_UPGRADE, "no memory to go on with the old process %" PRId64 ": it drains",
                  pid);
        if (made != NULL)
            handover_link_destroy(made->link);
        free(made);
        return;
    }
    made->all = predecessors;
    made->pid = pid;
    made->pidfd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
    predecessors->list[predecessors->count++] = made;
}

uint64_t predecessors_obey(struct predecessors *predecessors, const struct blocklist *blocks)
{
    predecessors->newest++;
    for (size_t i = 0; blocks != NULL && i < predecessors->count; i++) {
        struct predecessor *predecessor = predecessors->list[i];
        if (predecessor->obeyed == predecessor->sent)
            predecessor->since_ms = monotonic_ms();
        predecessor->sent = predecessors->newest;
        if (!blocks_message_send(predecessor->link, blocks) ||
            !handover_link_say(predecessor->link, HANDOVER_OBEY, predecessors->newest)) {
            log_error(LOG_UPGRADE,
                      "no memory to give the list of blocks to the old process %" PRId64
                      ": it is ended, and its tunnels with it",
                      predecessor->pid);
            end_process(predecessor);
        }
    }
    if (predecessors->count > 0)
        ev_timer_again(predecessors->loop, &predecessors->late);
    return predecessors->newest;
}

bool predecessors_have_obeyed(const struct predecessors *predecessors, uint64_t number)
{
    for (size_t i = 0; i < predecessors->count; i++) {
        const struct predecessor *predecessor = predecessors->list[i];
        if (predecessor->obeyed < number && predecessor->sent >= number)
            return false;
    }
    return true;
}

void predecessors_say(struct predecessors *predecessors, enum handover_kind kind)
{
    for (size_t i = 0; i < predecessors->count; i++) {
        if (!handover_link_say(predecessors->list[i]->link, kind, 0))
            log_error(LOG_UPGRADE, "no memory to tell the old process %" PRId64 " to %s",
                      predecessors->list[i]->pid, handover_kind_name(kind));
    }
}

void predecessors_pause(struct predecessors *predecessors, bool is_paused)
{
    for (size_t i = 0; i < predecessors->count; i++) {
        if (is_paused)
            handover_link_pause(predecessors->list[i]->link);
        else
            handover_link_resume(predecessors->list[i]->link);
    }
}

bool predecessors_pass_on(const struct predecessors *predecessors, struct handover_link *link)
{
    for (size_t i = 0; i < predecessors->count; i++) {
        const struct predecessor *predecessor = predecessors->list[i];
        const struct handover_message message = {.kind = HANDOVER_PREDECESSOR,
                                                 .number = (uint64_t)predecessor->pid};
        const int fd = handover_link_fd(predecessor->link);
        if (!handover_link_is_sent(predecessor->link) ||
            !handover_link_send(link, &message, &fd, 1))
            return false;
    }
    return true;
}

void predecessors_stop(struct predecessors *predecessors)
{
    if (predecessors->loop == NULL)
        return;
    ev_timer_stop(predecessors->loop, &predecessors->late);
    while (predecessors->count > 0)
        destroy(predecessors->list[--predecessors->count]);
}
