// One question at a time: all who look wait for it.
#include "proxy/uplink/srv_source.h"

#include <stdlib.h>

#include "proxy/clock/clock.h"

enum { SRV_SOURCE_MAGIC = 0x5E5E0CE5 };

LIST_HEAD(srv_waiter_list, srv_waiter);

struct srv_source {
    uint32_t magic;
    struct ev_loop *loop;      // borrowed
    struct resolver *resolver; // borrowed
    struct srv_settings settings;
    void (*on_change)(void *owner); // NULL: nobody wants to know
    void *owner;                    // borrowed
    struct place_query *query;      // owned; NULL: nothing is asked
    ev_timer timer;                 // ends the question
    struct srv_waiter_list waiting; // borrowed
    struct srv_list list;
    const char *problem; // static memory; NULL: none
    int64_t until_ms;    // monotonic
};

// wake_all wakes those who wait. One that is woken may look again.
static void wake_all(struct srv_source *source)
{
    struct srv_waiter_list woken = source->waiting;
    struct srv_waiter *waiter = NULL;
    LIST_INIT(&source->waiting);
    if (!LIST_EMPTY(&woken))
        LIST_FIRST(&woken)->link.le_prev = &LIST_FIRST(&woken);
    while ((waiter = LIST_FIRST(&woken)) != NULL) {
        LIST_REMOVE(waiter, link);
        waiter->is_waiting = false;
        waiter->wake(waiter->owner);
    }
}

static void end_question(struct srv_source *source)
{
    ev_timer_stop(source->loop, &source->timer);
    place_query_cancel(source->query);
    source->query = NULL;
}

// take_list takes the places that the settings allow. False: there are none, and nothing has changed.
static bool take_list(struct srv_source *source, const struct srv_list *said)
{
    struct srv_list allowed = {.is_unavailable = said->is_unavailable};
    for (size_t i = 0; i < said->count; i++) {
        if (srv_settings_allow(&source->settings, &said->places[i].target.name))
            allowed.places[allowed.count++] = said->places[i];
    }
    if (allowed.count == 0 && !allowed.is_unavailable)
        return false;
    source->list = allowed;
    return true;
}

// take_answer takes what DNS says, and for how long.
static void take_answer(struct srv_source *source, const struct place_answer *answer)
{
    int64_t keep_ms = answer->keep_ms > SRV_KEEP_MIN_MS ? answer->keep_ms : SRV_KEEP_MIN_MS;
    source->problem = NULL;
    if (answer->result != RESOLVE_OK)
        source->problem = resolve_result_name(answer->result);
    else if (!take_list(source, answer->list))
        source->problem = "no_allowed_target";
    else if (source->list.is_unavailable)
        source->problem = "not_available";
    if (source->problem != NULL && source->list.count > 0)
        keep_ms = SRV_STALE_KEEP_MS;
    source->until_ms = monotonic_ms() + keep_ms;
}

// tell has everybody hear of it.
static void tell(struct srv_source *source)
{
    if (source->on_change != NULL)
        source->on_change(source->owner);
    wake_all(source); // the last use of the source: who is woken may destroy it
}

static void on_answer(void *arg)
{
    struct srv_source *source = arg;
    struct place_answer answer;
    ASSERT(source->magic == SRV_SOURCE_MAGIC);
    place_query_read(source->query, &answer);
    take_answer(source, &answer);
    end_question(source);
    tell(source);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct srv_source *source = timer->data;
    const struct place_answer answer = {.result = RESOLVE_TIMED_OUT};
    (void)loop;
    (void)events;
    ASSERT(source->magic == SRV_SOURCE_MAGIC);
    take_answer(source, &answer);
    end_question(source);
    tell(source);
}

struct srv_source *srv_source_create(struct ev_loop *loop, struct resolver *resolver,
                                     const struct srv_settings *settings,
                                     void (*on_change)(void *owner), void *owner)
{
    struct srv_source *source = calloc(1, sizeof *source);
    if (source == NULL)
        return NULL;
    source->magic = SRV_SOURCE_MAGIC;
    source->loop = loop;
    source->resolver = resolver;
    source->settings = *settings;
    source->on_change = on_change;
    source->owner = owner;
    LIST_INIT(&source->waiting);
    ev_timer_init(&source->timer, on_timer, 0., 0.);
    source->timer.data = source;
    return source;
}

void srv_source_destroy(struct srv_source *source)
{
    if (source == NULL)
        return;
    ASSERT(LIST_EMPTY(&source->waiting));
    end_question(source);
    source->magic = 0;
    free(source);
}

void srv_source_set_resolver(struct srv_source *source, struct resolver *resolver)
{
    source->resolver = resolver;
}

void srv_source_set_owner(struct srv_source *source, void *owner)
{
    source->owner = owner;
}

// ask puts the question. False: without memory it is as if DNS had failed.
static bool ask(struct srv_source *source)
{
    source->query = resolver_ask_places(
        source->resolver, hostname_slice(&source->settings.service.name), on_answer, source);
    if (source->query == NULL) {
        const struct place_answer answer = {.result = RESOLVE_FAILED};
        take_answer(source, &answer);
        return false;
    }
    ev_timer_set(&source->timer, SRV_WAIT_MS / 1000., 0.);
    ev_timer_start(source->loop, &source->timer);
    return true;
}

bool srv_source_look(struct srv_source *source, struct srv_waiter *waiter)
{
    if (source->query == NULL && monotonic_ms() < source->until_ms)
        return true;
    if (source->query == NULL && !ask(source))
        return true;
    if (!waiter->is_waiting)
        LIST_INSERT_HEAD(&source->waiting, waiter, link);
    waiter->is_waiting = true;
    return false;
}

void srv_source_leave(struct srv_waiter *waiter)
{
    if (waiter->is_waiting)
        LIST_REMOVE(waiter, link);
    waiter->is_waiting = false;
}

const struct srv_list *srv_source_list(const struct srv_source *source)
{
    return &source->list;
}

const char *srv_source_problem(const struct srv_source *source)
{
    return source->problem;
}

const struct srv_settings *srv_source_settings(const struct srv_source *source)
{
    return &source->settings;
}

int64_t srv_source_due_ms(const struct srv_source *source)
{
    return source->until_ms;
}
