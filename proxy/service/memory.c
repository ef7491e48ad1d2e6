// Resident pages from /proc/self/statm. The allocator keeps what was freed, so that it is asked to give back
// before anybody is refused because of memory that nobody uses.
#include "proxy/service/memory.h"

#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

#include "proxy/log/log.h"

static const ev_tstamp look_every_s = 0.25;

// resident reads the second number of statm, in bytes; 0 where it cannot be read.
static uint64_t resident(int fd)
{
    char text[128];
    const ssize_t len = fd < 0 ? -1 : pread(fd, text, sizeof text - 1, 0);
    if (len <= 0)
        return 0;
    text[len] = '\0';
    char *end = NULL;
    (void)strtoull(text, &end, 10);
    return strtoull(end, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void look(struct memory_watch *watch)
{
    bool is_over = ledger_note_memory(watch->ledger, resident(watch->fd));
    if (is_over) {
        (void)malloc_trim(0);
        is_over = ledger_note_memory(watch->ledger, resident(watch->fd));
    }
    if (is_over == watch->is_over)
        return;
    watch->is_over = is_over;
    if (is_over)
        log_error(LOG_LIMIT_MEMORY,
                  "more memory in use than limits.memory allows (%" PRIu64
                  " bytes): new connections and requests are refused; live tunnels go on",
                  resident(watch->fd));
    else
        log_info(LOG_LIMIT_MEMORY_OVER, "memory in use is below limits.memory again");
}

static void on_look(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    look(timer->data);
}

void memory_watch_start(struct memory_watch *watch, struct ev_loop *loop, struct ledger *ledger)
{
    *watch = (struct memory_watch){.loop = loop, .ledger = ledger, .is_started = true};
    ev_timer_init(&watch->timer, on_look, look_every_s, look_every_s);
    watch->timer.data = watch;
    watch->fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (watch->fd < 0)
        log_warning(LOG_LIMIT_MEMORY,
                    "cannot open /proc/self/statm: limits.memory will not hold: %m");
}

void memory_watch_set(struct memory_watch *watch, bool has_limit)
{
    ev_timer_stop(watch->loop, &watch->timer);
    look(watch);
    if (has_limit)
        ev_timer_again(watch->loop, &watch->timer);
}

void memory_watch_stop(struct memory_watch *watch)
{
    if (!watch->is_started)
        return;
    watch->is_started = false;
    ev_timer_stop(watch->loop, &watch->timer);
    if (watch->fd >= 0)
        (void)close(watch->fd);
}
