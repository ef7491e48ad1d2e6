// Durations and sizes: every unit, every way to leave one out, and the edges of the range.
#include "proxy/config/units.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct duration_case {
    const char *text;
    int64_t ms;
};

static void reads_durations_in_every_unit(void **state)
{
    (void)state;
    static const struct duration_case cases[] = {
        {"500ms", 500},      {"10s", 10000}, {"5m", 300000}, {"12h", 43200000},
        {"90d", 7776000000}, {"0s", 0},      {"1ms", 1},     {"36500d", DURATION_MAX_MS},
        {"1500ms", 1500},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t ms = -1;
        struct errinfo info = {0};
        assert_int_equal(
            quantity_parse(QUANTITY_DURATION, slice_of_string(cases[i].text), &ms, &info), ERR_OK);
        assert_int_equal(ms, cases[i].ms);
    }
}

struct refusal {
    const char *text;
    enum err error;
    const char *part;
};

static void assert_duration_refused(const struct refusal *refusal)
{
    int64_t ms = -1;
    struct errinfo info = {0};
    const enum err error =
        quantity_parse(QUANTITY_DURATION, slice_of_string(refusal->text), &ms, &info);
    if (error != refusal->error || strstr(info.text, refusal->part) == NULL)
        fail_msg("`%s`: error %d, %s", refusal->text, (int)error, info.text);
    assert_int_equal(ms, -1);
}

static void refuses_durations_that_could_be_misread(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"", ERR_INPUT, "not a duration"},    {"10", ERR_INPUT, "no unit"},
        {"s", ERR_INPUT, "not a duration"},   {"-5s", ERR_INPUT, "not a duration"},
        {"+5s", ERR_INPUT, "not a duration"}, {"1.5s", ERR_INPUT, "not known"},
        {"5 s", ERR_INPUT, "not known"},      {" 5s", ERR_INPUT, "not a duration"},
        {"5s ", ERR_INPUT, "not known"},      {"05s", ERR_INPUT, "not a duration"},
        {"010", ERR_INPUT, "not a duration"}, {"5S", ERR_INPUT, "not known"},
        {"5M", ERR_INPUT, "not known"},       {"1h30m", ERR_INPUT, "not known"},
        {"5sec", ERR_INPUT, "not known"},     {"5w", ERR_INPUT, "not known"},
        {"0x5s", ERR_INPUT, "not known"},     {"1e3s", ERR_INPUT, "not known"},
        {"5KiB", ERR_INPUT, "not known"},     {"\xC2\xB5s", ERR_INPUT, "not a duration"},
    };
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        assert_duration_refused(&refusals[i]);
}

static void refuses_durations_beyond_the_range_without_overflow(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"36501d", ERR_LIMIT, "too large"},
        {"9223372036854775807ms", ERR_LIMIT, "too large"},
        {"9223372036854775808ms", ERR_LIMIT, "too large"},
        {"18446744073709551616s", ERR_LIMIT, "too large"},
        {"99999999999999999999999999999999d", ERR_LIMIT, "too large"},
    };
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        assert_duration_refused(&refusals[i]);
}

static void refuses_a_duration_with_a_nul_byte(void **state)
{
    (void)state;
    int64_t ms = -1;
    struct errinfo info = {0};
    assert_int_equal(quantity_parse(QUANTITY_DURATION, slice_of("5s\0", 3), &ms, &info), ERR_INPUT);
    assert_int_equal(quantity_parse(QUANTITY_DURATION, slice_of(NULL, 0), &ms, &info), ERR_INPUT);
}

struct size_case {
    const char *text;
    int64_t bytes;
};

static void reads_sizes_in_powers_of_1000_and_1024(void **state)
{
    (void)state;
    static const struct size_case cases[] = {
        {"0B", 0},
        {"1B", 1},
        {"16KiB", 16384},
        {"50MB", 50000000},
        {"4GiB", INT64_C(4294967296)},
        {"1KB", 1000},
        {"3GB", INT64_C(3000000000)},
        {"1TB", INT64_C(1000000000000)},
        {"1048576TiB", SIZE_MAX_BYTES},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t bytes = 7;
        struct errinfo info = {0};
        assert_int_equal(
            quantity_parse(QUANTITY_SIZE, slice_of_string(cases[i].text), &bytes, &info), ERR_OK);
        assert_true(bytes == cases[i].bytes);
    }
}

static void refuses_sizes_with_other_units(void **state)
{
    (void)state;
    static const char *const texts[] = {"",      "16",  "16K",  "16kb", "16kib",      "16 KiB",
                                        "1.5MB", "-1B", "016B", "5s",   "1048577TiB", "B"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        int64_t bytes = 7;
        struct errinfo info = {0};
        assert_int_not_equal(
            quantity_parse(QUANTITY_SIZE, slice_of_string(texts[i]), &bytes, &info), ERR_OK);
        assert_true(bytes == 7);
        assert_true(info.text[0] != '\0');
    }
}

static void reads_moments_in_microseconds_and_nothing_longer(void **state)
{
    (void)state;
    static const struct duration_case cases[] = {
        {"0us", 0}, {"50us", 50}, {"1ms", 1000}, {"1000ms", 1000000}};
    static const char *const refused[] = {"",     "50",  "50s",    "1m",        "1.5ms", "-1us",
                                          "5 us", "5US", "1001ms", "1000001us", "05us"};
    struct errinfo info = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t us = -1;
        assert_int_equal(
            quantity_parse(QUANTITY_MOMENT, slice_of_string(cases[i].text), &us, &info), ERR_OK);
        assert_int_equal(us, cases[i].ms);
    }
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        int64_t us = -1;
        info.text[0] = '\0';
        assert_int_not_equal(
            quantity_parse(QUANTITY_MOMENT, slice_of_string(refused[i]), &us, &info), ERR_OK);
        assert_int_equal(us, -1);
        assert_true(info.text[0] != '\0');
    }
}

static void cuts_long_values_in_messages(void **state)
{
    (void)state;
    char text[4000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = 'x';
    int64_t ms = 0;
    struct errinfo info = {0};
    assert_int_equal(quantity_parse(QUANTITY_DURATION, slice_of(text, sizeof text), &ms, &info),
                     ERR_INPUT);
    assert_true(strlen(info.text) < 200);
}

static void formats_durations_in_the_largest_exact_unit(void **state)
{
    (void)state;
    static const struct duration_case cases[] = {
        {"500ms", 500},    {"90s", 90000}, {"5m", 300000},   {"36h", 129600000},
        {"2d", 172800000}, {"0ms", 0},     {"1001ms", 1001},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[QUANTITY_TEXT_CAP];
        assert_string_equal(quantity_format(QUANTITY_DURATION, cases[i].ms, text), cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_durations_in_every_unit),
        cmocka_unit_test(refuses_durations_that_could_be_misread),
        cmocka_unit_test(refuses_durations_beyond_the_range_without_overflow),
        cmocka_unit_test(refuses_a_duration_with_a_nul_byte),
        cmocka_unit_test(reads_sizes_in_powers_of_1000_and_1024),
        cmocka_unit_test(refuses_sizes_with_other_units),
        cmocka_unit_test(reads_moments_in_microseconds_and_nothing_longer),
        cmocka_unit_test(cuts_long_values_in_messages),
        cmocka_unit_test(formats_durations_in_the_largest_exact_unit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
