// Why an empty loop is replaced, and by another thread: libev's tables have room for the highest descriptor that there
// ever was and go with the loop only, and malloc keeps small pieces for each thread, spread over all pages that were in
// use, until the thread ends. Memory (PSS) after 5,000 tunnels, compared with before: 0.9 as it is, 1.14 with another
// loop on the same thread, 1.26 with malloc_trim alone, 2.1 with mimalloc. At most 1.10 is promised.
#include "proxy/loop/loop_thread.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "proxy/log/log.h"

#ifdef __SANITIZE_THREAD__
// After an upgrade the kernel still tells about a descriptor that was closed here and that another process has. libev finds
// out and makes its epoll again; the call with which it does so names a number that may be another thread's by then, which
// changes nothing there. The sanitizer takes that for a race about the descriptor.
const char *__tsan_default_suppressions(void);

const char *__tsan_default_suppressions(void)
{
    return "race:epoll_poll\n";
}
#endif

static void end_loop(struct loop_thread *thread)
{
    thread->has_ended = true;
    ev_break(thread->loop, EVBREAK_ALL);
}

static void end_all(struct loop_thread *thread, bool is_late)
{
    thread->events->end_all(thread->owner, is_late);
    end_loop(thread);
}

static void on_drain_over(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    end_all(timer->data, true);
}

static void on_prepare(struct ev_loop *loop, ev_prepare *prepare, int events)
{
    (void)loop;
    (void)events;
    struct loop_thread *thread = prepare->data;
    if (thread->events->is_empty(thread->owner))
        end_loop(thread);
}

static void begin_drain(struct loop_thread *thread)
{
    if (thread->is_draining)
        return;
    thread->is_draining = true;
    const int64_t patience_ms = thread->events->begin_drain(thread->owner);
    ev_timer_set(&thread->drain, (ev_tstamp)patience_ms / 1000., 0.);
    ev_timer_start(thread->loop, &thread->drain);
    ev_prepare_start(thread->loop, &thread->drained);
}

static void begin_retire(struct loop_thread *thread)
{
    if (thread->is_draining || thread->is_retiring)
        return;
    thread->is_retiring = true;
    thread->events->begin_retire(thread->owner);
    ev_prepare_start(thread->loop, &thread->drained);
}

static void on_mail(void *arg, uint32_t count)
{
    (void)count;
    struct loop_thread *thread = arg;
    const unsigned messages = atomic_exchange(&thread->messages, 0);
    if ((messages & LOOP_RETIRE) != 0)
        begin_retire(
            thread); // who says that it has adopted something has retired, if it was told before
    if (thread->events->on_messages != NULL && messages >= LOOP_FIRST_OWN)
        thread->events->on_messages(thread->owner, messages);
    if ((messages & LOOP_DRAIN) != 0)
        begin_drain(thread);
    if ((messages & LOOP_STOP) != 0)
        end_all(thread, false);
}

void loop_thread_post(struct loop_thread *thread, unsigned message)
{
    (void)atomic_fetch_or(&thread->messages, message);
    wakeup_send(&thread->mail);
}

static struct ev_loop *make_loop(const struct loop_thread *thread, struct errinfo *info)
{
    struct ev_loop *loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    if (loop == NULL)
        (void)errinfo_set(info, ERR_SYSTEM, "%s: cannot make an event loop: %s", thread->name,
                          strerror(errno));
    return loop;
}

enum err loop_thread_init(struct loop_thread *thread, const struct loop_thread_events *events,
                          void *owner, uint32_t index, struct errinfo *info)
{
    *thread = (struct loop_thread){.events = events, .owner = owner};
    (void)snprintf(thread->name, sizeof thread->name, "worker %" PRIu32, index);
    ev_timer_init(&thread->drain, on_drain_over, 0., 0.);
    ev_prepare_init(&thread->drained, on_prepare);
    thread->drain.data = thread;
    thread->drained.data = thread;
    thread->loop = make_loop(thread, info);
    if (thread->loop == NULL)
        return ERR_SYSTEM;
    if (!wakeup_start(&thread->mail, thread->loop, on_mail, thread))
        return errinfo_set(info, ERR_SYSTEM, "%s: cannot make a mailbox: %s", thread->name,
                           strerror(errno));
    return ERR_OK;
}

// renew moves the owner and the mailbox to another loop.
static enum err renew(struct loop_thread *thread, struct errinfo *info)
{
    struct ev_loop *old = thread->loop;
    struct ev_loop *loop = make_loop(thread, info);
    if (loop == NULL)
        return ERR_SYSTEM;
    const enum err error = thread->events->renew(thread->owner, loop, info);
    if (error == ERR_OK) {
        wakeup_move(&thread->mail, loop);
        thread->loop = loop;
    }
    ev_loop_destroy(error == ERR_OK ? old : loop);
    return error;
}

// warn says, the first time, that the loop could not be replaced.
static void warn(struct loop_thread *thread, const char *why)
{
    if (!thread->has_warned)
        log_warning(LOG_NO_MEMORY,
                    "%s keeps the memory of closed connections and tries again each second: %s",
                    thread->name, why);
    thread->has_warned = true;
}

static void *run(void *arg);

// run_after takes over from the thread that has started this one. Where there is no memory or descriptor for another
// loop the old one goes on.
static void *run_after(void *arg)
{
    struct loop_thread *thread = arg;
    struct errinfo info;
    (void)pthread_join(thread->thread, NULL);
    thread->thread = pthread_self();
    if (renew(thread, &info) == ERR_OK) {
        thread->has_warned = false;
        (void)malloc_trim(0);
    } else {
        warn(thread, info.text);
    }
    return run(thread);
}

static void *run(void *arg)
{
    struct loop_thread *thread = arg;
    pthread_t successor;
    do {
        ev_run(thread->loop, 0);
        if (thread->has_ended || thread->is_draining || thread->is_retiring ||
            !thread->events->may_renew(thread->owner))
            continue;
        const int error = pthread_create(&successor, NULL, run_after, thread);
        if (error == 0)
            return NULL;
        warn(thread, strerror(error));
    } while (!thread->has_ended);
    if (thread->events->on_exit != NULL)
        thread->events->on_exit(thread->owner);
    wakeup_send(thread->exits);
    return NULL;
}

enum err loop_thread_start(struct loop_thread *thread, const struct wakeup *exits,
                           struct errinfo *info)
{
    thread->exits = exits;
    const int error = pthread_create(&thread->thread, NULL, run, thread);
    if (error != 0)
        return errinfo_set(info, ERR_SYSTEM, "%s: cannot start its thread: %s", thread->name,
                           strerror(error));
    return ERR_OK;
}

void loop_thread_join(struct loop_thread *thread)
{
    (void)pthread_join(thread->thread, NULL);
}

void loop_thread_deinit(struct loop_thread *thread)
{
    if (thread->events == NULL)
        return;
    wakeup_stop(&thread->mail);
    if (thread->loop != NULL)
        ev_loop_destroy(thread->loop);
    *thread = (struct loop_thread){0};
}
