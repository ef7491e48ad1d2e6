// Looking for work before sleeping: counted in rounds of the loop, never in time.
#include "proxy/loop/busy_poll.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { MANY_ROUNDS = 1000, MANY_RUNS = 200, SECOND_US = 1000 * 1000 };

// A loop with one timer, which ends the run.
struct rig {
    struct ev_loop *loop;
    ev_timer end;
    struct busy_poll poll;
};

static void on_end(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)timer;
    (void)events;
    ev_break(loop, EVBREAK_ALL);
}

static void rig_init(struct rig *rig, int64_t spin_us)
{
    rig->loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    assert_non_null(rig->loop);
    rig->poll = (struct busy_poll){0};
    busy_poll_start(&rig->poll, rig->loop, spin_us);
    ev_timer_init(&rig->end, on_end, 0.05, 0.05);
    ev_timer_start(rig->loop, &rig->end);
}

// rounds runs the loop to the next event of its timer, and counts how often it went round.
static unsigned rounds(struct rig *rig)
{
    const unsigned before = ev_iteration(rig->loop);
    ev_run(rig->loop, 0);
    return ev_iteration(rig->loop) - before;
}

static void rig_deinit(struct rig *rig)
{
    busy_poll_stop(&rig->poll);
    ev_timer_stop(rig->loop, &rig->end);
    ev_loop_destroy(rig->loop);
}

static void a_loop_that_does_not_look_sleeps_until_the_next_event(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 0);
    assert_true(rounds(&rig) < MANY_ROUNDS / 10);
    assert_true(rounds(&rig) < MANY_ROUNDS / 10);
    rig_deinit(&rig);
}

static void a_loop_that_looks_goes_round_until_the_next_event(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, SECOND_US);
    (void)rounds(&rig); // it has slept before its first event
    unsigned most = 0;
    for (int i = 0; i < MANY_RUNS && most <= MANY_ROUNDS; i++) {
        const unsigned made = rounds(&rig); // few where others have the processor
        most = made > most ? made : most;
    }
    assert_true(most > MANY_ROUNDS);
    rig_deinit(&rig);
}

static void a_loop_has_looked_enough_after_a_round_without_work(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 1);
    (void)rounds(&rig);
    assert_true(rounds(&rig) < MANY_ROUNDS / 10); // a round takes some tenths of a microsecond
    assert_true(rounds(&rig) < MANY_ROUNDS / 10);
    rig_deinit(&rig);
}

static void a_loop_that_is_told_to_stop_looking_sleeps(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, SECOND_US);
    (void)rounds(&rig);
    (void)rounds(&rig);
    busy_poll_start(&rig.poll, rig.loop, 0);
    assert_true(rounds(&rig) < MANY_ROUNDS / 10);
    busy_poll_stop(&rig.poll);
    busy_poll_stop(&rig.poll);
    assert_true(rounds(&rig) < MANY_ROUNDS / 10);
    rig_deinit(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop_that_does_not_look_sleeps_until_the_next_event),
        cmocka_unit_test(a_loop_that_looks_goes_round_until_the_next_event),
        cmocka_unit_test(a_loop_has_looked_enough_after_a_round_without_work),
        cmocka_unit_test(a_loop_that_is_told_to_stop_looking_sleeps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
