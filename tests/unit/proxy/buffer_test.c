// Buffers and the pool that lends them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/net/buffer.h"

static void a_lent_buffer_is_empty_even_when_used_before(void **state)
{
    (void)state;
    struct buffer_pool pool = {0};
    struct buffer *buffer = buffer_pool_take(&pool);
    assert_non_null(buffer);
    assert_int_equal(buffer_len(buffer), 0);
    assert_int_equal(buffer_room(buffer), BUFFER_CAP);
    assert_true(buffer_append(buffer, SLICE_LITERAL("secret")));
    struct buffer *const first = buffer;
    buffer_pool_give(&pool, &buffer);
    assert_null(buffer);
    buffer = buffer_pool_take(&pool);
    assert_ptr_equal(buffer, first);
    assert_int_equal(buffer_len(buffer), 0);
    assert_int_equal(buffer_room(buffer), BUFFER_CAP);
    buffer_pool_give(&pool, &buffer);
    buffer_pool_deinit(&pool);
}

static void the_pool_counts_what_is_lent_and_keeps_only_so_many(void **state)
{
    (void)state;
    struct buffer_pool pool = {0};
    struct buffer *buffers[BUFFER_POOL_KEEP + 3];
    for (size_t i = 0; i < BUFFER_POOL_KEEP + 3; i++) {
        buffers[i] = buffer_pool_take(&pool);
        assert_non_null(buffers[i]);
        assert_int_equal(pool.buffers.lent_count, i + 1);
    }
    for (size_t i = 0; i < BUFFER_POOL_KEEP + 3; i++)
        buffer_pool_give(&pool, &buffers[i]);
    assert_int_equal(pool.buffers.lent_count, 0);
    assert_int_equal(pool.buffers.spare_count, BUFFER_POOL_KEEP);
    buffer_pool_deinit(&pool);
    assert_int_equal(pool.buffers.spare_count, 0);
}

static void a_trimmed_pool_keeps_so_many(void **state)
{
    (void)state;
    enum { LENT = BUFFER_POOL_FEW + 3 };
    struct buffer_pool pool = {0};
    struct buffer *buffers[LENT];
    for (size_t i = 0; i < LENT; i++)
        buffers[i] = buffer_pool_take(&pool);
    buffer_pool_trim(&pool, BUFFER_POOL_FEW); // what is lent stays
    assert_int_equal(pool.buffers.lent_count, LENT);
    for (size_t i = 0; i < LENT; i++)
        buffer_pool_give(&pool, &buffers[i]);
    assert_int_equal(pool.buffers.spare_count, LENT);
    buffer_pool_trim(&pool, BUFFER_POOL_FEW);
    assert_int_equal(pool.buffers.spare_count, BUFFER_POOL_FEW);
    buffer_pool_trim(&pool, BUFFER_POOL_FEW);
    assert_int_equal(pool.buffers.spare_count, BUFFER_POOL_FEW);
    buffer_pool_trim(&pool, 0);
    assert_int_equal(pool.buffers.spare_count, 0);
    buffer_pool_deinit(&pool);
    assert_int_equal(pool.buffers.spare_count, 0);
}

static void giving_nothing_back_is_allowed(void **state)
{
    (void)state;
    struct buffer_pool pool = {0};
    struct buffer *none = NULL;
    buffer_pool_give(&pool, &none);
    buffer_pool_give_if_empty(&pool, &none);
    assert_int_equal(pool.buffers.lent_count, 0);
    assert_int_equal(buffer_len(NULL), 0);
    assert_int_equal(buffer_unread(NULL).len, 0);
    buffer_pool_deinit(&pool);
}

static void only_an_empty_buffer_is_given_back_if_empty(void **state)
{
    (void)state;
    struct buffer_pool pool = {0};
    struct buffer *buffer = buffer_pool_take(&pool);
    assert_true(buffer_append(buffer, SLICE_LITERAL("ab")));
    buffer_pool_give_if_empty(&pool, &buffer);
    assert_non_null(buffer);
    buffer_consume(buffer, 1);
    buffer_pool_give_if_empty(&pool, &buffer);
    assert_non_null(buffer);
    buffer_consume(buffer, 1);
    buffer_pool_give_if_empty(&pool, &buffer);
    assert_null(buffer);
    assert_int_equal(pool.buffers.lent_count, 0);
    buffer_pool_deinit(&pool);
}

static void bytes_come_out_in_order(void **state)
{
    (void)state;
    struct buffer_pool pool = {0};
    struct buffer *buffer = buffer_pool_take(&pool);
    assert_true(buffer_append(buffer, SLICE_LITERAL("abc")));
    buffer->data[buffer->end] = 'd';
    buffer_produce(buffer, 1);
    assert_true(slice_equal(buffer_unread(buffer), SLICE_LITERAL("abcd")));
    buffer_consume(buffer, 2);
    assert_true(slice_equal(buffer_unread(buffer), SLICE_LITERAL("cd")));
    assert_true(buffer_append(buffer, SLICE_LITERAL("e")));
    assert_true(slice_equal(buffer_unread(buffer), SLICE_LITERAL("cde")));
    buffer_consume(buffer, 3);
    assert_int_equal(buffer_room(buffer), BUFFER_CAP); // all read: all room again
    buffer_pool_give(&pool, &buffer);
    buffer_pool_deinit(&pool);
}

static void appending_is_all_or_nothing(void **state)
{
    (void)state;
    struct buffer_pool pool = {0};
    struct buffer *buffer = buffer_pool_take(&pool);
    uint8_t *large = calloc(1, BUFFER_CAP + 1);
    assert_non_null(large);
    assert_false(buffer_append(buffer, slice_of(large, BUFFER_CAP + 1)));
    assert_int_equal(buffer_len(buffer), 0);
    assert_true(buffer_append(buffer, slice_of(large, BUFFER_CAP - 1)));
    assert_false(buffer_append(buffer, SLICE_LITERAL("ab")));
    assert_int_equal(buffer_len(buffer), BUFFER_CAP - 1);
    assert_true(buffer_append(buffer, SLICE_LITERAL("a")));
    assert_int_equal(buffer_room(buffer), 0);
    assert_false(buffer_append(buffer, SLICE_LITERAL("a")));
    assert_true(buffer_append(buffer, (struct slice){0}));
    free(large);
    buffer_pool_give(&pool, &buffer);
    buffer_pool_deinit(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lent_buffer_is_empty_even_when_used_before),
        cmocka_unit_test(the_pool_counts_what_is_lent_and_keeps_only_so_many),
        cmocka_unit_test(a_trimmed_pool_keeps_so_many),
        cmocka_unit_test(giving_nothing_back_is_allowed),
        cmocka_unit_test(only_an_empty_buffer_is_given_back_if_empty),
        cmocka_unit_test(bytes_come_out_in_order),
        cmocka_unit_test(appending_is_all_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
