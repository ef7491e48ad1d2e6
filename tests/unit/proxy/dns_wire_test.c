// A question as it goes over the wire: its parts, its padding, and what is no name.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/net/dns_wire.h"

static void test_a_question_has_its_parts_in_their_places(void **state)
{
    static const uint8_t expected[] = {
        0,    128,                                              // the length
        0xAB, 0xCD, 1,    0,   0,   1,   0,   0, 0,  0,  0,  1, // id, recursion desired, one question, one OPT
        1,    'a',  4,    't', 'e', 's', 't', 0, 0,  28, 0,  1, 0,  0,
        41,   0x04, 0xD0, 0,   0,   0,   0,   0, 93, 0,  12, 0, 89,
    };
    uint8_t out[DNS_WIRE_CAP];
    (void)state;
    memset(out, 0xFF, sizeof out);
    assert_int_equal(dns_wire_question(SLICE_LITERAL("a.test"), DNS_TYPE_AAAA, 0xABCD, out), 130);
    assert_memory_equal(out, expected, sizeof expected);
    for (size_t i = sizeof expected; i < 130; i++)
        assert_int_equal(out[i], 0);
    assert_int_equal(out[130], 0xFF);
}

static void test_every_length_of_a_name_is_padded_to_whole_blocks(void **state)
{
    char name[DNS_NAME_MAX + 2];
    uint8_t out[DNS_WIRE_CAP];
    (void)state;
    for (size_t len = 1; len <= DNS_NAME_MAX; len++) {
        for (size_t i = 0; i < len; i++)
            name[i] = i % 32 == 31 && i + 1 < len ? '.' : 'x';
        const size_t written = dns_wire_question(slice_of(name, len), DNS_TYPE_A, 1, out);
        assert_true(written > 2 && (written - 2) % DNS_WIRE_BLOCK == 0);
        assert_int_equal((size_t)out[0] << 8 | out[1], written - 2);
    }
}

static void test_what_is_no_name_gives_no_bytes(void **state)
{
    static const char *const names[] = {
        "",
        ".",
        "a..test",
        ".test",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.test", // a label of 64
    };
    char longest[DNS_NAME_MAX + 1];
    uint8_t out[DNS_WIRE_CAP];
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(dns_wire_question(slice_of_string(names[i]), DNS_TYPE_A, 1, out), 0);
    for (size_t i = 0; i < sizeof longest; i++)
        longest[i] = i % 2 == 1 ? '.' : 'x';
    assert_int_equal(dns_wire_question(slice_of(longest, sizeof longest), DNS_TYPE_A, 1, out), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_question_has_its_parts_in_their_places),
        cmocka_unit_test(test_every_length_of_a_name_is_padded_to_whole_blocks),
        cmocka_unit_test(test_what_is_no_name_gives_no_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
