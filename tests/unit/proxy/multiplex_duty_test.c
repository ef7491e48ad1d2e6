// What an HTTP/2 connection has to do by itself, and when: no loop, no clock, no frames.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proxy/session/multiplex_duty.h"

enum { HOUR = 3600 * 1000, NEVER = 10 * HOUR };

#define NONE   FAREWELL_NONE
#define NOTICE FAREWELL_NOTICE

static void what_is_due_first_and_when(void **state)
{
    (void)state;
    // A connection that was begun at 1 s, and may become an hour old.
    static const struct {
        int64_t expires_ms;
        enum farewell farewell;
        int64_t notice_ms;
        bool is_settled;
        struct http2_silence silence;
        enum multiplex_duty duty;
        int64_t at_ms;
    } rows[] = {
        // First the client owes to acknowledge our SETTINGS, whatever else comes.
        {INT64_MAX, NONE, 0, false, {1000, false}, MULTIPLEX_SETTINGS, 11000},
        {INT64_MAX, NONE, 0, false, {9000, false}, MULTIPLEX_SETTINGS, 11000},
        // Then it is asked a minute after its last bytes, and has 20 seconds to answer.
        {INT64_MAX, NONE, 0, true, {1500, false}, MULTIPLEX_SILENCE, 61500},
        {INT64_MAX, NONE, 0, true, {700000, false}, MULTIPLEX_SILENCE, 760000},
        {INT64_MAX, NONE, 0, true, {700000, true}, MULTIPLEX_SILENCE, 780000},
        // It is told to go once it is old. Of two things at the same time this is the first.
        {INT64_MAX, NONE, 0, true, {HOUR, false}, MULTIPLEX_NOTICE, 1000 + HOUR},
        {INT64_MAX, NONE, 0, true, {HOUR - 59000, false}, MULTIPLEX_NOTICE, 1000 + HOUR},
        // Or half a minute before its certificate ends; of one that is about to end, after a second.
        {500000, NONE, 0, true, {460000, false}, MULTIPLEX_NOTICE, 470000},
        {20000, NONE, 0, true, {1000, false}, MULTIPLEX_NOTICE, 2000},
        {1, NONE, 0, true, {1000, false}, MULTIPLEX_NOTICE, 2000},
        // The last word comes a second after the notice, whatever the certificate does meanwhile.
        {INT64_MAX, NOTICE, 300000, true, {300000, false}, MULTIPLEX_FAREWELL, 301000},
        {300500, NOTICE, 300000, true, {300000, false}, MULTIPLEX_FAREWELL, 301000},
        // After it the client is still asked.
        {1, FAREWELL_SAID, 300000, true, {2 * HOUR, false}, MULTIPLEX_SILENCE, 2 * HOUR + 60000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct multiplex_times times = {
            .begun_ms = 1000,
            .age_ms = HOUR,
            .expires_ms = rows[i].expires_ms,
            .farewell = rows[i].farewell,
            .notice_ms = rows[i].notice_ms,
            .is_settled = rows[i].is_settled,
            .silence = rows[i].silence,
        };
        const struct multiplex_due due = multiplex_duty_next(&times);
        if (due.duty != rows[i].duty || due.at_ms != rows[i].at_ms)
            fail_msg("row %zu: duty %d at %lld", i, (int)due.duty, (long long)due.at_ms);
    }
}

static void a_silent_client_is_asked_once_and_then_given_up(void **state)
{
    (void)state;
    struct multiplex_times times = {
        .age_ms = NEVER, .expires_ms = INT64_MAX, .is_settled = true, .silence = {5000, false}};
    const struct multiplex_due asked = multiplex_duty_next(&times);
    times.silence.is_asked = true;
    const struct multiplex_due gone = multiplex_duty_next(&times);
    times.silence = (struct http2_silence){.heard_ms = asked.at_ms + 10};
    const struct multiplex_due again = multiplex_duty_next(&times);
    assert_int_equal(asked.duty, MULTIPLEX_SILENCE);
    assert_int_equal(gone.duty, MULTIPLEX_SILENCE);
    assert_int_equal(gone.at_ms - asked.at_ms, 20000);
    assert_int_equal(again.at_ms, asked.at_ms + 10 + 60000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_due_first_and_when),
        cmocka_unit_test(a_silent_client_is_asked_once_and_then_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
