// The first try reads the files of the configuration that is in force here: the text that is asked for is most often that one, and
// the file on the disk may be newer than both. Only then the configuration is read itself. A file that is just being replaced is a
// good one soon after, so a refusal is no answer yet.
#include "proxy/service/catching_up.h"

#include <stdio.h>
#include <string.h>

#include "proxy/service/reload.h"

enum { TRIES_MAX = 8 }; // three seconds
static const ev_tstamp again_after_s = 0.5;

// try_again reads once more. What is wrong is said once for the files and once for all.
static void try_again(struct catching_up *catching_up)
{
    struct service *service = catching_up->service;
    const bool is_here = strcmp(service->snapshot->id, catching_up->wanted) == 0;
    const bool is_first = catching_up->try_count++ == 0;
    service->reloads.is_repeat = catching_up->try_count > 2;
    catching_up->reload = reload_request(service, is_first || is_here ? LOADER_FILES : LOADER_ALL);
}

static void on_again(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)events;
    ev_timer_stop(loop, timer);
    try_again(timer->data);
}

void catching_up_init(struct catching_up *catching_up, struct service *service)
{
    catching_up->service = service;
    ev_timer_init(&catching_up->again, on_again, 0., again_after_s);
    catching_up->again.data = catching_up;
}

void catching_up_stop(struct catching_up *catching_up)
{
    ev_timer_stop(catching_up->service->loop, &catching_up->again);
    catching_up->service->reloads.is_repeat = false;
}

bool catching_up_begin(struct catching_up *catching_up, uint64_t number, struct slice question)
{
    if (!in_force_question_parse(question, catching_up->wanted))
        return false;
    catching_up_stop(catching_up);
    catching_up->number = number;
    catching_up->try_count = 0;
    try_again(catching_up);
    return true;
}

// explain says why this process does not go by what is asked for.
static void explain(struct catching_up *catching_up)
{
    const struct service *service = catching_up->service;
    const struct reload_outcome *reloads = &service->reloads;
    const size_t cap = sizeof catching_up->why;
    if (service->stopping_at_s != 0)
        (void)snprintf(catching_up->why, cap, "it drains, and reads nothing any more");
    else if (!reloads->is_refused)
        (void)snprintf(catching_up->why, cap, "what it reads is another configuration (%s)",
                       service->snapshot->id);
    else if (reloads->is_last_good)
        (void)snprintf(catching_up->why, cap, "a certificate and its key do not fit together");
    else
        (void)snprintf(catching_up->why, cap, "%.500s", reloads->message);
}

// has_adopted tells whether every worker has what is in force.
static bool has_adopted(const struct rollout *rollout)
{
    return rollout->adopting_count == 0 && rollout->adopted_generation == rollout->generation;
}

static bool end(struct catching_up *catching_up)
{
    catching_up_stop(catching_up);
    catching_up->number = 0;
    return true;
}

bool catching_up_step(struct catching_up *catching_up, const char **out_why)
{
    const struct service *service = catching_up->service;
    const struct reload_outcome *reloads = &service->reloads;
    const bool is_stopping = service->stopping_at_s != 0;
    *out_why = NULL;
    if (!is_stopping && reloads->done < catching_up->reload)
        return false;
    catching_up->reload = 0;
    if (!is_stopping && !reloads->is_refused &&
        strcmp(service->snapshot->id, catching_up->wanted) == 0)
        return has_adopted(&service->rollout) && end(catching_up);
    if (is_stopping || catching_up->try_count == TRIES_MAX) {
        explain(catching_up);
        *out_why = catching_up->why;
        return end(catching_up);
    }
    if (catching_up->try_count == 1)
        try_again(catching_up);
    else if (!ev_is_active(&catching_up->again))
        ev_timer_again(service->loop, &catching_up->again);
    return false;
}
