// deadline: when its timer fires, and when it is left alone.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proxy/loop/deadline.h"
#include "tests/unit/proxy/loop_rig.h"

enum { NOW_MS = 1000, HOUR_MS = 60 * 60 * 1000 };

struct bench {
    struct ev_loop *loop;
    struct deadline deadline;
    bool is_called;
};

static void on_timer(void *owner)
{
    struct bench *bench = owner;
    bench->is_called = true;
}

static void begin(struct bench *bench)
{
    *bench = (struct bench){.loop = ev_loop_new(EVFLAG_NOENV)};
    assert_non_null(bench->loop);
    deadline_init(&bench->deadline, on_timer, bench);
}

static void end(struct bench *bench)
{
    deadline_stop(&bench->deadline, bench->loop);
    ev_loop_destroy(bench->loop);
}

static void set(struct bench *bench, int64_t due_ms)
{
    deadline_set(&bench->deadline, bench->loop, due_ms, NOW_MS);
}

static void one_that_is_over_fires_at_once(void **state)
{
    (void)state;
    struct bench bench;
    begin(&bench);
    set(&bench, NOW_MS - 1);
    loop_rig_run(bench.loop, &bench.is_called);
    end(&bench);
}

static void one_that_comes_nearer_moves_the_timer(void **state)
{
    (void)state;
    struct bench bench;
    begin(&bench);
    set(&bench, NOW_MS + HOUR_MS);
    set(&bench, NOW_MS);
    loop_rig_run(bench.loop, &bench.is_called);
    end(&bench);
}

static void one_that_moves_away_leaves_the_timer_where_it_is(void **state)
{
    (void)state;
    static const int64_t later_ms[] = {NOW_MS + 1, NOW_MS + HOUR_MS, INT64_MAX};
    for (size_t i = 0; i < sizeof later_ms / sizeof *later_ms; i++) {
        struct bench bench;
        begin(&bench);
        set(&bench, NOW_MS);
        set(&bench, later_ms[i]);
        loop_rig_run(bench.loop, &bench.is_called);
        end(&bench);
    }
}

static void one_that_never_comes_needs_no_timer(void **state)
{
    (void)state;
    struct bench bench;
    begin(&bench);
    set(&bench, INT64_MAX);
    assert_false(ev_is_active(&bench.deadline.timer));
    end(&bench);
}

static void one_that_was_stopped_does_not_fire_and_can_be_set_again(void **state)
{
    (void)state;
    struct bench bench;
    begin(&bench);
    set(&bench, NOW_MS);
    deadline_stop(&bench.deadline, bench.loop);
    (void)ev_run(bench.loop, EVRUN_NOWAIT);
    assert_false(bench.is_called);
    set(&bench, NOW_MS + 1);
    loop_rig_run(bench.loop, &bench.is_called);
    end(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_is_over_fires_at_once),
        cmocka_unit_test(one_that_comes_nearer_moves_the_timer),
        cmocka_unit_test(one_that_moves_away_leaves_the_timer_where_it_is),
        cmocka_unit_test(one_that_never_comes_needs_no_timer),
        cmocka_unit_test(one_that_was_stopped_does_not_fire_and_can_be_set_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
