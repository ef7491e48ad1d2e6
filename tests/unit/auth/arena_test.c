// The arena: zeroed, aligned, apart from each other, and bounded against overflow.
#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "auth/base/arena.h"

static void pieces_are_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    enum { PIECES = 3000 };
    static uint8_t *pieces[PIECES];
    struct arena *arena = arena_create();
    assert_non_null(arena);
    for (size_t i = 0; i < PIECES; i++) {
        const size_t len = i % 97;
        pieces[i] = arena_alloc(arena, len, 1);
        assert_non_null(pieces[i]);
        assert_int_equal(0, (uintptr_t)pieces[i] % alignof(max_align_t));
        for (size_t k = 0; k < len; k++) {
            assert_int_equal(0, pieces[i][k]);
            pieces[i][k] = (uint8_t)i;
        }
    }
    for (size_t i = 0; i < PIECES; i++) {
        for (size_t k = 0; k < i % 97; k++)
            assert_int_equal((uint8_t)i, pieces[i][k]);
    }
    arena_destroy(arena);
}

static void a_piece_may_be_larger_than_any_block(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    assert_non_null(arena);
    assert_int_equal(0, arena_size(arena));
    char *large = arena_alloc(arena, 5, 1 << 20);
    assert_non_null(large);
    large[0] = 1;
    large[(5 << 20) - 1] = 1;
    assert_in_range(arena_size(arena), 5 << 20, (5 << 20) + 4096);
    assert_non_null(arena_alloc(arena, 16, 1));
    arena_destroy(arena);
}

static void impossible_sizes_are_refused(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    assert_non_null(arena);
    assert_null(arena_alloc(arena, SIZE_MAX, 2));
    assert_null(arena_alloc(arena, SIZE_MAX / 2 + 1, 2));
    assert_null(arena_alloc(arena, SIZE_MAX, 1));
    assert_null(arena_alloc(arena, SIZE_MAX - 1, 1));
    assert_null(arena_copy_string(arena, slice_of("x", SIZE_MAX)));
    assert_non_null(arena_alloc(arena, 1, 1)); // still good for what is possible
    arena_destroy(arena);
}

static void no_elements_give_a_valid_pointer(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    assert_non_null(arena);
    assert_non_null(arena_alloc(arena, 0, 100));
    assert_non_null(arena_alloc(arena, 100, 0));
    arena_destroy(arena);
}

static void strings_are_copied_with_a_nul_behind(void **state)
{
    (void)state;
    struct arena *arena = arena_create();
    assert_non_null(arena);
    char source[] = "abcdef";
    const char *copy = arena_copy_string(arena, slice_of(source, 3));
    const char *empty = arena_copy_string(arena, (struct slice){0});
    source[0] = 'x';
    assert_string_equal("abc", copy);
    assert_string_equal("", empty);
    arena_destroy(arena);
}

static void destroying_no_arena_does_nothing(void **state)
{
    (void)state;
    arena_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_zeroed_aligned_and_apart),
        cmocka_unit_test(a_piece_may_be_larger_than_any_block),
        cmocka_unit_test(impossible_sizes_are_refused),
        cmocka_unit_test(no_elements_give_a_valid_pointer),
        cmocka_unit_test(strings_are_copied_with_a_nul_behind),
        cmocka_unit_test(destroying_no_arena_does_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
