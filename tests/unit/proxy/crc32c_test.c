// The checksum, held against the examples of RFC 3720, appendix B.4.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proxy/net/crc32c.h"

static void sums_are_those_of_the_rfc(void **state)
{
    (void)state;
    uint8_t zeros[32] = {0};
    uint8_t ones[32];
    uint8_t rising[32];
    uint8_t falling[32];
    for (size_t i = 0; i < 32; i++) {
        ones[i] = 0xFF;
        rising[i] = (uint8_t)i;
        falling[i] = (uint8_t)(31 - i);
    }
    assert_int_equal(crc32c_add(0, slice_of(zeros, 32)), 0x8A9136AA);
    assert_int_equal(crc32c_add(0, slice_of(ones, 32)), 0x62A8AB43);
    assert_int_equal(crc32c_add(0, slice_of(rising, 32)), 0x46DD794E);
    assert_int_equal(crc32c_add(0, slice_of(falling, 32)), 0x113FDB5C);
    assert_int_equal(crc32c_add(0, SLICE_LITERAL("123456789")), 0xE3069283);
    assert_int_equal(crc32c_add(0, (struct slice){0}), 0);
}

static void a_sum_does_not_depend_on_the_pieces(void **state)
{
    (void)state;
    const struct slice whole = SLICE_LITERAL("123456789");
    for (size_t cut = 0; cut <= whole.len; cut++) {
        const uint32_t first = crc32c_add(0, slice_first(whole, cut));
        assert_int_equal(crc32c_add(first, slice_from(whole, cut)), 0xE3069283);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_those_of_the_rfc),
        cmocka_unit_test(a_sum_does_not_depend_on_the_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
