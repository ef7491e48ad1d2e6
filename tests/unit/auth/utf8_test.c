// Which characters are not seen. What is no UTF-8 is in text_test.c.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "auth/base/utf8.h"

// encode writes one character (RFC 3629, 3).
static struct slice encode(uint32_t code, uint8_t out[4])
{
    static const uint8_t leads[] = {0, 0, 0xC0, 0xE0, 0xF0};
    const size_t len = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = len; i-- > 1; code >>= 6)
        out[i] = (uint8_t)(0x80 | (code & 0x3F));
    out[0] = (uint8_t)(leads[len] | code);
    return slice_of(out, len);
}

static void a_number_and_its_bytes_are_the_same_character(void **state)
{
    (void)state;
    for (uint32_t code = 0; code <= 0x10FFFF; code++) {
        uint8_t bytes[4];
        const struct slice character = encode(code, bytes);
        if (code >= 0xD800 && code <= 0xDFFF) {
            assert_int_equal(utf8_length(character), 0); // a surrogate
            continue;
        }
        assert_int_equal(utf8_length(character), character.len);
        assert_int_equal(utf8_code_point(character), code);
    }
}

static bool is_unseen(uint32_t code)
{
    uint8_t bytes[4];
    return utf8_is_unseen(encode(code, bytes));
}

static void controls_marks_and_separators_are_not_seen(void **state)
{
    (void)state;
    static const uint32_t hidden[] = {
        0,      '\t',   0x1B,   0x7F,   0x80,    0x9F,    0xAD,    0x600,   0x61C,   0x180E,
        0x200B, 0x200E, 0x200F, 0x2028, 0x2029,  0x202A,  0x202E,  0x2060,  0x2066,  0x2069,
        0x206F, 0xFEFF, 0xFFF9, 0xFFFB, 0x110BD, 0x1343F, 0x1D173, 0xE0001, 0xE0020, 0xE007F,
    };
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++) {
        if (!is_unseen(hidden[i]))
            fail_msg("U+%04X is seen", (unsigned)hidden[i]);
    }
}

static void everything_else_is_seen(void **state)
{
    (void)state;
    static const uint32_t shown[] = {
        ' ',    '~',    0xA0,   0xAC,        0xAE,    0xE9,    0x5D0,   0x606,   0x627,   0x180D,
        0x200A, 0x2010, 0x2027, 0x202F,      0x205F,  0x2070,  0x20AC,  0x4E2D,  0xFEFE,  0xFF01,
        0xFFF8, 0xFFFC, 0xFFFD, 0x1343F + 1, 0x1D172, 0x1D17B, 0x1F600, 0xDFFFF, 0xE1000, 0x10FFFF,
    };
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
        if (is_unseen(shown[i]))
            fail_msg("U+%04X is not seen", (unsigned)shown[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_and_its_bytes_are_the_same_character),
        cmocka_unit_test(controls_marks_and_separators_are_not_seen),
        cmocka_unit_test(everything_else_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
