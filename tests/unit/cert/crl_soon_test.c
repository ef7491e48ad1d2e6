// crl_soon_s: from when on it is said of a list that it ends soon.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

#include "auth/crl.h"

enum { HOUR_S = 3600, DAY_S = 24 * HOUR_S, BEGIN_S = 1000 * DAY_S };

static void a_list_ends_soon_in_its_last_quarter_or_its_last_week(void **state)
{
    static const struct {
        int64_t life_s;
        int64_t warned_s; // before the end
    } rows[] = {
        {HOUR_S, HOUR_S / 4},
        {DAY_S, 6 * HOUR_S},
        {7 * DAY_S, 42 * HOUR_S},
        {28 * DAY_S, 7 * DAY_S},
        {365 * DAY_S, 7 * DAY_S},
        {0, 0},
        {-DAY_S, 0}, // what ends before it begins has ended
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const int64_t end_s = BEGIN_S + rows[i].life_s;
        assert_int_equal(end_s - crl_soon_s(BEGIN_S, end_s), rows[i].warned_s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_ends_soon_in_its_last_quarter_or_its_last_week),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
