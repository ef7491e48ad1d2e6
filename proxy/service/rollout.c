// The order of the steps: blocks first, then what was read, then what takes trust away, then reloads.
#include "proxy/service/rollout.h"

// The loads in the order of their worth. One covers the narrower one that waits with it.
static const struct {
    enum loader_scope scope;
    unsigned covered;
} loads[] = {
    {LOADER_TAKING_ALL, ROLLOUT_TAKINGS},
    {LOADER_TAKING, LOADER_TAKING},
    {LOADER_ALL, ROLLOUT_RELOADS},
    {LOADER_FILES, LOADER_FILES},
};

static enum rollout_step begin_load(struct rollout *rollout)
{
    const unsigned wanted = rollout->pending | rollout->missed;
    for (size_t i = 0; i < sizeof loads / sizeof *loads; i++) {
        // A wide load that was missed is made up for by the next narrow one.
        if ((rollout->pending & loads[i].covered) == 0 || (wanted & loads[i].scope) == 0)
            continue;
        rollout->pending &= ~loads[i].covered;
        rollout->state = ROLLOUT_LOADING;
        rollout->scope = loads[i].scope;
        return ROLLOUT_LOAD;
    }
    return ROLLOUT_WAIT;
}

enum rollout_step rollout_next(struct rollout *rollout)
{
    if (rollout->adopting_count > 0)
        return ROLLOUT_WAIT;
    if ((rollout->pending & ROLLOUT_REVISION) != 0) {
        rollout->pending &= ~(unsigned)ROLLOUT_REVISION;
        return ROLLOUT_REVISE;
    }
    switch (rollout->state) {
    case ROLLOUT_IDLE:
        return begin_load(rollout);
    case ROLLOUT_LOADING:
        return ROLLOUT_WAIT;
    case ROLLOUT_LOADED:
        rollout->state = ROLLOUT_IDLE;
        return ROLLOUT_FINISH;
    }
    return ROLLOUT_WAIT;
}

void rollout_loaded(struct rollout *rollout)
{
    if (rollout->state == ROLLOUT_LOADING)
        rollout->state = ROLLOUT_LOADED;
}

void rollout_not_loaded(struct rollout *rollout)
{
    rollout->state = ROLLOUT_IDLE;
    rollout->missed |= rollout->scope & ROLLOUT_TAKINGS;
    rollout->is_patient &= (rollout->scope & ROLLOUT_TAKINGS) != 0;
}

bool rollout_handed(struct rollout *rollout, uint32_t count, bool is_whole)
{
    rollout->missed &= ~(unsigned)ROLLOUT_REVISION;
    if (!is_whole) {
        rollout->missed |= ROLLOUT_REVISION;
        rollout->missed_generation = rollout->generation;
    }
    rollout->adopting_count = count;
    return rollout_adopted(rollout, 0);
}

bool rollout_adopted(struct rollout *rollout, uint32_t count)
{
    rollout->adopting_count -= count < rollout->adopting_count ? count : rollout->adopting_count;
    if (rollout->adopting_count > 0)
        return false;
    if (rollout_has_all(rollout))
        rollout->adopted_generation = rollout->generation;
    return true;
}

bool rollout_has_all(const struct rollout *rollout)
{
    return (rollout->missed & ROLLOUT_REVISION) == 0;
}

bool rollout_refused(struct rollout *rollout, bool is_pair)
{
    const bool is_file = rollout->scope == LOADER_ALL;
    const bool is_tried_again = !is_file && is_pair && (rollout->pending & ROLLOUT_RELOADS) == 0 &&
                                rollout->try_count < ROLLOUT_TRIES_MAX;
    rollout->has_refused_file |= is_file;
    rollout->pending |= is_file ? LOADER_TAKING_ALL : LOADER_TAKING;
    rollout->missed &= ~(unsigned)LOADER_FILES;
    rollout->missed |= is_tried_again ? LOADER_FILES : 0;
    rollout->try_count = is_tried_again ? rollout->try_count + 1 : 0;
    rollout->is_tried_again = is_tried_again;
    rollout->is_patient = false;
    return is_tried_again;
}

void rollout_put_off(struct rollout *rollout)
{
    rollout->pending |= rollout->scope == LOADER_ALL ? LOADER_TAKING_ALL : LOADER_TAKING;
    rollout->pending |= rollout->scope;
    rollout->is_patient = true;
}

void rollout_accepted(struct rollout *rollout, bool is_new)
{
    rollout->has_refused_file &= rollout->scope != LOADER_ALL;
    rollout->try_count = 0;
    rollout->is_tried_again = false;
    rollout->is_patient = false;
    rollout->missed &= ~(unsigned)LOADER_FILES;
    if (!is_new)
        return;
    // It has everything that was missed, but for what a refused configuration denies.
    const unsigned had = ROLLOUT_REVISION | (rollout->has_refused_file ? 0 : ROLLOUT_TAKINGS);
    rollout->pending &= ~had;
    rollout->missed &= ~had;
    rollout->is_adopting_taking = false;
    rollout->is_adopting_reload = true;
}

void rollout_took(struct rollout *rollout, bool is_whole, bool is_new)
{
    if (!is_whole) {
        rollout->missed |= rollout->scope;
        return;
    }
    rollout->missed &= ~(unsigned)ROLLOUT_TAKINGS;
    rollout->is_adopting_taking |= is_new;
}

void rollout_tick(struct rollout *rollout)
{
    unsigned due = rollout->missed;
    if (rollout->state != ROLLOUT_IDLE)
        due &= ROLLOUT_REVISION;
    if (rollout->adopting_count > 0)
        due = 0;
    rollout->pending |= due;
    rollout->missed &= ~(due & LOADER_FILES); // refused once more, it is missed once more
}
