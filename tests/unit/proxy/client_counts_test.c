// What clients have done stays with their names over changes of the configuration.
#include "proxy/session/client_counts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
// cmocka wants the four above first
#include <cmocka.h>

enum { MANY = 1000 };

static void a_client_is_found_by_its_place_and_by_its_name(void **state)
{
    (void)state;
    static const struct client clients[] = {{.name = "a"}, {.name = "b"}, {.name = "c"}};
    static const struct client others[] = {{.name = "b"}, {.name = "x"}};
    const struct policy policy = {.clients = clients, .client_count = 3};
    struct client_counts table = {0};
    assert_null(client_counts_find(&table, &clients[0]));
    client_counts_adopt(&table, &policy);
    for (size_t i = 0; i < 3; i++)
        assert_ptr_equal(client_counts_find(&table, &clients[i]), &table.counts[i]);
    assert_ptr_equal(client_counts_find(&table, &others[0]), &table.counts[1]);
    assert_null(client_counts_find(&table, &others[1]));
    assert_null(client_counts_find(&table, NULL));
    client_counts_deinit(&table);
}

static void counts_go_on_over_a_change_and_begin_anew_for_who_comes(void **state)
{
    (void)state;
    static const struct client before[] = {{.name = "gone"}, {.name = "stays"}};
    static const struct client after[] = {{.name = "new"}, {.name = "stays"}, {.name = "newer"}};
    const struct policy first = {.clients = before, .client_count = 2};
    const struct policy second = {.clients = after, .client_count = 3};
    struct client_counts table = {0};
    client_counts_adopt(&table, &first);
    client_counts_find(&table, &before[0])->bytes_up = 5;
    client_counts_find(&table, &before[1])->bytes_up = 7;
    client_counts_find(&table, &before[1])->decided[ACTION_DENY] = 9;
    client_counts_adopt(&table, &second);
    assert_int_equal(table.count, 3);
    assert_int_equal(client_counts_find(&table, &after[0])->bytes_up, 0);
    assert_int_equal(client_counts_find(&table, &after[1])->bytes_up, 7);
    assert_int_equal(client_counts_find(&table, &after[1])->decided[ACTION_DENY], 9);
    // A request that was judged under the old configuration counts for the client that still has its name.
    assert_ptr_equal(client_counts_find(&table, &before[1]), client_counts_find(&table, &after[1]));
    assert_null(client_counts_find(&table, &before[0]));
    client_counts_adopt(&table, NULL);
    assert_int_equal(table.count, 0);
    assert_null(client_counts_find(&table, &after[1]));
    client_counts_deinit(&table);
}

static void many_clients_keep_their_places(void **state)
{
    (void)state;
    static struct client before[MANY];
    static struct client after[MANY];
    static char names[MANY][16];
    for (size_t i = 0; i < MANY; i++) {
        (void)snprintf(names[i], sizeof names[i], "client-%zu", i);
        before[i].name = names[i];
        after[MANY - 1 - i].name = names[i];
    }
    const struct policy first = {.clients = before, .client_count = MANY};
    const struct policy second = {.clients = after, .client_count = MANY};
    struct client_counts table = {0};
    client_counts_adopt(&table, &first);
    for (size_t i = 0; i < MANY; i++)
        client_counts_find(&table, &before[i])->bytes_down = i;
    client_counts_adopt(&table, &second);
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(client_counts_find(&table, &before[i])->bytes_down, i);
    client_counts_deinit(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_is_found_by_its_place_and_by_its_name),
        cmocka_unit_test(counts_go_on_over_a_change_and_begin_anew_for_who_comes),
        cmocka_unit_test(many_clients_keep_their_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
