// spread: which connections are handed on, to whom, and that none is lost.
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proxy/loop/loop_thread.h"
#include "proxy/worker/spread.h"

enum { SEATS = 3, GENERATION = 7, MESSAGE = LOOP_FIRST_OWN };

struct hall;

// guest is a worker without a thread: its loop is run by the test.
struct guest {
    struct loop_thread thread;
    unsigned calls; // of on_messages
};

struct hall {
    struct spread *spread;
    struct guest guests[SEATS];
};

static void on_messages(void *owner, unsigned messages)
{
    struct guest *guest = owner;
    assert_int_equal(messages, MESSAGE);
    guest->calls++;
}

static const struct loop_thread_events events = {.on_messages = on_messages};

static void begin(struct hall *hall)
{
    *hall = (struct hall){.spread = spread_create(SEATS)};
    assert_non_null(hall->spread);
    for (uint32_t i = 0; i < SEATS; i++) {
        struct guest *guest = &hall->guests[i];
        struct errinfo info;
        assert_int_equal(loop_thread_init(&guest->thread, &events, guest, i, &info), ERR_OK);
        spread_sit(hall->spread, i, &guest->thread, MESSAGE, GENERATION);
    }
}

static void end(struct hall *hall)
{
    struct newcomer out[SPREAD_INBOX];
    for (uint32_t i = 0; i < SEATS; i++) {
        assert_true(spread_leave(hall->spread, i, out) <= SPREAD_INBOX);
        loop_thread_deinit(&hall->guests[i].thread);
    }
    spread_destroy(hall->spread);
}

static void tell(struct hall *hall, size_t first, size_t second, size_t third)
{
    spread_tell(hall->spread, 0, first);
    spread_tell(hall->spread, 1, second);
    spread_tell(hall->spread, 2, third);
}

// hands tells whether the first worker hands a connection, known by `fd`, to somebody.
static bool hands(struct hall *hall, int fd)
{
    const struct newcomer newcomer = {.fd = fd, .port = 443, .listener = 2};
    return spread_hand(hall->spread, 0, GENERATION, &newcomer);
}

static size_t take(struct hall *hall, uint32_t seat, struct newcomer *out)
{
    return spread_take(hall->spread, seat, GENERATION, out);
}

static void a_worker_keeps_what_it_accepts_while_none_has_clearly_fewer(void **state)
{
    (void)state;
    static const struct {
        size_t mine, theirs;
        bool is_handed;
    } rows[] = {
        {0, 0, false},  {0, 5, false},       {1, 1, false},      {1, 0, true},    {5, 4, true},
        {8, 8, false},  {9, 8, false},       {10, 8, true},      {16, 15, false}, {90, 80, false},
        {91, 80, true}, {9000, 8000, false}, {9001, 8000, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hall hall;
        begin(&hall);
        tell(&hall, rows[i].mine, rows[i].theirs, rows[i].theirs + 1);
        assert_int_equal(hands(&hall, 3), rows[i].is_handed);
        end(&hall);
    }
}

static void a_connection_goes_to_the_worker_that_has_fewest(void **state)
{
    (void)state;
    struct hall hall;
    struct newcomer out[SPREAD_INBOX];
    begin(&hall);
    tell(&hall, 9, 3, 2);
    assert_true(hands(&hall, 30));
    assert_true(
        hands(&hall, 31)); // what waits counts: both others have 3 now, the first of them is asked
    assert_int_equal(take(&hall, 0, out), 0);
    assert_int_equal(take(&hall, 1, out), 1);
    assert_int_equal(out[0].fd, 31);
    assert_int_equal(out[0].port, 443);
    assert_int_equal(out[0].listener, 2);
    assert_int_equal(take(&hall, 2, out), 1);
    assert_int_equal(out[0].fd, 30);
    assert_int_equal(take(&hall, 2, out), 0);
    end(&hall);
}

static void a_worker_alone_keeps_everything(void **state)
{
    (void)state;
    struct spread *spread = spread_create(1);
    struct newcomer out[SPREAD_INBOX];
    struct guest guest = {0};
    struct errinfo info;
    assert_non_null(spread);
    assert_int_equal(loop_thread_init(&guest.thread, &events, &guest, 0, &info), ERR_OK);
    spread_sit(spread, 0, &guest.thread, MESSAGE, GENERATION);
    spread_tell(spread, 0, 1000);
    assert_false(spread_hand(spread, 0, GENERATION, &(struct newcomer){.fd = 3}));
    assert_int_equal(spread_leave(spread, 0, out), 0);
    loop_thread_deinit(&guest.thread);
    spread_destroy(spread);
}

static void nothing_goes_to_a_worker_with_another_configuration(void **state)
{
    (void)state;
    struct hall hall;
    struct newcomer out[SPREAD_INBOX];
    begin(&hall);
    tell(&hall, 9, 0, 9);
    assert_true(hands(&hall, 30));
    // What came before the change is taken out with it.
    assert_int_equal(spread_take(hall.spread, 1, GENERATION + 1, out), 1);
    assert_false(hands(&hall, 31));
    assert_int_equal(spread_take(hall.spread, 1, GENERATION, out), 0);
    assert_true(hands(&hall, 31));
    end(&hall);
}

static void nothing_goes_to_a_worker_that_has_left(void **state)
{
    (void)state;
    struct hall hall;
    struct newcomer out[SPREAD_INBOX];
    begin(&hall);
    tell(&hall, 9, 0, 9);
    assert_true(hands(&hall, 30));
    assert_int_equal(spread_leave(hall.spread, 1, out), 1);
    assert_int_equal(out[0].fd, 30);
    assert_false(hands(&hall, 31));
    spread_tell(hall.spread, 1, 0); // it still has sessions that end
    assert_false(hands(&hall, 31));
    spread_tell(hall.spread, 2, 4); // the others are not kept from helping
    assert_true(hands(&hall, 31));
    assert_int_equal(spread_leave(hall.spread, 1, out), 0);
    end(&hall);
}

static void a_full_inbox_takes_no_more_and_keeps_the_order(void **state)
{
    (void)state;
    struct hall hall;
    struct newcomer out[SPREAD_INBOX];
    begin(&hall);
    tell(&hall, 1000, 0, 1000);
    for (int i = 0; i < SPREAD_INBOX; i++)
        assert_true(hands(&hall, i));
    assert_false(hands(&hall, SPREAD_INBOX));
    assert_int_equal(take(&hall, 1, out), SPREAD_INBOX);
    for (int i = 0; i < SPREAD_INBOX; i++)
        assert_int_equal(out[i].fd, i);
    assert_true(hands(&hall, SPREAD_INBOX));
    end(&hall);
}

static void a_worker_is_woken_once_for_what_comes_together(void **state)
{
    (void)state;
    struct hall hall;
    struct newcomer out[SPREAD_INBOX];
    begin(&hall);
    struct guest *guest = &hall.guests[1];
    tell(&hall, 1000, 0, 1000);
    for (int round = 1; round < 3; round++) {
        assert_true(hands(&hall, 1));
        assert_true(hands(&hall, 2));
        (void)ev_run(guest->thread.loop, EVRUN_ONCE);
        assert_int_equal(guest->calls, round);
        (void)ev_run(guest->thread.loop, EVRUN_NOWAIT);
        assert_int_equal(guest->calls, round);
        assert_int_equal(take(&hall, 1, out), 2);
    }
    assert_int_equal(hall.guests[2].calls, 0);
    end(&hall);
}

// ---- threads ------------------------------------------------------------------------------------

enum { EACH = 20000 };

struct party {
    struct hall hall;
    atomic_size_t seen;  // connections that somebody has taken or kept
    atomic_size_t total; // of their descriptors
};

struct member {
    struct party *party;
    uint32_t seat;
};

static void note(struct party *party, const struct newcomer *newcomers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        (void)atomic_fetch_add(&party->total, (size_t)newcomers[i].fd);
    (void)atomic_fetch_add(&party->seen, count);
}

// take_part accepts EACH connections, hands on what it can, takes what comes, and leaves.
static void *take_part(void *arg)
{
    const struct member *member = arg;
    struct party *party = member->party;
    struct spread *spread = party->hall.spread;
    struct newcomer out[SPREAD_INBOX];
    for (int i = 1; i <= EACH; i++) {
        const struct newcomer newcomer = {.fd = i};
        spread_tell(spread, member->seat, (size_t)(i * 31) % 97);
        if (!spread_hand(spread, member->seat, GENERATION, &newcomer))
            note(party, &newcomer, 1);
        if (i % 5 == 0)
            note(party, out, spread_take(spread, member->seat, GENERATION, out));
    }
    note(party, out, spread_leave(spread, member->seat, out));
    return NULL;
}

static void nothing_is_lost_or_doubled_between_threads(void **state)
{
    (void)state;
    static struct party party;
    pthread_t threads[SEATS];
    struct member members[SEATS];
    begin(&party.hall);
    for (uint32_t i = 0; i < SEATS; i++) {
        members[i] = (struct member){.party = &party, .seat = i};
        assert_int_equal(pthread_create(&threads[i], NULL, take_part, &members[i]), 0);
    }
    for (uint32_t i = 0; i < SEATS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(atomic_load(&party.seen), (size_t)SEATS * EACH);
    assert_int_equal(atomic_load(&party.total), (size_t)SEATS * EACH * (EACH + 1) / 2);
    end(&party.hall);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_keeps_what_it_accepts_while_none_has_clearly_fewer),
        cmocka_unit_test(a_connection_goes_to_the_worker_that_has_fewest),
        cmocka_unit_test(a_worker_alone_keeps_everything),
        cmocka_unit_test(nothing_goes_to_a_worker_with_another_configuration),
        cmocka_unit_test(nothing_goes_to_a_worker_that_has_left),
        cmocka_unit_test(a_full_inbox_takes_no_more_and_keeps_the_order),
        cmocka_unit_test(a_worker_is_woken_once_for_what_comes_together),
        cmocka_unit_test(nothing_is_lost_or_doubled_between_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
