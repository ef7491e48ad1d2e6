// What comes into force next: the machine without a loop, a thread or a file.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proxy/service/rollout.h"

// A reload, and what is read of it when it comes to nothing, or takes long.
static const struct {
    enum loader_scope scope;
    enum loader_scope taking;
} takings[] = {{LOADER_ALL, LOADER_TAKING_ALL}, {LOADER_FILES, LOADER_TAKING}};

#define IDLE    ROLLOUT_IDLE
#define LOADING ROLLOUT_LOADING
#define LOADED  ROLLOUT_LOADED

static void the_next_step_is_the_most_urgent_that_nothing_stands_in_the_way_of(void **state)
{
    (void)state;
    static const struct {
        enum rollout_state state;
        enum rollout_state taking_state;
        uint32_t adopting_count;
        unsigned pending;
        unsigned missed;
        enum rollout_step step;
        enum rollout_state next_state;
        enum rollout_state next_taking;
        unsigned next_pending;
        enum loader_scope scope; // of what is begun
    } rows[] = {
        // Nothing to do.
        {IDLE, IDLE, 0, 0, 0, ROLLOUT_WAIT, IDLE, IDLE, 0, 0},
        {LOADING, IDLE, 0, 0, 0, ROLLOUT_WAIT, LOADING, IDLE, 0, 0},
        {IDLE, LOADING, 0, 0, 0, ROLLOUT_WAIT, IDLE, LOADING, 0, 0},
        {IDLE, IDLE, 0, 0, ROLLOUT_REVISION | LOADER_TAKING | LOADER_FILES, ROLLOUT_WAIT, IDLE,
         IDLE, 0, 0},
        // While a worker adopts, everything waits.
        {IDLE, IDLE, 1, LOADER_ALL, 0, ROLLOUT_WAIT, IDLE, IDLE, LOADER_ALL, 0},
        {IDLE, IDLE, 1, LOADER_TAKING, 0, ROLLOUT_WAIT, IDLE, IDLE, LOADER_TAKING, 0},
        {IDLE, IDLE, 2, ROLLOUT_REVISION, 0, ROLLOUT_WAIT, IDLE, IDLE, ROLLOUT_REVISION, 0},
        {LOADED, IDLE, 1, 0, 0, ROLLOUT_WAIT, LOADED, IDLE, 0, 0},
        {LOADING, LOADED, 1, 0, 0, ROLLOUT_WAIT, LOADING, LOADED, 0, 0},
        // A revision waits for nothing else.
        {IDLE, IDLE, 0, ROLLOUT_REVISION, 0, ROLLOUT_REVISE, IDLE, IDLE, 0, 0},
        {LOADING, LOADING, 0, ROLLOUT_REVISION, 0, ROLLOUT_REVISE, LOADING, LOADING, 0, 0},
        {LOADED, LOADED, 0, ROLLOUT_REVISION, 0, ROLLOUT_REVISE, LOADED, LOADED, 0, 0},
        {IDLE, IDLE, 0, ROLLOUT_REVISION | LOADER_ALL, 0, ROLLOUT_REVISE, IDLE, IDLE, LOADER_ALL,
         0},
        // What was read is taken before anything else is read, and first what takes away.
        {LOADED, IDLE, 0, 0, 0, ROLLOUT_FINISH, IDLE, IDLE, 0, 0},
        {LOADED, IDLE, 0, LOADER_ALL | LOADER_TAKING, 0, ROLLOUT_FINISH, IDLE, IDLE,
         LOADER_ALL | LOADER_TAKING, 0},
        {IDLE, LOADED, 0, LOADER_ALL, 0, ROLLOUT_FINISH_TAKING, IDLE, IDLE, LOADER_ALL, 0},
        {LOADED, LOADED, 0, 0, 0, ROLLOUT_FINISH_TAKING, LOADED, IDLE, 0, 0},
        {LOADED, LOADING, 0, 0, 0, ROLLOUT_WAIT, LOADED, LOADING, 0, 0},
        // One reload at a time; what takes trust away is read beside it.
        {LOADING, IDLE, 0, LOADER_ALL, 0, ROLLOUT_WAIT, LOADING, IDLE, LOADER_ALL, 0},
        {LOADING, IDLE, 0, LOADER_ALL | LOADER_TAKING, 0, ROLLOUT_TAKE, LOADING, LOADING,
         LOADER_ALL, LOADER_TAKING},
        {LOADING, LOADING, 0, LOADER_TAKING, 0, ROLLOUT_WAIT, LOADING, LOADING, LOADER_TAKING, 0},
        {IDLE, IDLE, 0, LOADER_ALL, 0, ROLLOUT_LOAD, LOADING, IDLE, 0, LOADER_ALL},
        {IDLE, IDLE, 0, LOADER_FILES, 0, ROLLOUT_LOAD, LOADING, IDLE, 0, LOADER_FILES},
        {IDLE, IDLE, 0, LOADER_ALL | LOADER_FILES, 0, ROLLOUT_LOAD, LOADING, IDLE, 0, LOADER_ALL},
        // What takes trust away comes before what may give it.
        {IDLE, IDLE, 0, LOADER_TAKING | LOADER_ALL, 0, ROLLOUT_TAKE, IDLE, LOADING, LOADER_ALL,
         LOADER_TAKING},
        {IDLE, LOADING, 0, LOADER_ALL, 0, ROLLOUT_WAIT, IDLE, LOADING, LOADER_ALL, 0},
        {IDLE, IDLE, 0, LOADER_TAKING_ALL | LOADER_TAKING, 0, ROLLOUT_TAKE, IDLE, LOADING, 0,
         LOADER_TAKING_ALL},
        // What a wide taking has missed is read by the next narrow one; alone it waits for the tick.
        {IDLE, IDLE, 0, LOADER_TAKING, LOADER_TAKING_ALL, ROLLOUT_TAKE, IDLE, LOADING, 0,
         LOADER_TAKING_ALL},
        {IDLE, IDLE, 0, LOADER_ALL, LOADER_TAKING_ALL, ROLLOUT_LOAD, LOADING, IDLE, 0, LOADER_ALL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rollout rollout = {.state = rows[i].state,
                                  .taking_state = rows[i].taking_state,
                                  .adopting_count = rows[i].adopting_count,
                                  .pending = rows[i].pending,
                                  .missed = rows[i].missed};
        assert_int_equal(rollout_next(&rollout), rows[i].step);
        assert_int_equal(rollout.state, rows[i].next_state);
        assert_int_equal(rollout.taking_state, rows[i].next_taking);
        assert_int_equal(rollout.pending, rows[i].next_pending);
        assert_int_equal(rollout.missed, rows[i].missed);
        assert_int_equal(rollout.scope | rollout.taking_scope, rows[i].scope);
    }
}

// A file that changes all the time has one reload follow the other.
static void what_takes_trust_away_is_read_beside_a_reload_that_takes_long(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof takings / sizeof *takings; i++) {
        struct rollout rollout = {.pending = takings[i].scope};
        assert_int_equal(rollout_next(&rollout), ROLLOUT_LOAD);
        rollout_tick(&rollout);
        assert_int_equal(rollout_next(&rollout), ROLLOUT_WAIT); // it may be over soon
        for (int changes = 0; changes < 3; changes++) {
            rollout_tick(&rollout);
            assert_int_equal(rollout_next(&rollout), ROLLOUT_TAKE);
            assert_int_equal(rollout.taking_scope, takings[i].taking);
            rollout_tick(&rollout); // nothing has changed since
            rollout_taken(&rollout);
            assert_int_equal(rollout_next(&rollout), ROLLOUT_FINISH_TAKING);
            rollout_took(&rollout, true, false);
            rollout_tick(&rollout);
            assert_int_equal(rollout_next(&rollout), ROLLOUT_WAIT);
            rollout_changed(&rollout);
        }
        assert_int_equal(rollout.state, ROLLOUT_LOADING);
        rollout_loaded(&rollout);
        assert_int_equal(rollout_next(&rollout), ROLLOUT_FINISH); // nothing was taken away
        rollout_tick(&rollout);
        assert_int_equal(rollout_next(&rollout), ROLLOUT_WAIT);
    }
}

static void a_reload_gives_nothing_back_that_was_taken_away_while_it_was_read(void **state)
{
    (void)state;
    static const struct {
        bool is_before; // the reload has been read before the taking has
        bool is_new;
    } rows[] = {{true, true}, {true, false}, {false, true}, {false, false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rollout rollout = {.pending = LOADER_FILES};
        assert_int_equal(rollout_next(&rollout), ROLLOUT_LOAD);
        rollout_tick(&rollout);
        rollout_tick(&rollout);
        assert_int_equal(rollout_next(&rollout), ROLLOUT_TAKE);
        if (rows[i].is_before)
            rollout_loaded(&rollout);
        assert_int_equal(rollout_next(&rollout), ROLLOUT_WAIT);
        rollout_taken(&rollout);
        assert_int_equal(rollout_next(&rollout), ROLLOUT_FINISH_TAKING);
        rollout_took(&rollout, true, rows[i].is_new);
        assert_int_equal(rollout.is_taken_beside, rows[i].is_new);
        rollout_loaded(&rollout);
        if (rows[i].is_new) {
            assert_int_equal(rollout_next(&rollout), ROLLOUT_COMPARE);
            rollout.pending = LOADER_TAKING;
            assert_int_equal(rollout_next(&rollout), ROLLOUT_WAIT);
            rollout_taken(&rollout);
        }
        assert_int_equal(rollout_next(&rollout), ROLLOUT_FINISH);
        assert_int_equal(rollout.state, ROLLOUT_IDLE);
        assert_int_equal(rollout.taking_state, ROLLOUT_IDLE);
        assert_false(rollout.is_taken_beside);
        rollout_taken(&rollout); // of nothing
        assert_int_equal(rollout.taking_state, ROLLOUT_IDLE);
    }
}

static void a_taking_beside_a_reload_that_had_no_memory_is_read_again(void **state)
{
    (void)state;
    struct rollout rollout = {.pending = LOADER_FILES};
    assert_int_equal(rollout_next(&rollout), ROLLOUT_LOAD);
    rollout_tick(&rollout);
    for (int tries = 0; tries < 3; tries++) {
        rollout_tick(&rollout);
        assert_int_equal(rollout_next(&rollout), ROLLOUT_TAKE);
        if (tries == 0) {
            rollout_not_taken(&rollout);
            continue;
        }
        rollout_taken(&rollout);
        assert_int_equal(rollout_next(&rollout), ROLLOUT_FINISH_TAKING);
        rollout_took(&rollout, tries == 2, false);
    }
    rollout_tick(&rollout);
    assert_int_equal(rollout_next(&rollout), ROLLOUT_WAIT);
}

static void a_tick_makes_pending_what_nothing_under_way_may_still_bring(void **state)
{
    (void)state;
    const unsigned all = ROLLOUT_REVISION | LOADER_TAKING | LOADER_FILES;
    static const struct {
        enum rollout_state state;
        enum rollout_state taking_state;
        uint32_t adopting_count;
        bool is_revision_due;
        bool is_taking_due;
        bool is_reload_due;
    } rows[] = {
        {IDLE, IDLE, 0, true, true, true},
        {IDLE, IDLE, 1, false, false, false},
        {IDLE, LOADING, 0, true, false, false},
        {LOADING, IDLE, 0, true, true, false}, // beside the reload, which may take long
        {LOADED, IDLE, 0, true, false, false},
        {LOADED, IDLE, 1, false, false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rollout rollout = {.state = rows[i].state,
                                  .taking_state = rows[i].taking_state,
                                  .adopting_count = rows[i].adopting_count,
                                  .load_ticks = ROLLOUT_LONG_TICKS - 1,
                                  .missed = all};
        rollout_tick(&rollout);
        assert_int_equal((rollout.pending & ROLLOUT_REVISION) != 0, rows[i].is_revision_due);
        assert_int_equal((rollout.pending & LOADER_TAKING) != 0, rows[i].is_taking_due);
        assert_int_equal((rollout.pending & LOADER_FILES) != 0, rows[i].is_reload_due);
        // Memory that lacks is missed until there was some; files are read once for each refusal.
        assert_int_equal(rollout.missed,
                         rows[i].is_reload_due ? all & ~(unsigned)LOADER_FILES : all);
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
    struct rollout rollout = {.taking_scope = LOADER_TAKING_ALL};
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

static void a_reload_that_is_declined_is_a_taking(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof takings / sizeof *takings; i++) {
        struct rollout rollout = {.pending = takings[i].scope};
        assert_int_equal(rollout_next(&rollout), ROLLOUT_LOAD);
        rollout_declined(&rollout);
        assert_int_equal(rollout_next(&rollout), ROLLOUT_TAKE);
        assert_int_equal(rollout.taking_scope, takings[i].taking);
        rollout_taken(&rollout);
        assert_int_equal(rollout_next(&rollout), ROLLOUT_FINISH_TAKING);
        assert_int_equal(rollout_next(&rollout), ROLLOUT_WAIT);
        assert_int_equal(rollout.missed, 0);
        assert_int_equal(rollout.has_refused_file, takings[i].scope == LOADER_ALL);
    }
}

static void
what_a_file_denies_that_does_not_come_into_force_is_read_again_after_new_files(void **state)
{
    (void)state;
    struct rollout rollout = {.pending = LOADER_FILES};
    assert_int_equal(rollout_next(&rollout), ROLLOUT_LOAD);
    rollout_take_all(&rollout);
    rollout_loaded(&rollout);
    assert_int_equal(rollout_next(&rollout), ROLLOUT_FINISH);
    rollout_accepted(&rollout, true);
    assert_int_equal(rollout_next(&rollout), ROLLOUT_TAKE);
    assert_int_equal(rollout.taking_scope, LOADER_TAKING_ALL);
}

static void a_loader_that_does_not_start_misses_takings_only(void **state)
{
    (void)state;
    struct rollout rollout = {.pending = LOADER_TAKING};
    assert_int_equal(rollout_next(&rollout), ROLLOUT_TAKE);
    rollout_not_taken(&rollout);
    assert_int_equal(rollout.taking_state, ROLLOUT_IDLE);
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
    for (size_t i = 0; i < sizeof takings / sizeof *takings; i++) {
        struct rollout rollout = {.pending = takings[i].scope};
        assert_int_equal(rollout_next(&rollout), ROLLOUT_LOAD);
        assert_false(rollout.is_patient);
        rollout_loaded(&rollout);
        assert_int_equal(rollout_next(&rollout), ROLLOUT_FINISH);
        rollout_put_off(&rollout);
        assert_int_equal(rollout_next(&rollout), ROLLOUT_TAKE);
        assert_int_equal(rollout.taking_scope, takings[i].taking);
        rollout_taken(&rollout);
        assert_int_equal(rollout_next(&rollout), ROLLOUT_FINISH_TAKING);
        rollout_took(&rollout, true, true);
        assert_false(rollout_handed(&rollout, 1, true));
        assert_int_equal(rollout_next(&rollout), ROLLOUT_WAIT); // for the worker
        assert_true(rollout_adopted(&rollout, 1));
        assert_int_equal(rollout_next(&rollout), ROLLOUT_LOAD);
        assert_int_equal(rollout.scope, takings[i].scope);
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
        cmocka_unit_test(what_takes_trust_away_is_read_beside_a_reload_that_takes_long),
        cmocka_unit_test(a_reload_gives_nothing_back_that_was_taken_away_while_it_was_read),
        cmocka_unit_test(a_taking_beside_a_reload_that_had_no_memory_is_read_again),
        cmocka_unit_test(files_that_do_not_fit_are_tried_again_for_a_while),
        cmocka_unit_test(what_is_tried_again_is_known_when_the_tries_begin_anew),
        cmocka_unit_test(a_refused_reload_is_said_at_once_unless_only_pairs_of_files_do_not_fit),
        cmocka_unit_test(a_good_reload_has_all_that_was_missed_but_what_a_refused_file_denies),
        cmocka_unit_test(a_generation_is_adopted_when_the_last_worker_has_it_and_none_lacks_it),
        cmocka_unit_test(what_a_taking_had_no_memory_for_is_missed_until_one_had),
        cmocka_unit_test(a_reload_that_is_declined_is_a_taking),
        cmocka_unit_test(
            what_a_file_denies_that_does_not_come_into_force_is_read_again_after_new_files),
        cmocka_unit_test(a_loader_that_does_not_start_misses_takings_only),
        cmocka_unit_test(
            a_reload_that_is_put_off_comes_behind_what_takes_trust_away_and_is_patient),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
