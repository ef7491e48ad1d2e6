// What comes into force next: the machine without a loop, a thread or a file.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proxy/service/rollout.h"

static void the_next_step_is_the_most_urgent_that_nothing_stands_in_the_way_of(void **state)
{
    (void)state;
    static const struct {
        enum rollout_state state;
        uint32_t adopting_count;
        unsigned pending;
        unsigned missed;
        enum rollout_step step;
        enum rollout_state next_state;
        unsigned next_pending;
        enum loader_scope scope; // of a load
    } rows[] = {
        // Nothing to do.
        {ROLLOUT_IDLE, 0, 0, 0, ROLLOUT_WAIT, ROLLOUT_IDLE, 0, 0},
        {ROLLOUT_LOADING, 0, 0, 0, ROLLOUT_WAIT, ROLLOUT_LOADING, 0, 0},
        {ROLLOUT_IDLE, 0, 0, ROLLOUT_REVISION | LOADER_TAKING | LOADER_FILES, ROLLOUT_WAIT,
         ROLLOUT_IDLE, 0, 0},
        // While a worker adopts, everything waits.
        {ROLLOUT_IDLE, 1, LOADER_ALL, 0, ROLLOUT_WAIT, ROLLOUT_IDLE, LOADER_ALL, 0},
        {ROLLOUT_IDLE, 2, ROLLOUT_REVISION, 0, ROLLOUT_WAIT, ROLLOUT_IDLE, ROLLOUT_REVISION, 0},
        {ROLLOUT_LOADED, 1, 0, 0, ROLLOUT_WAIT, ROLLOUT_LOADED, 0, 0},
        // A revision waits for nothing else.
        {ROLLOUT_IDLE, 0, ROLLOUT_REVISION, 0, ROLLOUT_REVISE, ROLLOUT_IDLE, 0, 0},
        {ROLLOUT_LOADING, 0, ROLLOUT_REVISION, 0, ROLLOUT_REVISE, ROLLOUT_LOADING, 0, 0},
        {ROLLOUT_LOADED, 0, ROLLOUT_REVISION, 0, ROLLOUT_REVISE, ROLLOUT_LOADED, 0, 0},
        {ROLLOUT_IDLE, 0, ROLLOUT_REVISION | LOADER_ALL, 0, ROLLOUT_REVISE, ROLLOUT_IDLE,
         LOADER_ALL, 0},
        // What was read is taken before anything else is read.
        {ROLLOUT_LOADED, 0, 0, 0, ROLLOUT_FINISH, ROLLOUT_IDLE, 0, 0},
        {ROLLOUT_LOADED, 0, LOADER_ALL, 0, ROLLOUT_FINISH, ROLLOUT_IDLE, LOADER_ALL, 0},
        // One load at a time.
        {ROLLOUT_LOADING, 0, LOADER_ALL | LOADER_TAKING, 0, ROLLOUT_WAIT, ROLLOUT_LOADING,
         LOADER_ALL | LOADER_TAKING, 0},
        {ROLLOUT_IDLE, 0, LOADER_ALL, 0, ROLLOUT_LOAD, ROLLOUT_LOADING, 0, LOADER_ALL},
        {ROLLOUT_IDLE, 0, LOADER_FILES, 0, ROLLOUT_LOAD, ROLLOUT_LOADING, 0, LOADER_FILES},
        {ROLLOUT_IDLE, 0, LOADER_ALL | LOADER_FILES, 0, ROLLOUT_LOAD, ROLLOUT_LOADING, 0,
         LOADER_ALL},
        // What takes trust away comes before what may give it.
        {ROLLOUT_IDLE, 0, LOADER_TAKING | LOADER_ALL, 0, ROLLOUT_LOAD, ROLLOUT_LOADING, LOADER_ALL,
         LOADER_TAKING},
        {ROLLOUT_IDLE, 0, LOADER_TAKING_ALL | LOADER_TAKING, 0, ROLLOUT_LOAD, ROLLOUT_LOADING, 0,
         LOADER_TAKING_ALL},
        // What a wide taking has missed is read by the next narrow one; alone it waits for the tick.
        {ROLLOUT_IDLE, 0, LOADER_TAKING, LOADER_TAKING_ALL, ROLLOUT_LOAD, ROLLOUT_LOADING, 0,
         LOADER_TAKING_ALL},
        {ROLLOUT_IDLE, 0, LOADER_ALL, LOADER_TAKING_ALL, ROLLOUT_LOAD, ROLLOUT_LOADING, 0,
         LOADER_ALL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rollout rollout = {.state = rows[i].state,
                                  .adopting_count = rows[i].adopting_count,
                                  .pending = rows[i].pending,
                                  .missed = rows[i].missed};
        assert_int_equal(rollout_next(&rollout), rows[i].step);
        assert_int_equal(rollout.state, rows[i].next_state);
        assert_int_equal(rollout.pending, rows[i].next_pending);
        assert_int_equal(rollout.missed, rows[i].missed);
        assert_int_equal(rollout.scope, rows[i].scope);
    }
}

static void a_tick_makes_pending_what_nothing_under_way_may_still_bring(void **state)
{
    (void)state;
    const unsigned all = ROLLOUT_REVISION | LOADER_TAKING | LOADER_FILES;
    static const struct {
        enum rollout_state state;
        uint32_t adopting_count;
        bool is_revision_due;
        bool is_load_due;
    } rows[] = {
        {ROLLOUT_IDLE, 0, true, true},     {ROLLOUT_IDLE, 1, false, false},
        {ROLLOUT_LOADING, 0, true, false}, {ROLLOUT_LOADED, 0, true, false},
        {ROLLOUT_LOADED, 1, false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rollout rollout = {
            .state = rows[i].state, .adopting_count = rows[i].adopting_count, .missed = all};
        rollout_tick(&rollout);
        assert_int_equal((rollout.pending & ROLLOUT_REVISION) != 0, rows[i].is_revision_due);
        assert_int_equal((rollout.pending & LOADER_TAKING) != 0, rows[i].is_load_due);
        assert_int_equal((rollout.pending & LOADER_FILES) != 0, rows[i].is_load_due);
        // Memory that lacks is missed until there was some; files are read once for each refusal.
        assert_int_equal(rollout.missed, rows[i].is_load_due ? all & ~(unsigned)LOADER_FILES : all);
    }
}

static void files_that_do_not_fit_are_tried_again_for_a_while(void **state)
{
    (void)state;
    struct rollout rollout = {.scope = LOADER_FILES};
    for (int i = 1; i <= ROLLOUT_TRIES_MAX; i++) {
        assert_true(rollout_refused(&rollout, true));
        assert_int_equal(rollout.try_count, i);
        assert_int_equal(rollout.missed, LOADER_FILES);
        rollout.missed = 0;
    }
    assert_false(rollout_refused(&rollout, true));
    assert_int_equal(rollout.missed, 0);
    assert_int_equal(rollout.try_count, 0);
}

static void what_is_tried_again_is_known_when_the_tries_begin_anew(void **state)
{
    (void)state;
    struct rollout rollout = {.scope = LOADER_FILES};
    assert_true(rollout_refused(&rollout, true));
    rollout.try_count = 0; // the files have changed
    assert_true(rollout.is_tried_again);
    assert_false(rollout_refused(&rollout, false));
    assert_false(rollout.is_tried_again);
}

static void a_refused_reload_is_said_at_once_unless_only_pairs_of_files_do_not_fit(void **state)
{
    (void)state;
    static const struct {
        enum loader_scope scope;
        bool is_pair;
        unsigned pending;
        bool is_tried_again;
        unsigned taking;
    } rows[] = {
        {LOADER_FILES, true, 0, true, LOADER_TAKING},
        {LOADER_FILES, false, 0, false, LOADER_TAKING},
        {LOADER_FILES, true, LOADER_FILES, false, LOADER_TAKING}, // it is read again anyway
        {LOADER_FILES, true, LOADER_ALL, false, LOADER_TAKING},
        {LOADER_FILES, true, ROLLOUT_REVISION, true, LOADER_TAKING},
        {LOADER_ALL, true, 0, false, LOADER_TAKING_ALL}, // somebody waits for the answer
        {LOADER_ALL, false, 0, false, LOADER_TAKING_ALL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rollout rollout = {.scope = rows[i].scope, .pending = rows[i].pending};
        assert_int_equal(rollout_refused(&rollout, rows[i].is_pair), rows[i].is_tried_again);
        assert_int_equal(rollout.pending, rows[i].pending | rows[i].taking);
        assert_int_equal(rollout.missed, rows[i].is_tried_again ? LOADER_FILES : 0);
        assert_int_equal(rollout.has_refused_file, rows[i].scope == LOADER_ALL);
    }
}

static void a_good_reload_has_all_that_was_missed_but_what_a_refused_file_denies(void **state)
{
    (void)state;
    const unsigned missed = ROLLOUT_REVISION | LOADER_TAKING_ALL | LOADER_FILES;
    static const struct {
        enum loader_scope scope;
        bool has_refused_file;
        bool is_new;
        unsigned left;
    } rows[] = {
        {LOADER_ALL, true, true, 0},
        {LOADER_ALL, false, true, 0},
        {LOADER_FILES, false, true, 0},
        {LOADER_FILES, true, true, LOADER_TAKING_ALL},
        {LOADER_FILES, false, false, ROLLOUT_REVISION | LOADER_TAKING_ALL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rollout rollout = {.scope = rows[i].scope,
                                  .has_refused_file = rows[i].has_refused_file,
                                  .missed = missed,
                                  .pending = missed & ~(unsigned)LOADER_FILES,
                                  .is_adopting_taking = true,
                                  .try_count = 3,
                                  .is_tried_again = true};
        rollout_accepted(&rollout, rows[i].is_new);
        assert_int_equal(rollout.missed, rows[i].left);
        assert_int_equal(rollout.pending, rows[i].left);
        assert_int_equal(rollout.try_count, 0);
        assert_false(rollout.is_tried_again);
        assert_int_equal(rollout.is_adopting_reload, rows[i].is_new);
        assert_int_equal(rollout.is_adopting_taking, !rows[i].is_new);
        assert_int_equal(rollout.has_refused_file,
                         rows[i].has_refused_file && rows[i].scope == LOADER_FILES);
    }
}

static void a_generation_is_adopted_when_the_last_worker_has_it_and_none_lacks_it(void **state)
{
    (void)state;
    struct rollout rollout = {.generation = 4};
    assert_false(rollout_handed(&rollout, 2, true));
    assert_false(rollout_adopted(&rollout, 1));
    assert_int_equal(rollout.adopted_generation, 0);
    assert_true(rollout_adopted(&rollout, 1));
    assert_int_equal(rollout.adopted_generation, 4);
    rollout.generation = 5;
    assert_false(rollout_handed(&rollout, 1, false));
    assert_true(rollout_adopted(&rollout, 1));
    assert_false(rollout_has_all(&rollout));
    assert_int_equal(rollout.adopted_generation, 4);
    assert_int_equal(rollout.missed_generation, 5);
    rollout.generation = 6;
    assert_false(rollout_handed(&rollout, 2, true));
    assert_true(rollout_adopted(&rollout, 7)); // never more than were asked
    assert_true(rollout_has_all(&rollout));
    assert_int_equal(rollout.adopted_generation, 6);
    rollout.generation = 7;
    assert_true(rollout_handed(&rollout, 0, true)); // every worker has ended
    assert_int_equal(rollout.adopted_generation, 7);
}

static void what_a_taking_had_no_memory_for_is_missed_until_one_had(void **state)
{
    (void)state;
    struct rollout rollout = {.scope = LOADER_TAKING_ALL};
    rollout_took(&rollout, false, true);
    assert_int_equal(rollout.missed, LOADER_TAKING_ALL);
    assert_false(rollout.is_adopting_taking);
    rollout_took(&rollout, true, false); // nothing new: nothing to say
    assert_int_equal(rollout.missed, 0);
    assert_false(rollout.is_adopting_taking);
    rollout_took(&rollout, true, true);
    assert_true(rollout.is_adopting_taking);
    rollout_took(&rollout, true, false); // the one before is still on its way
    assert_true(rollout.is_adopting_taking);
}

static void a_loader_that_does_not_start_misses_takings_only(void **state)
{
    (void)state;
    struct rollout rollout = {.pending = LOADER_TAKING};
    assert_int_equal(rollout_next(&rollout), ROLLOUT_LOAD);
    rollout_not_loaded(&rollout);
    assert_int_equal(rollout.state, ROLLOUT_IDLE);
    assert_int_equal(rollout.missed, LOADER_TAKING);
    rollout = (struct rollout){.pending = LOADER_ALL};
    assert_int_equal(rollout_next(&rollout), ROLLOUT_LOAD);
    rollout_not_loaded(&rollout);
    rollout_loaded(&rollout); // of nothing
    assert_int_equal(rollout.state, ROLLOUT_IDLE);
    assert_int_equal(rollout.missed, 0);
}

static void a_reload_that_is_put_off_comes_behind_what_takes_trust_away_and_is_patient(void **state)
{
    (void)state;
    static const struct {
        enum loader_scope scope;
        enum loader_scope taking;
    } rows[] = {{LOADER_ALL, LOADER_TAKING_ALL}, {LOADER_FILES, LOADER_TAKING}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rollout rollout = {.pending = rows[i].scope};
        assert_int_equal(rollout_next(&rollout), ROLLOUT_LOAD);
        assert_false(rollout.is_patient);
        rollout_loaded(&rollout);
        assert_int_equal(rollout_next(&rollout), ROLLOUT_FINISH);
        rollout_put_off(&rollout);
        assert_int_equal(rollout_next(&rollout), ROLLOUT_LOAD);
        assert_int_equal(rollout.scope, rows[i].taking);
        rollout_loaded(&rollout);
        assert_int_equal(rollout_next(&rollout), ROLLOUT_FINISH);
        rollout_took(&rollout, true, true);
        assert_false(rollout_handed(&rollout, 1, true));
        assert_int_equal(rollout_next(&rollout), ROLLOUT_WAIT); // for the worker
        assert_true(rollout_adopted(&rollout, 1));
        assert_int_equal(rollout_next(&rollout), ROLLOUT_LOAD);
        assert_int_equal(rollout.scope, rows[i].scope);
        assert_true(rollout.is_patient);
        rollout_loaded(&rollout);
        assert_int_equal(rollout_next(&rollout), ROLLOUT_FINISH);
        if (i == 0)
            rollout_accepted(&rollout, true);
        else
            (void)rollout_refused(&rollout, true);
        assert_false(rollout.is_patient);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_step_is_the_most_urgent_that_nothing_stands_in_the_way_of),
        cmocka_unit_test(a_tick_makes_pending_what_nothing_under_way_may_still_bring),
        cmocka_unit_test(files_that_do_not_fit_are_tried_again_for_a_while),
        cmocka_unit_test(what_is_tried_again_is_known_when_the_tries_begin_anew),
        cmocka_unit_test(a_refused_reload_is_said_at_once_unless_only_pairs_of_files_do_not_fit),
        cmocka_unit_test(a_good_reload_has_all_that_was_missed_but_what_a_refused_file_denies),
        cmocka_unit_test(a_generation_is_adopted_when_the_last_worker_has_it_and_none_lacks_it),
        cmocka_unit_test(what_a_taking_had_no_memory_for_is_missed_until_one_had),
        cmocka_unit_test(a_loader_that_does_not_start_misses_takings_only),
        cmocka_unit_test(
            a_reload_that_is_put_off_comes_behind_what_takes_trust_away_and_is_patient),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
