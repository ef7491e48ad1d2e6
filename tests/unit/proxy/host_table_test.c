// Names that are known without DNS.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/net/host_table.h"

#define V4(last)                                                                                   \
    {                                                                                              \
        .family = IP_V4, .bytes = { 10, 0, 0, last }                                               \
    }

static const struct host_entry entries[] = {
    {"db.example", V4(3)},     {"a.example", V4(9)}, {"db.example", V4(1)},
    {"db.example.org", V4(5)}, {"db", V4(7)},        {"db.example", V4(2)},
};

static void every_name_has_its_addresses_in_their_order(void **state)
{
    (void)state;
    struct host_table *table = host_table_create(entries, 6);
    size_t count = 0;
    const struct host_entry *found = host_table_find(table, SLICE_LITERAL("db.example"), &count);
    assert_int_equal(count, 3);
    assert_int_equal(found[0].address.bytes[3], 3);
    assert_int_equal(found[1].address.bytes[3], 1);
    assert_int_equal(found[2].address.bytes[3], 2);
    found = host_table_find(table, SLICE_LITERAL("db.example.org"), &count);
    assert_int_equal(count, 1);
    assert_int_equal(found[0].address.bytes[3], 5);
    assert_non_null(host_table_find(table, SLICE_LITERAL("db"), &count));
    assert_non_null(host_table_find(table, SLICE_LITERAL("a.example"), &count));
    host_table_unref(table);
}

static void other_names_are_not_there(void **state)
{
    (void)state;
    static const char *const names[] = {"d",  "db.", "db.exampl", "db.examplf", "db.example.o",
                                        "zz", "",    "DB",        "x.db"};
    struct host_table *table = host_table_create(entries, 6);
    struct host_table *empty = host_table_create(NULL, 0);
    size_t count = 1;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_null(host_table_find(table, slice_of_string(names[i]), &count));
        assert_int_equal(count, 0);
        assert_null(host_table_find(empty, slice_of_string(names[i]), &count));
        assert_null(host_table_find(NULL, slice_of_string(names[i]), &count));
    }
    host_table_unref(table);
    host_table_unref(empty);
    host_table_unref(NULL);
}

static void tables_are_equal_that_give_the_same_answers(void **state)
{
    (void)state;
    struct host_table *table = host_table_create(entries, 6);
    struct host_table *same = host_table_create(entries, 6);
    struct host_table *shorter = host_table_create(entries, 5);
    const struct host_entry others[] = {entries[0], entries[1], entries[2],
                                        entries[3], entries[5], {"db", V4(8)}};
    struct host_table *other = host_table_create(others, 6);
    struct host_table *empty = host_table_create(NULL, 0);
    assert_true(host_table_equal(table, same));
    assert_false(host_table_equal(table, shorter));
    assert_false(host_table_equal(table, other));
    assert_false(host_table_equal(NULL, table));
    assert_true(host_table_equal(NULL, empty));
    host_table_unref(other);
    host_table_unref(shorter);
    host_table_unref(same);
    host_table_unref(empty);
    assert_ptr_equal(host_table_ref(table), table);
    host_table_unref(table);
    host_table_unref(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_name_has_its_addresses_in_their_order),
        cmocka_unit_test(other_names_are_not_there),
        cmocka_unit_test(tables_are_equal_that_give_the_same_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
