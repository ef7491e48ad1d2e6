// What is known of a DNS server: numbers that rise, and the last words about it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/net/resolver_options.h"

static struct dns_standing_view look(struct dns_standing *standing)
{
    struct dns_standing_view view;
    dns_standing_look(standing, &view);
    return view;
}

static void questions_are_counted_by_what_came_of_them(void **state)
{
    (void)state;
    struct dns_standing *standing = dns_standing_create();
    assert_non_null(standing);
    for (size_t i = 0; i < 5; i++)
        dns_standing_note_asked(standing);
    dns_standing_note_failed(standing, "servfail", false);
    assert_false(look(standing).is_down); // the name's fault
    dns_standing_note_failed(standing, "no_answer", true);
    assert_true(look(standing).is_down);
    dns_standing_note_answered(standing);
    const struct dns_standing_view view = look(standing);
    assert_int_equal(view.asked, 5);
    assert_int_equal(view.answered, 1);
    assert_int_equal(view.failed, 2);
    assert_false(view.is_down);
    assert_string_equal(view.problem, "no_answer"); // it is still the last one
    assert_true(view.problem_s > 0);
    dns_standing_unref(standing);
}

static void words_about_the_connection_stay_until_the_next_answer(void **state)
{
    (void)state;
    struct dns_standing *standing = dns_standing_create();
    char words[2 * DNS_PROBLEM_CAP];
    (void)memset(words, 'x', sizeof words);
    words[sizeof words - 1] = '\0';
    dns_standing_say(standing, words);
    dns_standing_note_failed(standing, "nobody_there", true);
    assert_int_equal(strlen(look(standing).problem), DNS_PROBLEM_CAP - 1);
    dns_standing_note_answered(standing);
    dns_standing_note_failed(standing, "nobody_there", true);
    assert_string_equal(look(standing).problem, "nobody_there");
    dns_standing_unref(standing);
}

static void without_one_nothing_is_counted(void **state)
{
    (void)state;
    dns_standing_note_asked(NULL);
    dns_standing_note_answered(NULL);
    dns_standing_note_failed(NULL, "no_answer", true);
    dns_standing_say(NULL, "words");
    dns_standing_unref(dns_standing_ref(NULL));
    assert_int_equal(look(NULL).asked, 0);
    assert_string_equal(look(NULL).problem, "");
}

static struct dns_server server(uint8_t number, uint16_t port)
{
    return (struct dns_server){.address = {.family = IP_V4, .bytes = {192, 0, 2, number}},
                               .port = port,
                               .standing = dns_standing_create()};
}

static void what_is_known_goes_on_with_the_same_server_alone(void **state)
{
    (void)state;
    struct resolver_options before = {.servers = {server(1, 53), server(2, 53)}, .server_count = 2};
    struct resolver_options after = {.servers = {server(2, 53), server(1, 54), server(3, 53)},
                                     .server_count = 3};
    dns_standing_note_asked(before.servers[0].standing);
    dns_standing_note_asked(before.servers[1].standing);
    resolver_options_carry(&after, &before);
    assert_ptr_equal(after.servers[0].standing, before.servers[1].standing);
    assert_int_equal(look(after.servers[1].standing).asked, 0);
    assert_int_equal(look(after.servers[2].standing).asked, 0);
    for (size_t i = 0; i < before.server_count; i++)
        dns_standing_unref(before.servers[i].standing);
    assert_int_equal(look(after.servers[0].standing).asked, 1);
    for (size_t i = 0; i < after.server_count; i++)
        dns_standing_unref(after.servers[i].standing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(questions_are_counted_by_what_came_of_them),
        cmocka_unit_test(words_about_the_connection_stay_until_the_next_answer),
        cmocka_unit_test(without_one_nothing_is_counted),
        cmocka_unit_test(what_is_known_goes_on_with_the_same_server_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
