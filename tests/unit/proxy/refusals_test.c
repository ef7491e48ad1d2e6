// Counting refusals: a storm becomes one record a second, and no refusal is ever lost from the count.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/audit/refusals.h"
#include "tests/unit/proxy/random.h"

static struct ip_addr source(uint32_t number)
{
    return (struct ip_addr){
        .family = IP_V4,
        .bytes = {10, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number}};
}

static int set_up(void **state)
{
    *state = refusals_create(REFUSALS_EACH_PER_SECOND);
    return *state == NULL;
}

static int set_up_counting(void **state)
{
    *state = refusals_create(0);
    return *state == NULL;
}

static int tear_down(void **state)
{
    refusals_destroy(*state);
    return 0;
}

static bool note(struct refusals *refusals, uint32_t number, enum reason reason, int64_t now_ms)
{
    const struct ip_addr addr = source(number);
    const struct refusal_subject subject = {
        .source = &addr, .port = 1000, .reason = reason, .listener = "main"};
    return refusals_note(refusals, &subject, now_ms);
}

// note_client notes one of a client, which comes from a source of this number.
static bool note_client(struct refusals *refusals, const char *name, uint32_t number,
                        enum reason reason, int64_t now_ms)
{
    const struct ip_addr addr = source(number);
    const struct refusal_subject subject = {
        .client = name, .source = &addr, .port = 1, .reason = reason, .listener = "main"};
    return refusals_note(refusals, &subject, now_ms);
}

// storm notes `count` refusals at once and tells how many deserved a record.
static size_t storm(struct refusals *refusals, size_t count, int64_t now_ms)
{
    size_t own = 0;
    for (size_t i = 0; i < count; i++)
        own += note(refusals, 1, REASON_EXPIRED, now_ms) ? 1 : 0;
    return own;
}

static void the_first_ten_of_a_second_have_records_and_the_rest_are_counted(void **state)
{
    struct refusals *refusals = *state;
    struct refusal_slot due;
    for (size_t i = 0; i < 25; i++)
        assert_int_equal(note(refusals, 1, REASON_EXPIRED, 5000), i < REFUSALS_EACH_PER_SECOND);
    assert_false(refusals_next_due(refusals, 5999, false, &due));
    assert_true(refusals_next_due(refusals, 6000, false, &due));
    assert_int_equal(due.counted, 15);
    assert_int_equal(due.reason, REASON_EXPIRED);
    const struct ip_addr addr = source(1);
    assert_true(ip_addr_equal(&due.source, &addr));
    assert_false(refusals_next_due(refusals, 9999, false, &due));
}

static void ten_and_no_more_leave_nothing_to_tell(void **state)
{
    struct refusals *refusals = *state;
    struct refusal_slot due;
    assert_int_equal(storm(refusals, REFUSALS_EACH_PER_SECOND, 0), REFUSALS_EACH_PER_SECOND);
    assert_false(refusals_next_due(refusals, 10000, true, &due));
}

static void a_new_second_after_quiet_has_records_again(void **state)
{
    struct refusals *refusals = *state;
    assert_int_equal(storm(refusals, 10, 0), 10);
    assert_int_equal(storm(refusals, 10, 1000), 10);
    assert_int_equal(storm(refusals, 10, 1999), 0);
}

static void a_storm_that_goes_on_is_one_record_a_second(void **state)
{
    struct refusals *refusals = *state;
    struct refusal_slot due;
    size_t told = storm(refusals, 100, 0);
    for (int64_t second = 1; second <= 5; second++) {
        assert_true(refusals_next_due(refusals, second * 1000, false, &due));
        told += due.counted;
        assert_false(refusals_next_due(refusals, second * 1000, false, &due));
        assert_int_equal(storm(refusals, 100, second * 1000 + 1), 0);
    }
    assert_true(refusals_next_due(refusals, 6001, false, &due));
    assert_int_equal(told + due.counted, 600);
}

static void a_window_that_was_not_collected_in_time_loses_nothing(void **state)
{
    struct refusals *refusals = *state;
    struct refusal_slot due;
    assert_int_equal(storm(refusals, 15, 0), 10);
    assert_int_equal(storm(refusals, 15, 90000), 0);
    assert_true(refusals_next_due(refusals, 90000, false, &due));
    assert_int_equal(due.counted, 20);
}

static void unfinished_windows_come_out_at_the_end(void **state)
{
    struct refusals *refusals = *state;
    struct refusal_slot due;
    assert_int_equal(storm(refusals, 12, 500), 10);
    assert_false(refusals_next_due(refusals, 501, false, &due));
    assert_true(refusals_next_due(refusals, 501, true, &due));
    assert_int_equal(due.counted, 2);
    assert_false(refusals_next_due(refusals, 501, true, &due));
}

static void reasons_and_sources_are_counted_apart(void **state)
{
    struct refusals *refusals = *state;
    assert_int_equal(storm(refusals, 20, 0), 10);
    assert_true(note(refusals, 1, REASON_UNKNOWN_CA, 0));
    assert_true(note(refusals, 2, REASON_EXPIRED, 0));
    struct ip_addr v6 = source(1);
    v6.family = IP_V6;
    const struct refusal_subject subject = {
        .source = &v6, .port = 1, .reason = REASON_EXPIRED, .listener = "main"};
    assert_true(refusals_note(refusals, &subject, 0));
    assert_true(note_client(refusals, "alice", 1, REASON_EXPIRED, 0));
    assert_false(note(refusals, 1, REASON_EXPIRED, 0));
}

static void a_count_tells_port_and_listener_of_the_last_one(void **state)
{
    static const char name[] = "abcdefghijklmnopqrstuvwxyz-_.089";
    struct refusals *refusals = *state;
    const struct ip_addr addr = source(1);
    assert_int_equal(strlen(name), REFUSALS_NAME_CAP - 1);
    assert_int_equal(storm(refusals, 20, 0), 10);
    const struct refusal_subject last = {
        .source = &addr, .port = 65535, .reason = REASON_EXPIRED, .listener = name};
    assert_false(refusals_note(refusals, &last, 1));
    struct refusal_slot due;
    assert_true(refusals_next_due(refusals, 2000, false, &due));
    assert_int_equal(due.port, 65535);
    assert_string_equal(due.listener, name);
}

static void a_full_table_gives_records_and_forgets_no_count(void **state)
{
    struct refusals *refusals = *state;
    struct refusal_slot due;
    size_t own = 0;
    size_t noted = 0;
    for (uint32_t number = 0; number < 2 * REFUSALS_SLOTS; number++) {
        for (size_t i = 0; i < 12; i++, noted++)
            own += note(refusals, number, REASON_PROTOCOL, 0) ? 1 : 0;
    }
    size_t counted = 0;
    while (refusals_next_due(refusals, 1000, false, &due))
        counted += due.counted;
    assert_int_equal(own + counted, noted);
    assert_false(refusals_next_due(refusals, 1000, true, &due));
}

static void what_is_counted_outlives_its_second_in_a_full_table(void **state)
{
    struct refusals *refusals = *state;
    struct refusal_slot due;
    size_t noted = 0;
    size_t told = 0;
    for (uint32_t number = 0; number < 4 * REFUSALS_SLOTS; number++) {
        // The second half comes when the windows of the first are over and not yet collected.
        for (size_t i = 0; i < 12; i++, noted++)
            told += note(refusals, number, REASON_PROTOCOL, number / (2 * REFUSALS_SLOTS) * 5000);
    }
    while (refusals_next_due(refusals, 5000, true, &due))
        told += due.counted;
    assert_int_equal(told, noted);
}

static void every_reason_has_its_own_ten(void **state)
{
    struct refusals *refusals = *state;
    for (int reason = 0; reason < REASON_COUNT; reason++) {
        for (size_t i = 0; i < REFUSALS_EACH_PER_SECOND; i++)
            assert_true(note(refusals, 1, (enum reason)reason, 0));
    }
}

static void every_refusal_is_told_once_whatever_the_order_of_things(void **state)
{
    struct refusals *refusals = *state;
    struct random random = {.state = 99};
    struct refusal_slot due;
    size_t noted = 0;
    size_t told = 0;
    int64_t now_ms = 0;
    for (int step = 0; step < 200000; step++) {
        now_ms += (int64_t)random_below(&random, 30);
        const uint32_t number = (uint32_t)random_below(&random, 1 + random_below(&random, 600));
        const enum reason reason =
            random_below(&random, 2) == 0 ? REASON_EXPIRED : REASON_UNKNOWN_CA;
        noted++;
        told += note(refusals, number, reason, now_ms) ? 1 : 0;
        if (random_below(&random, 100) != 0)
            continue;
        while (refusals_next_due(refusals, now_ms, false, &due)) {
            assert_true(due.counted > 0);
            told += due.counted;
        }
    }
    while (refusals_next_due(refusals, now_ms, true, &due))
        told += due.counted;
    assert_int_equal(told, noted);
}

static void a_v6_network_of_64_bits_is_one_source(void **state)
{
    struct refusals *refusals = *state;
    for (uint8_t host = 0; host < 100; host++) {
        const struct ip_addr addr = {.family = IP_V6, .bytes = {0x20, 1, [15] = host}};
        const struct refusal_subject subject = {
            .source = &addr, .port = 1, .reason = REASON_EXPIRED, .listener = "main"};
        assert_int_equal(refusals_note(refusals, &subject, 0), host < REFUSALS_EACH_PER_SECOND);
    }
}

static void a_client_has_one_slot_a_reason_wherever_it_comes_from(void **state)
{
    struct refusals *refusals = *state;
    struct refusal_slot due;
    for (uint32_t number = 0; number < 10 * REFUSALS_SLOTS; number++)
        assert_false(note_client(refusals, "alice", number, REASON_NO_RULE, 0));
    assert_false(note_client(refusals, "bob", 7, REASON_NO_RULE, 0));
    assert_false(refusals_next_due(refusals, 999, false, &due));
    size_t told = 0;
    for (; refusals_next_due(refusals, 1000, false, &due); told++) {
        const bool is_alice = strcmp(due.client, "alice") == 0;
        const struct ip_addr last = source(is_alice ? 10 * REFUSALS_SLOTS - 1 : 7);
        assert_string_equal(due.client, is_alice ? "alice" : "bob");
        assert_int_equal(due.counted, is_alice ? 10 * REFUSALS_SLOTS : 1);
        assert_true(ip_addr_equal(&due.source, &last));
    }
    assert_int_equal(told, 2);
}

static void what_finds_no_slot_is_counted_by_reason_alone(void **state)
{
    struct refusals *refusals = *state;
    struct refusal_slot due;
    size_t noted = 0;
    for (int round = 0; round < 3; round++) {
        for (uint32_t number = 0; number < 4 * REFUSALS_SLOTS; number++, noted++)
            assert_false(note(refusals, number, REASON_NO_CLIENT, 0));
    }
    size_t told = 0;
    size_t lumped = 0;
    while (refusals_next_due(refusals, 1000, false, &due)) {
        assert_int_equal(due.reason, REASON_NO_CLIENT);
        told += due.counted;
        lumped += due.source.family == IP_NONE ? due.counted : 0;
    }
    assert_int_equal(told, noted);
    assert_true(lumped >= 3 * 3 * REFUSALS_SLOTS);
    assert_false(note_client(refusals, "alice", 1, REASON_NO_RULE, 1000));
    assert_true(refusals_next_due(refusals, 2000, false, &due));
    assert_string_equal(due.client, "alice"); // there is room again
}

int main(void)
{
#define WITH_TABLE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
#define COUNTING(test)   cmocka_unit_test_setup_teardown(test, set_up_counting, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_TABLE(the_first_ten_of_a_second_have_records_and_the_rest_are_counted),
        WITH_TABLE(ten_and_no_more_leave_nothing_to_tell),
        WITH_TABLE(a_new_second_after_quiet_has_records_again),
        WITH_TABLE(a_storm_that_goes_on_is_one_record_a_second),
        WITH_TABLE(a_window_that_was_not_collected_in_time_loses_nothing),
        WITH_TABLE(unfinished_windows_come_out_at_the_end),
        WITH_TABLE(reasons_and_sources_are_counted_apart),
        WITH_TABLE(a_count_tells_port_and_listener_of_the_last_one),
        WITH_TABLE(a_full_table_gives_records_and_forgets_no_count),
        WITH_TABLE(what_is_counted_outlives_its_second_in_a_full_table),
        WITH_TABLE(every_reason_has_its_own_ten),
        WITH_TABLE(a_v6_network_of_64_bits_is_one_source),
        COUNTING(a_client_has_one_slot_a_reason_wherever_it_comes_from),
        COUNTING(what_finds_no_slot_is_counted_by_reason_alone),
        WITH_TABLE(every_refusal_is_told_once_whatever_the_order_of_things),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
