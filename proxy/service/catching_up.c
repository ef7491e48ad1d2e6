// The first try reads the files of the configuration that is in force here: the text that is asked for is most often that one, and
// the file on the disk may be newer than both. Only then the configuration is read itself. A file that is just being replaced is a
// good one soon after, so a refusal is no answer yet.
//
// An included file that is refused keeps what it said, as long as that is known. The process that serves may not know it, if the file
// was refused already when it was started. So a configuration with such a file is read once more as at a start.
#include "proxy/service/catching_up.h"

#include <stdio.h>
#include <string.h>

#include "proxy/clock/clock.h"
#include "proxy/service/reload.h"

enum { FIRST_TRIES = 2, PATIENCE_MS = 3000 }; // the first ones at once
static const ev_tstamp again_after_s = 0.5;

_Static_assert(sizeof((struct snapshot *)0)->id == IN_FORCE_ID_CAP, "one length of ids");

// try_again reads once more. What is wrong is said once for the files and once for all.
static void try_again(struct catching_up *catching_up)
{
    struct service *service = catching_up->service;
    const bool is_here = strcmp(service->snapshot->id, service->lead.wanted) == 0;
    const bool is_files = catching_up->try_count++ == 0 || is_here;
    service->reloads.is_repeat = catching_up->try_count > FIRST_TRIES;
    service->lead.is_first = catching_up->try_count <= FIRST_TRIES;
    service->lead.is_afresh = false;
    catching_up->scope = is_files ? LOADER_FILES : LOADER_ALL;
    catching_up->reload = reload_request(service, catching_up->scope);
}

// try_afresh repeats a try as at a start, if that may give another configuration. False: it may not.
static bool try_afresh(struct catching_up *catching_up)
{
    struct reload_lead *lead = &catching_up->service->lead;
    if (lead->is_afresh || lead->other[0] == '\0' || !lead->is_other_partial)
        return false;
    lead->is_afresh = true;
    catching_up->reload = reload_request(catching_up->service, catching_up->scope);
    return true;
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
    catching_up->service->lead.is_first = false;
    catching_up->service->lead.is_afresh = false;
}

bool catching_up_begin(struct catching_up *catching_up, uint64_t number, struct slice question)
{
    struct reload_lead *lead = &catching_up->service->lead;
    if (!in_force_question_parse(question, lead->wanted))
        return false;
    lead->is_led = true;
    catching_up_stop(catching_up);
    catching_up->number = number;
    catching_up->try_count = 0;
    if (catching_up->behind_since_ms == 0)
        catching_up->behind_since_ms = monotonic_ms();
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
    else if (service->lead.other[0] != '\0')
        (void)snprintf(catching_up->why, cap,
                       "what it reads is another configuration (%s); the files on the disk are not "
                       "those in force, or say something else to it",
                       service->lead.other);
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

// is_over tells whether it has tried long enough. What it was asked before counts: who asks again and again gives it no more time, but
// each configuration is read once as a whole.
static bool is_over(const struct catching_up *catching_up)
{
    return catching_up->try_count >= FIRST_TRIES &&
           monotonic_ms() - catching_up->behind_since_ms >= PATIENCE_MS;
}

static void end(struct catching_up *catching_up)
{
    catching_up_stop(catching_up);
    catching_up->number = 0;
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
        strcmp(service->snapshot->id, service->lead.wanted) == 0) {
        if (!has_adopted(&service->rollout))
            return false;
        catching_up->behind_since_ms = 0;
        end(catching_up);
        return true;
    }
    if (!is_stopping && try_afresh(catching_up))
        return false;
    if (is_stopping || is_over(catching_up)) {
        explain(catching_up);
        *out_why = catching_up->why;
        end(catching_up);
        return true;
    }
    if (catching_up->try_count < FIRST_TRIES)
        try_again(catching_up);
    else if (!ev_is_active(&catching_up->again))
        ev_timer_again(service->loop, &catching_up->again);
    return false;
}
