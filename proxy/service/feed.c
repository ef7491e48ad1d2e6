// A timer that is started again after each answer, so that a slow one is not followed by two at once.
#include "proxy/service/feed.h"

#include <stdlib.h>

struct feed {
    struct ev_loop *loop; // borrowed
    ev_timer timer;
    struct control_call *call; // borrowed
    void (*on_due)(void *arg, struct control_call *call);
    void *arg; // borrowed
};

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)events;
    const struct feed *feed = timer->data;
    ev_timer_stop(loop, timer);
    feed->on_due(feed->arg, feed->call);
}

struct feed *feed_create(struct ev_loop *loop, int64_t every_ms, struct control_call *call,
                         void (*on_due)(void *arg, struct control_call *call), void *arg)
{
    struct feed *feed = calloc(1, sizeof *feed);
    if (feed == NULL)
        return NULL;
    *feed = (struct feed){.loop = loop, .call = call, .on_due = on_due, .arg = arg};
    ev_timer_init(&feed->timer, on_timer, 0., (double)every_ms / 1000.);
    feed->timer.data = feed;
    return feed;
}

void feed_start(struct feed *feed)
{
    ev_timer_again(feed->loop, &feed->timer);
}

void feed_destroy(struct feed *feed)
{
    if (feed == NULL)
        return;
    ev_timer_stop(feed->loop, &feed->timer);
    free(feed);
}
