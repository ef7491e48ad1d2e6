// deadline: one timer for a deadline that moves often, such as that of an idle connection.
//
// The timer is moved only when the deadline comes nearer. When the deadline has moved away, the timer fires too early:
// the owner then compares the clock with its deadline and sets it again.
#pragma once

#include <ev.h>
#include <stdint.h>

// Embedded; the fields are private to deadline.c.
struct deadline {
    ev_timer timer;
    int64_t due_ms; // monotonic; when `timer` fires, where it is active
    void (*on_timer)(void *owner);
    void *owner; // borrowed
};

// deadline_init prepares one that is not set. `on_timer` is called from the loop, possibly too early.
void deadline_init(struct deadline *deadline, void (*on_timer)(void *owner), void *owner);

// deadline_set has `on_timer` called at `due_ms` or before; INT64_MAX: never. Both times are monotonic milliseconds.
void deadline_set(struct deadline *deadline, struct ev_loop *loop, int64_t due_ms, int64_t now_ms);

// deadline_stop stops the timer.
void deadline_stop(struct deadline *deadline, struct ev_loop *loop);

// deadline_sooner gives the earlier one of two times.
static inline int64_t deadline_sooner(int64_t a_ms, int64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}
