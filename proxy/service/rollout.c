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

// taking_of gives what takes trust away of a reload.
static unsigned taking_of(enum loader_scope scope)
{
    return scope == LOADER_ALL ? LOADER_TAKING_ALL : LOADER_TAKING;
}

// begin takes the most urgent load of a kind out of what is pending. False: there is none.
static bool begin(struct rollout *rollout, unsigned kind, enum loader_scope *out)
{
    const unsigned wanted = rollout->pending | rollout->missed;
    for (size_t i = 0; i < sizeof loads / sizeof *loads; i++) {
        // A wide load that was missed is made up for by the next narrow one.
        if ((loads[i].scope & kind) == 0 || (rollout->pending & loads[i].covered) == 0 ||
            (wanted & loads[i].scope) == 0)
            continue;
        rollout->pending &= ~loads[i].covered;
        *out = loads[i].scope;
        return true;
    }
    return false;
}

// end_taking takes what was read of what takes trust away.
static enum rollout_step end_taking(struct rollout *rollout)
{
    const bool was_comparing = rollout->is_comparing;
    rollout->taking_state = ROLLOUT_IDLE;
    rollout->is_comparing = false;
    if (!was_comparing)
        return ROLLOUT_FINISH_TAKING;
    rollout->is_taken_beside = false;
    rollout->state = ROLLOUT_IDLE;
    return ROLLOUT_FINISH;
}

// end_load takes what was read for a reload, unless it is to be compared first.
static enum rollout_step end_load(struct rollout *rollout)
{
    if (!rollout->is_taken_beside) {
        rollout->state = ROLLOUT_IDLE;
        return ROLLOUT_FINISH;
    }
    rollout->is_comparing = true;
    rollout->taking_state = ROLLOUT_LOADING;
    rollout->taking_scope = LOADER_TAKING;
    return ROLLOUT_COMPARE;
}

static enum rollout_step begin_load(struct rollout *rollout)
{
    if (begin(rollout, ROLLOUT_TAKINGS, &rollout->taking_scope)) {
        rollout->taking_state = ROLLOUT_LOADING;
        rollout->is_taking_due = false;
        return ROLLOUT_TAKE;
    }
    if (rollout->state != ROLLOUT_IDLE || !begin(rollout, ROLLOUT_RELOADS, &rollout->scope))
        return ROLLOUT_WAIT;
    rollout->state = ROLLOUT_LOADING;
    rollout->load_ticks = 0;
    rollout->is_taking_due = true;
    rollout->is_taken_beside = false;
    return ROLLOUT_LOAD;
}

enum rollout_step rollout_next(struct rollout *rollout)
{
    if (rollout->adopting_count > 0)
        return ROLLOUT_WAIT;
    if ((rollout->pending & ROLLOUT_REVISION) != 0) {
        rollout->pending &= ~(unsigned)ROLLOUT_REVISION;
        return ROLLOUT_REVISE;
    }
    if (rollout->taking_state == ROLLOUT_LOADED)
        return end_taking(rollout);
    if (rollout->taking_state == ROLLOUT_LOADING)
        return ROLLOUT_WAIT;
    if (rollout->state == ROLLOUT_LOADED)
        return end_load(rollout);
    return begin_load(rollout);
}

void rollout_changed(struct rollout *rollout)
{
    rollout->try_count = 0;
    rollout->is_taking_due = true;
}

void rollout_loaded(struct rollout *rollout)
{
    if (rollout->state == ROLLOUT_LOADING)
        rollout->state = ROLLOUT_LOADED;
}

void rollout_taken(struct rollout *rollout)
{
    if (rollout->taking_state == ROLLOUT_LOADING)
        rollout->taking_state = ROLLOUT_LOADED;
}

void rollout_not_loaded(struct rollout *rollout)
{
    rollout->state = ROLLOUT_IDLE;
    rollout->is_patient = false;
}

void rollout_declined(struct rollout *rollout)
{
    rollout->has_refused_file |= rollout->scope == LOADER_ALL;
    rollout->pending |= taking_of(rollout->scope);
    rollout_not_loaded(rollout);
}

void rollout_take_all(struct rollout *rollout)
{
    rollout->has_refused_file = true;
    rollout->pending |= LOADER_TAKING_ALL;
}

void rollout_not_taken(struct rollout *rollout)
{
    rollout->taking_state = ROLLOUT_IDLE;
    rollout->missed |= rollout->taking_scope;
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
    rollout->pending |= taking_of(rollout->scope);
    rollout->missed &= ~(unsigned)LOADER_FILES;
    rollout->missed |= is_tried_again ? LOADER_FILES : 0;
    rollout->try_count = is_tried_again ? rollout->try_count + 1 : 0;
    rollout->is_tried_again = is_tried_again;
    rollout->is_patient = false;
    return is_tried_again;
}

void rollout_put_off(struct rollout *rollout)
{
    rollout->pending |= taking_of(rollout->scope);
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
        rollout->missed |= rollout->taking_scope;
        return;
    }
    rollout->missed &= ~(unsigned)ROLLOUT_TAKINGS;
    rollout->is_adopting_taking |= is_new;
    rollout->is_taken_beside |= is_new && rollout->state != ROLLOUT_IDLE;
}

void rollout_tick(struct rollout *rollout)
{
    unsigned due = rollout->missed;
    if (rollout->state != ROLLOUT_IDLE || rollout->taking_state != ROLLOUT_IDLE)
        due &= ROLLOUT_REVISION;
    if (rollout->adopting_count > 0)
        due = 0;
    rollout->pending |= due;
    const bool is_wanted = rollout->is_taking_due || (rollout->missed & ROLLOUT_TAKINGS) != 0;
    rollout->load_ticks += rollout->load_ticks < ROLLOUT_LONG_TICKS;
    if (rollout->state == ROLLOUT_LOADING && rollout->load_ticks == ROLLOUT_LONG_TICKS && is_wanted)
        rollout->pending |= taking_of(rollout->scope);
    rollout->missed &= ~(due & LOADER_FILES); // refused once more, it is missed once more
}
