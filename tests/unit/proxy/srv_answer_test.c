// Messages of honest and of hostile servers, read as the answer to the question where a service is.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/net/dns_answer.h"
#include "tests/unit/proxy/dns_message.h"

#define NAME "_proxy._tcp.example"

enum { FLAGS = 0x8180, NXDOMAIN = 3, SERVFAIL = 2 };

static struct dns_message message;

static enum err parse_first(size_t len, struct srv_list *places, struct dns_answer *out)
{
    uint8_t *copy = malloc(len + 1); // of its own, so that reading one byte too far is seen
    assert_non_null(copy);
    assert_true(bytes_copy(copy, len, slice_first(dns_slice(&message), len)));
    const enum err error = srv_answer_parse(slice_of(copy, len), SLICE_LITERAL(NAME), places, out);
    free(copy);
    return error;
}

static enum err parse(struct srv_list *places, struct dns_answer *out)
{
    return parse_first(message.len, places, out);
}

static void begin(unsigned rcode)
{
    dns_begin(&message, NAME, DNS_TYPE_SRV, FLAGS | rcode);
}

static void assert_place(const struct srv_place *place, const char *name, unsigned port,
                         unsigned priority, unsigned weight)
{
    assert_int_equal(place->target.kind, TARGET_NAME);
    assert_string_equal(place->target.name.text, name);
    assert_int_equal(place->target.port, port);
    assert_int_equal(place->rank.priority, priority);
    assert_int_equal(place->rank.weight, weight);
}

static void places_are_taken_with_the_shortest_ttl(void **state)
{
    (void)state;
    struct srv_list places;
    struct dns_answer answer;
    begin(0);
    dns_put_srv(&message, NAME, 300, 20, 5, 8443, "B.Example");
    dns_put_srv(&message, NAME, 60, 10, 0, 443, "a.example");
    assert_int_equal(parse(&places, &answer), ERR_OK);
    assert_int_equal(answer.result, RESOLVE_OK);
    assert_int_equal(answer.ttl_s, 60);
    assert_ptr_equal(answer.places, &places);
    assert_int_equal(answer.count, 0);
    assert_int_equal(places.count, 2);
    assert_place(&places.places[0], "a.example", 443, 10, 0);
    assert_place(&places.places[1], "b.example", 8443, 20, 5);
}

static void the_name_of_a_service_may_be_an_alias(void **state)
{
    (void)state;
    struct srv_list places;
    struct dns_answer answer;
    begin(0);
    dns_put_cname(&message, NAME, 30, "_proxy._tcp.host.example");
    dns_put_srv(&message, "_proxy._tcp.host.example", 60, 1, 1, 443, "a.example");
    dns_put_srv(&message, "_proxy._tcp.other.example", 10, 1, 1, 443, "evil.example");
    dns_put_a(&message, "a.example", 10, 1);
    assert_int_equal(parse(&places, &answer), ERR_OK);
    assert_int_equal(answer.ttl_s, 30);
    assert_int_equal(places.count, 1);
    assert_place(&places.places[0], "a.example", 443, 1, 1);
}

static void a_root_alone_says_that_there_is_no_service(void **state)
{
    (void)state;
    struct srv_list places;
    struct dns_answer answer;
    begin(0);
    dns_put_srv(&message, NAME, 300, 0, 0, 0, "");
    assert_int_equal(parse(&places, &answer), ERR_OK);
    assert_int_equal(answer.result, RESOLVE_OK);
    assert_int_equal(answer.ttl_s, 300);
    assert_true(places.is_unavailable);
    assert_int_equal(places.count, 0);
    dns_put_srv(&message, NAME, 300, 0, 0, 1, "a.example"); // both: the root says nothing
    assert_int_equal(parse(&places, &answer), ERR_OK);
    assert_false(places.is_unavailable);
    assert_int_equal(places.count, 1);
}

static void what_is_no_place_is_passed_by(void **state)
{
    (void)state;
    struct srv_list places;
    struct dns_answer answer;
    begin(0);
    dns_put_srv(&message, NAME, 60, 1, 1, 0, "zero.example");
    dns_put_srv(&message, NAME, 60, 1, 1, 443, "192.0.2.1");
    dns_put_srv_raw(&message, NAME, 60, 1, 1, 443, SLICE_LITERAL("\3a b\7example\0"));
    dns_put_srv_raw(&message, NAME, 60, 1, 1, 443, SLICE_LITERAL("\3a.b\7example\0"));
    dns_put_srv_raw(&message, NAME, 60, 1, 1, 443, SLICE_LITERAL("\1\0\7example\0"));
    assert_int_equal(parse(&places, &answer), ERR_OK);
    assert_int_equal(answer.result, RESOLVE_NO_DATA);
    assert_null(answer.places);
    assert_int_equal(places.count, 0);
    dns_put_srv(&message, NAME, 60, 1, 1, 443, "a.example");
    assert_int_equal(parse(&places, &answer), ERR_OK);
    assert_int_equal(places.count, 1);
}

static void no_and_a_failure_are_told_apart(void **state)
{
    (void)state;
    struct srv_list places;
    struct dns_answer answer;
    begin(NXDOMAIN);
    dns_put_soa(&message, 300, 20);
    assert_int_equal(parse(&places, &answer), ERR_OK);
    assert_int_equal(answer.result, RESOLVE_NOT_FOUND);
    assert_int_equal(answer.ttl_s, 20);
    begin(SERVFAIL);
    assert_int_equal(parse(&places, &answer), ERR_OK);
    assert_int_equal(answer.result, RESOLVE_FAILED);
    dns_begin(&message, NAME, DNS_TYPE_A, FLAGS);
    assert_int_equal(parse(&places, &answer), ERR_INPUT);
    assert_int_equal(places.count, 0);
}

static void a_record_that_is_cut_or_too_long_is_refused(void **state)
{
    (void)state;
    struct srv_list places;
    struct dns_answer answer;
    begin(0);
    dns_put_srv(&message, NAME, 60, 1, 1, 443, "a.example");
    for (size_t len = 0; len < message.len; len++)
        assert_int_equal(parse_first(len, &places, &answer), ERR_INPUT);
    begin(0);
    dns_put_srv_raw(&message, NAME, 60, 1, 1, 443, SLICE_LITERAL("\1a\0more"));
    assert_int_equal(parse(&places, &answer), ERR_INPUT);
    begin(0);
    dns_put_srv_raw(&message, NAME, 60, 1, 1, 443, SLICE_LITERAL("\1a"));
    assert_int_equal(parse(&places, &answer), ERR_INPUT);
}

static void of_many_places_the_best_are_kept(void **state)
{
    (void)state;
    struct srv_list places;
    struct dns_answer answer;
    begin(0);
    for (unsigned i = 0; i < 200; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "h%u.example", i);
        dns_put_srv(&message, NAME, 60, 1000 - i, 1, 443, name);
    }
    assert_int_equal(parse(&places, &answer), ERR_OK);
    assert_int_equal(places.count, SRV_PLACES_MAX);
    for (size_t i = 0; i < SRV_PLACES_MAX; i++)
        assert_int_equal(places.places[i].rank.priority, 801 + i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_taken_with_the_shortest_ttl),
        cmocka_unit_test(the_name_of_a_service_may_be_an_alias),
        cmocka_unit_test(a_root_alone_says_that_there_is_no_service),
        cmocka_unit_test(what_is_no_place_is_passed_by),
        cmocka_unit_test(no_and_a_failure_are_told_apart),
        cmocka_unit_test(a_record_that_is_cut_or_too_long_is_refused),
        cmocka_unit_test(of_many_places_the_best_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
