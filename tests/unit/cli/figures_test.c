// Numbers for people: at most eight characters, and never a unit too small or too large.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
// cmocka wants the four above first
#include <cmocka.h>

#include "proxy/cli/figures.h"

static void bytes_have_the_largest_unit_with_a_whole_part(void **state)
{
    (void)state;
    static const struct {
        uint64_t bytes;
        const char *text;
    } rows[] = {
        {0, "0 B"},
        {1, "1 B"},
        {1023, "1023 B"},
        {1024, "1.0 KiB"},
        {1536, "1.5 KiB"},
        {10188, "9.9 KiB"},
        {10189, "10 KiB"},
        {1048063, "1023 KiB"},
        {1048064, "1.0 MiB"}, // not 1024 KiB
        {UINT64_C(12) << 30, "12 GiB"},
        {UINT64_C(5) << 40, "5.0 TiB"},
        {UINT64_C(3) << 50, "3.0 PiB"},
        {UINT64_MAX, "16 EiB"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[FIGURE_CAP];
        assert_string_equal(rows[i].text, figure_bytes(rows[i].bytes, text));
    }
}

static void every_size_fits_its_column(void **state)
{
    (void)state;
    char text[FIGURE_CAP];
    for (unsigned shift = 0; shift < 64; shift++) {
        for (uint64_t part = 0; part < 16; part++) {
            const uint64_t bytes = (UINT64_C(1) << shift) + (part << shift) / 16 - part % 2;
            assert_true(strlen(figure_bytes(bytes, text)) <= 8);
        }
    }
}

static void ages_have_two_parts(void **state)
{
    (void)state;
    static const struct {
        int64_t seconds;
        const char *text;
    } rows[] = {
        {-5, "0s"},       {0, "0s"},           {59, "59s"},           {60, "1m00s"},
        {250, "4m10s"},   {3599, "59m59s"},    {3600, "1h00m"},       {86399, "23h59m"},
        {86400, "1d00h"}, {1047600, "12d03h"}, {86399999, "999d23h"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[FIGURE_CAP];
        assert_string_equal(rows[i].text, figure_age(rows[i].seconds, text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_have_the_largest_unit_with_a_whole_part),
        cmocka_unit_test(every_size_fits_its_column),
        cmocka_unit_test(ages_have_two_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
