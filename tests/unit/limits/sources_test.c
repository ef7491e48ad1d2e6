// Handshakes by source: who is one source, what counts, and what a flood of sources can do.
#include "proxy/limits/sources.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int set_up(void **state)
{
    *state = sources_create();
    return *state == NULL;
}

static int tear_down(void **state)
{
    sources_destroy(*state);
    return 0;
}

static struct ip_addr addr(const char *text)
{
    struct ip_addr out = {0};
    assert_int_equal(ip_addr_parse(slice_of_string(text), &out), ERR_OK);
    return out;
}

static struct ip_addr nth(uint32_t number)
{
    return (struct ip_addr){.family = IP_V6,
                            .bytes = {0x20, 1, (uint8_t)(number >> 24), (uint8_t)(number >> 16),
                                      (uint8_t)(number >> 8), (uint8_t)number}};
}

static void configure(struct sources *sources, uint32_t failed_handshakes, uint32_t half_open)
{
    const struct proxy_limits limits = {
        .source = {.failed_handshakes = failed_handshakes, .half_open = half_open}};
    sources_configure(sources, &limits);
}

static enum reason begin(struct sources *sources, const char *text, int64_t now_ms)
{
    const struct ip_addr address = addr(text);
    struct source_turn turn;
    const enum reason reason = sources_begin(sources, &address, now_ms, &turn);
    assert_int_equal(turn.is_counted, reason == REASON_NONE);
    return reason;
}

// wait_of begins a handshake and ends it, and tells how long it had to wait.
static int64_t wait_of(struct sources *sources, const char *text, int64_t now_ms)
{
    const struct ip_addr address = addr(text);
    struct source_turn turn;
    assert_int_equal(sources_begin(sources, &address, now_ms, &turn), REASON_NONE);
    if (turn.is_counted)
        sources_end(sources, &address);
    return turn.wait_ms;
}

static void end(struct sources *sources, const char *text)
{
    const struct ip_addr address = addr(text);
    sources_end(sources, &address);
}

static void fail_once(struct sources *sources, const char *text, int64_t now_ms)
{
    const struct ip_addr address = addr(text);
    sources_note_failure(sources, &address, now_ms);
}

static void without_limits_nothing_is_counted(void **state)
{
    struct sources *sources = *state;
    const struct ip_addr address = addr("192.0.2.1");
    for (int i = 0; i < 1000; i++) {
        struct source_turn turn = {.is_counted = true};
        assert_int_equal(sources_begin(sources, &address, 0, &turn), REASON_NONE);
        assert_false(turn.is_counted);
        sources_note_failure(sources, &address, 0);
    }
}

static void so_many_handshakes_may_be_under_way_and_each_end_makes_room(void **state)
{
    struct sources *sources = *state;
    configure(sources, 0, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(begin(sources, "192.0.2.1", 0), REASON_NONE);
    assert_int_equal(begin(sources, "192.0.2.1", 0), REASON_LIMIT_HALF_OPEN);
    assert_int_equal(begin(sources, "192.0.2.2", 0), REASON_NONE);
    end(sources, "192.0.2.1");
    assert_int_equal(begin(sources, "192.0.2.1", 0), REASON_NONE);
    assert_int_equal(begin(sources, "192.0.2.1", 0), REASON_LIMIT_HALF_OPEN);
}

static void an_ipv6_source_is_a_64_and_an_ipv4_one_an_address(void **state)
{
    struct sources *sources = *state;
    configure(sources, 0, 1);
    assert_int_equal(begin(sources, "2001:db8:1:2::1", 0), REASON_NONE);
    assert_int_equal(begin(sources, "2001:db8:1:2:ffff:ffff:ffff:ffff", 0), REASON_LIMIT_HALF_OPEN);
    assert_int_equal(begin(sources, "2001:db8:1:3::1", 0), REASON_NONE);
    assert_int_equal(begin(sources, "10.0.0.1", 0), REASON_NONE);
    assert_int_equal(begin(sources, "10.0.0.2", 0), REASON_NONE);
    assert_int_equal(begin(sources, "a00:1::", 0), REASON_NONE); // the bytes of 10.0.0.1
    end(sources, "2001:db8:1:2::77");
    assert_int_equal(begin(sources, "2001:db8:1:2::1", 0), REASON_NONE);
}

static void failures_above_the_rate_make_the_next_ones_wait_for_their_turn(void **state)
{
    struct sources *sources = *state;
    configure(sources, 20, 0);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(wait_of(sources, "192.0.2.1", 1000), 0);
        fail_once(sources, "192.0.2.1", 1000);
    }
    assert_int_equal(wait_of(sources, "192.0.2.1", 1000), 50);
    assert_int_equal(wait_of(sources, "192.0.2.1", 1049), 1);
    assert_int_equal(wait_of(sources, "192.0.2.2", 1049), 0);
    assert_int_equal(wait_of(sources, "192.0.2.1", 1050), 0);
}

static void a_loop_that_waits_its_turn_fails_no_more_often_than_the_rate(void **state)
{
    struct sources *sources = *state;
    enum { LOOPS = 30, SECONDS = 20, RATE = 10 };
    int64_t due_ms[LOOPS] = {0};
    int failures = 0;
    configure(sources, RATE, 0);
    for (int64_t now_ms = 0; now_ms < SECONDS * 1000; now_ms++) {
        for (size_t i = 0; i < LOOPS; i++) {
            if (due_ms[i] > now_ms)
                continue;
            failures++;
            fail_once(sources, "192.0.2.1", now_ms);
            due_ms[i] = now_ms + 1 + wait_of(sources, "192.0.2.1", now_ms + 1);
        }
    }
    assert_true(failures <= RATE * (SECONDS + 1) + LOOPS);
    assert_true(failures >= RATE * (SECONDS - 4)); // slowed to the rate, not shut out
}

static void handshakes_that_do_not_fail_slow_nobody(void **state)
{
    struct sources *sources = *state;
    configure(sources, 1, 0);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(wait_of(sources, "192.0.2.1", 1000), 0);
    }
}

static void however_many_have_failed_the_wait_has_an_end(void **state)
{
    struct sources *sources = *state;
    configure(sources, 10, 0);
    for (int i = 0; i < 100000; i++)
        fail_once(sources, "192.0.2.1", 1000);
    assert_int_equal(wait_of(sources, "192.0.2.1", 1000), SOURCES_WAIT_MAX_MS);
    assert_int_equal(wait_of(sources, "192.0.2.1", 1000 + SOURCES_WAIT_MAX_MS), 0);
}

static void a_flood_of_sources_makes_nobody_forget_who_is_under_way(void **state)
{
    struct sources *sources = *state;
    configure(sources, 5, 1);
    assert_int_equal(begin(sources, "192.0.2.1", 0), REASON_NONE);
    for (uint32_t i = 0; i < 200000; i++) {
        const struct ip_addr address = nth(i);
        struct source_turn turn;
        assert_int_equal(sources_begin(sources, &address, i, &turn), REASON_NONE);
        assert_true(turn.is_counted);
        sources_end(sources, &address);
        sources_note_failure(sources, &address, i);
    }
    assert_int_equal(begin(sources, "192.0.2.1", 200000), REASON_LIMIT_HALF_OPEN);
    end(sources, "192.0.2.1");
}

static void a_table_full_of_handshakes_lets_others_through_uncounted(void **state)
{
    struct sources *sources = *state;
    size_t counted = 0;
    configure(sources, 0, 1);
    for (uint32_t i = 0; i < 100000; i++) {
        const struct ip_addr address = nth(i);
        struct source_turn turn;
        assert_int_equal(sources_begin(sources, &address, 0, &turn), REASON_NONE);
        counted += turn.is_counted ? 1 : 0;
        if (!turn.is_counted)
            sources_note_failure(sources, &address, 0);
    }
    assert_true(counted > 20000 && counted < 100000);
}

static void limits_that_come_while_handshakes_are_under_way_count_from_then_on(void **state)
{
    struct sources *sources = *state;
    configure(sources, 0, 2);
    assert_int_equal(begin(sources, "192.0.2.1", 0), REASON_NONE);
    assert_int_equal(begin(sources, "192.0.2.1", 0), REASON_NONE);
    configure(sources, 0, 1);
    assert_int_equal(begin(sources, "192.0.2.1", 0), REASON_LIMIT_HALF_OPEN);
    end(sources, "192.0.2.1");
    assert_int_equal(begin(sources, "192.0.2.1", 0), REASON_LIMIT_HALF_OPEN);
    configure(sources, 0, 0);
    end(sources, "192.0.2.1");
    configure(sources, 0, 1);
    assert_int_equal(begin(sources, "192.0.2.1", 0), REASON_NONE);
}

#define SOURCES_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SOURCES_TEST(without_limits_nothing_is_counted),
        SOURCES_TEST(so_many_handshakes_may_be_under_way_and_each_end_makes_room),
        SOURCES_TEST(an_ipv6_source_is_a_64_and_an_ipv4_one_an_address),
        SOURCES_TEST(failures_above_the_rate_make_the_next_ones_wait_for_their_turn),
        SOURCES_TEST(a_loop_that_waits_its_turn_fails_no_more_often_than_the_rate),
        SOURCES_TEST(handshakes_that_do_not_fail_slow_nobody),
        SOURCES_TEST(however_many_have_failed_the_wait_has_an_end),
        SOURCES_TEST(a_flood_of_sources_makes_nobody_forget_who_is_under_way),
        SOURCES_TEST(a_table_full_of_handshakes_lets_others_through_uncounted),
        SOURCES_TEST(limits_that_come_while_handshakes_are_under_way_count_from_then_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
