// The store's answer about orders: what cannot be true is no answer.
#include "proxy/fleet/fleet_order_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

// parse reads an answer as it comes.
static enum err parse(const char *bytes, struct resp **answer, struct fleet_order_list *out)
{
    struct resp_reader *reader = resp_reader_create();
    const char *why = NULL;
    assert_non_null(reader);
    resp_reader_feed(reader, slice_of_string(bytes));
    assert_int_equal(resp_reader_next(reader, answer, &why), RESP_OK);
    resp_reader_destroy(reader);
    return fleet_order_list_parse(*answer, out);
}

static void reads_numbers_and_orders(void **state)
{
    (void)state;
    struct resp *answer = NULL;
    struct fleet_order_list list;
    assert_int_equal(parse("*4\r\n:7\r\n:9\r\n$3\r\none\r\n$0\r\n\r\n", &answer, &list), ERR_OK);
    assert_int_equal(list.given, 7);
    assert_int_equal(list.last, 9);
    assert_int_equal(list.count, 2);
    assert_true(slice_equal(list.items[0].text, SLICE_LITERAL("one")));
    assert_int_equal(list.items[1].text.len, 0);
    resp_free(answer);
    assert_int_equal(parse("*2\r\n:0\r\n:0\r\n", &answer, &list), ERR_OK);
    assert_int_equal(list.count, 0);
    resp_free(answer);
}

static void refuses_what_cannot_be_true(void **state)
{
    (void)state;
    static const char *const answers[] = {
        ":1\r\n",
        "$-1\r\n",
        "-ERR no\r\n",
        "*0\r\n",
        "*1\r\n:1\r\n",
        "*2\r\n:2\r\n:1\r\n", // more is given than there is
        "*2\r\n:-1\r\n:1\r\n",
        "*2\r\n$1\r\nx\r\n:1\r\n",
        "*3\r\n:1\r\n:1\r\n:1\r\n",
        "*3\r\n:1\r\n:1\r\n$-1\r\n",
        "*3\r\n:1\r\n:1\r\n*0\r\n",
    };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct resp *answer = NULL;
        struct fleet_order_list list = {.count = 1};
        assert_int_equal(parse(answers[i], &answer, &list), ERR_INPUT);
        assert_int_equal(list.count, 0);
        resp_free(answer);
    }
}

static void refuses_more_orders_than_are_kept(void **state)
{
    (void)state;
    char bytes[4096];
    int len = snprintf(bytes, sizeof bytes, "*%d\r\n:1\r\n:1\r\n", FLEET_ORDERS_KEPT + 3);
    for (int i = 0; i <= FLEET_ORDERS_KEPT; i++)
        len += snprintf(bytes + len, sizeof bytes - (size_t)len, "$1\r\nx\r\n");
    struct resp *answer = NULL;
    struct fleet_order_list list;
    assert_int_equal(parse(bytes, &answer, &list), ERR_INPUT);
    resp_free(answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_numbers_and_orders),
        cmocka_unit_test(refuses_what_cannot_be_true),
        cmocka_unit_test(refuses_more_orders_than_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
