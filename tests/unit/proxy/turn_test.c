// turn: who is worked on in which pass of a loop.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proxy/loop/turn.h"

enum { ENTRIES = 3, LONG_US = 60 * 1000 * 1000, SHORT_US = 1 };

struct item {
    struct bench *bench;
    struct turn_entry entry;
    int id;
    bool comes_again;
    struct item *drops; // takes this one out of the queue
};

struct bench {
    struct ev_loop *loop;
    struct turn turn;
    struct item items[ENTRIES];
    char order[16]; // the ids of those that have been worked on
    size_t count;
};

static void work(void *owner)
{
    struct item *item = owner;
    struct bench *bench = item->bench;
    assert_true(bench->count < sizeof bench->order - 1);
    bench->order[bench->count++] = (char)('a' + item->id);
    bench->turn.spent_us += 10; // as if it had taken some time
    if (item->comes_again)
        turn_enqueue(&bench->turn, &item->entry, item);
    if (item->drops != NULL)
        turn_leave(&item->drops->entry);
}

static void begin(struct bench *bench, int64_t budget_us)
{
    *bench = (struct bench){.loop = ev_loop_new(EVFLAG_NOENV)};
    assert_non_null(bench->loop);
    turn_init(&bench->turn, bench->loop, 0, budget_us, work);
    for (int i = 0; i < ENTRIES; i++)
        bench->items[i] = (struct item){.bench = bench, .id = i};
}

static void queue(struct bench *bench, size_t i)
{
    turn_enqueue(&bench->turn, &bench->items[i].entry, &bench->items[i]);
}

static void queue_all(struct bench *bench)
{
    for (size_t i = 0; i < ENTRIES; i++)
        queue(bench, i);
}

static void assert_order_after_a_pass(struct bench *bench, const char *order)
{
    (void)ev_run(bench->loop, EVRUN_NOWAIT);
    assert_string_equal(bench->order, order);
}

static void end(struct bench *bench)
{
    for (size_t i = 0; i < ENTRIES; i++)
        turn_leave(&bench->items[i].entry);
    turn_stop(&bench->turn);
    ev_loop_destroy(bench->loop);
}

static void entries_are_worked_on_once_and_in_order(void **state)
{
    (void)state;
    struct bench bench;
    begin(&bench, LONG_US);
    queue_all(&bench);
    queue(&bench, 0); // is in the queue already
    assert_order_after_a_pass(&bench, "abc");
    assert_order_after_a_pass(&bench, "abc");
    assert_false(ev_is_active(&bench.turn.timer));
    end(&bench);
}

static void an_entry_that_comes_again_has_its_turn_in_a_later_pass(void **state)
{
    (void)state;
    struct bench bench;
    begin(&bench, LONG_US);
    bench.items[0].comes_again = true;
    queue_all(&bench);
    assert_order_after_a_pass(&bench, "abc");
    assert_order_after_a_pass(&bench, "abca");
    assert_order_after_a_pass(&bench, "abcaa");
    end(&bench);
}

static void what_the_budget_does_not_reach_is_left_to_the_next_pass(void **state)
{
    (void)state;
    struct bench bench;
    begin(&bench, SHORT_US);
    queue_all(&bench);
    assert_order_after_a_pass(&bench, "a");
    assert_true(turn_is_spent(&bench.turn));
    turn_begin_pass(&bench.turn);
    assert_false(turn_is_spent(&bench.turn));
    assert_order_after_a_pass(&bench, "ab");
    assert_order_after_a_pass(&bench, "abc");
    end(&bench);
}

static void an_entry_that_has_left_is_not_worked_on(void **state)
{
    (void)state;
    struct bench bench;
    begin(&bench, LONG_US);
    bench.items[1].drops = &bench.items[2];
    queue_all(&bench);
    turn_leave(&bench.items[0].entry);
    turn_leave(&bench.items[0].entry); // is in none
    assert_order_after_a_pass(&bench, "b");
    queue(&bench, 0);
    assert_order_after_a_pass(&bench, "ba");
    end(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_worked_on_once_and_in_order),
        cmocka_unit_test(an_entry_that_comes_again_has_its_turn_in_a_later_pass),
        cmocka_unit_test(what_the_budget_does_not_reach_is_left_to_the_next_pass),
        cmocka_unit_test(an_entry_that_has_left_is_not_worked_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
