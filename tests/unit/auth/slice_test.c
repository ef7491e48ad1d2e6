// Borrowed bytes: compare, cut, search, copy.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "auth/base/slice.h"

static const struct slice nothing = {NULL, 0};

static void equal_means_the_same_bytes(void **state)
{
    (void)state;
    assert_true(slice_equal(SLICE_LITERAL("abc"), slice_of_string("abc")));
    assert_true(slice_equal(nothing, SLICE_LITERAL("")));
    assert_true(slice_equal(SLICE_LITERAL("a\0b"), SLICE_LITERAL("a\0b")));
    assert_false(slice_equal(SLICE_LITERAL("a\0b"), SLICE_LITERAL("a\0c")));
    assert_false(slice_equal(SLICE_LITERAL("a\0b"), SLICE_LITERAL("a")));
    assert_false(slice_equal(SLICE_LITERAL("abc"), SLICE_LITERAL("abd")));
    assert_false(slice_equal(SLICE_LITERAL("abc"), SLICE_LITERAL("ab")));
    assert_false(slice_equal(SLICE_LITERAL("abc"), SLICE_LITERAL("ABC")));
    assert_false(slice_equal(SLICE_LITERAL("abc"), nothing));
}

static void case_is_ignored_for_ascii_letters_only(void **state)
{
    (void)state;
    assert_true(slice_equal_ignore_case(SLICE_LITERAL("aBz"), SLICE_LITERAL("AbZ")));
    assert_true(slice_equal_ignore_case(nothing, nothing));
    assert_false(slice_equal_ignore_case(SLICE_LITERAL("@"), SLICE_LITERAL("`")));
    assert_false(slice_equal_ignore_case(SLICE_LITERAL("["), SLICE_LITERAL("{")));
    assert_false(slice_equal_ignore_case(SLICE_LITERAL("\xC3\x84"), SLICE_LITERAL("\xC3\xA4")));
    assert_false(slice_equal_ignore_case(SLICE_LITERAL("ab"), SLICE_LITERAL("abc")));
    for (unsigned byte = 0; byte < 256; byte++) {
        const bool is_upper = byte >= 'A' && byte <= 'Z';
        assert_int_equal(is_upper ? byte + 32 : byte, ascii_lower((uint8_t)byte));
    }
}

static void finds_beginnings_and_ends(void **state)
{
    (void)state;
    const struct slice s = SLICE_LITERAL("example");
    assert_true(slice_starts_with(s, SLICE_LITERAL("exam")));
    assert_true(slice_starts_with(s, s));
    assert_true(slice_starts_with(s, nothing));
    assert_true(slice_starts_with(nothing, nothing));
    assert_false(slice_starts_with(s, SLICE_LITERAL("examples")));
    assert_false(slice_starts_with(s, SLICE_LITERAL("xam")));
    assert_false(slice_starts_with(nothing, s));
    assert_true(slice_ends_with(s, SLICE_LITERAL("ple")));
    assert_true(slice_ends_with(s, s));
    assert_true(slice_ends_with(s, nothing));
    assert_false(slice_ends_with(s, SLICE_LITERAL("an example")));
    assert_false(slice_ends_with(s, SLICE_LITERAL("pl")));
    assert_false(slice_ends_with(nothing, s));
}

static void cuts_never_reach_outside(void **state)
{
    (void)state;
    const struct slice s = SLICE_LITERAL("abc");
    assert_true(slice_equal(SLICE_LITERAL("bc"), slice_from(s, 1)));
    assert_true(slice_equal(s, slice_from(s, 0)));
    assert_int_equal(0, slice_from(s, 3).len);
    assert_int_equal(0, slice_from(s, SIZE_MAX).len);
    assert_int_equal(0, slice_from(nothing, 1).len);
    assert_true(slice_equal(SLICE_LITERAL("ab"), slice_first(s, 2)));
    assert_true(slice_equal(s, slice_first(s, SIZE_MAX)));
    assert_int_equal(0, slice_first(s, 0).len);
    assert_int_equal(0, slice_first(nothing, 9).len);
}

static void find_gives_the_first_place_or_the_length(void **state)
{
    (void)state;
    assert_int_equal(1, slice_find(SLICE_LITERAL("a:b:c"), ':'));
    assert_int_equal(0, slice_find(SLICE_LITERAL(":"), ':'));
    assert_int_equal(3, slice_find(SLICE_LITERAL("abc"), ':'));
    assert_int_equal(1, slice_find(SLICE_LITERAL("a\0b"), '\0'));
    assert_int_equal(0, slice_find(nothing, ':'));
    assert_int_equal(2, slice_find(slice_of("ab:", 2), ':'));
}

static void copies_fit_or_do_not_happen(void **state)
{
    (void)state;
    char room[4] = "xxx";
    assert_true(bytes_copy(room, 3, SLICE_LITERAL("abc")));
    assert_string_equal("abc", room);
    assert_false(bytes_copy(room, 2, SLICE_LITERAL("def")));
    assert_string_equal("abc", room);
    assert_true(bytes_copy(room, 0, nothing));

    assert_true(string_copy(room, 4, SLICE_LITERAL("def")));
    assert_string_equal("def", room);
    assert_false(string_copy(room, 3, SLICE_LITERAL("ghi")));
    assert_string_equal("", room);
    assert_true(string_copy(room, 1, nothing));
    assert_string_equal("", room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_means_the_same_bytes),
        cmocka_unit_test(case_is_ignored_for_ascii_letters_only),
        cmocka_unit_test(finds_beginnings_and_ends),
        cmocka_unit_test(cuts_never_reach_outside),
        cmocka_unit_test(find_gives_the_first_place_or_the_length),
        cmocka_unit_test(copies_fit_or_do_not_happen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
