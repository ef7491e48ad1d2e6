// Messages of honest and of hostile servers, read as the answer to one question.
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

#define NAME "www.example"

enum { FLAGS = 0x8180, TRUNCATED = 0x0200, QUERY = 0x0100, NOTIFY = 0xA000 };

static struct dns_message message;

static enum err parse(struct dns_answer *out)
{
    // An exact copy, so that reading one byte too far is seen.
    uint8_t *copy = malloc(message.len + 1);
    assert_non_null(copy);
    assert_true(bytes_copy(copy, message.len, dns_slice(&message)));
    const enum err error =
        dns_answer_parse(slice_of(copy, message.len), SLICE_LITERAL(NAME), DNS_TYPE_A, out);
    free(copy);
    return error;
}

static void begin(void)
{
    dns_begin(&message, NAME, DNS_TYPE_A, FLAGS);
}

static void assert_result(enum resolve_result result, size_t count, uint32_t ttl_s)
{
    struct dns_answer answer;
    assert_int_equal(parse(&answer), ERR_OK);
    assert_int_equal(answer.result, result);
    assert_int_equal(answer.count, count);
    assert_int_equal(answer.ttl_s, ttl_s);
}

static void assert_refused(void)
{
    struct dns_answer answer;
    assert_int_equal(parse(&answer), ERR_INPUT);
}

static void an_address_is_taken_with_its_ttl(void **state)
{
    (void)state;
    struct dns_answer answer;
    begin();
    dns_put_a(&message, NAME, 300, 7);
    assert_int_equal(parse(&answer), ERR_OK);
    assert_int_equal(answer.result, RESOLVE_OK);
    assert_int_equal(answer.addresses[0].family, IP_V4);
    assert_int_equal(answer.addresses[0].bytes[0], 192);
    assert_int_equal(answer.addresses[0].bytes[3], 7);
    assert_int_equal(answer.ttl_s, 300);
    assert_int_equal(answer.aliases.count, 0);
}

static void the_case_of_names_does_not_matter(void **state)
{
    (void)state;
    dns_begin(&message, "WwW.eXample", DNS_TYPE_A, FLAGS);
    dns_put_a(&message, "wWw.Example", 60, 1);
    assert_result(RESOLVE_OK, 1, 60);
}

static void the_shortest_ttl_of_chain_and_addresses_counts(void **state)
{
    (void)state;
    begin();
    dns_put_cname(&message, NAME, 20, "cdn.example");
    dns_put_a(&message, "cdn.example", 300, 1);
    dns_put_a(&message, "cdn.example", 30, 2);
    assert_result(RESOLVE_OK, 2, 20);
    begin();
    dns_put_a(&message, NAME, 0x80000000, 1); // a negative one is none: RFC 2181 8
    assert_result(RESOLVE_OK, 1, 0);
}

static void a_chain_is_followed_and_written_down(void **state)
{
    (void)state;
    struct dns_answer answer;
    begin();
    dns_put_a(&message, "c.example", 60, 3); // in any order
    dns_put_cname(&message, "b.example", 60, "c.example");
    dns_put_cname(&message, NAME, 60, "b.example");
    assert_int_equal(parse(&answer), ERR_OK);
    assert_int_equal(answer.count, 1);
    assert_int_equal(answer.aliases.count, 2);
    assert_int_equal(answer.aliases.len, 20);
    assert_memory_equal(answer.aliases.text, "b.example\0c.example", 20);
}

static void bytes_that_do_not_belong_into_a_name_are_escaped(void **state)
{
    (void)state;
    static const uint8_t odd[] = {7, 'a', '.', 0, '\n', '"', 0xFF, '\\', 1, 'B', 0};
    struct dns_answer answer;
    begin();
    dns_head(&message, DNS_ANSWERS, NAME, 5, 60, sizeof odd);
    for (size_t i = 0; i < sizeof odd; i++)
        dns_put_u8(&message, odd[i]);
    assert_int_equal(parse(&answer), ERR_OK);
    assert_int_equal(answer.result, RESOLVE_NO_DATA);
    assert_string_equal(answer.aliases.text, "a\\046\\000\\010\\034\\255\\092.b");
}

static void what_belongs_to_other_names_is_not_taken(void **state)
{
    (void)state;
    begin();
    dns_put_a(&message, "evil.example", 60, 1);
    dns_put_a(&message, "example", 60, 2);
    dns_put_a(&message, "www.example.evil", 60, 3);
    assert_result(RESOLVE_NO_DATA, 0, 0);
    begin();
    dns_put_cname(&message, "evil.example", 60, "other.example");
    dns_put_a(&message, "other.example", 60, 1);
    assert_result(RESOLVE_NO_DATA, 0, 0);
    begin(); // an address beside an alias is not the alias's
    dns_put_cname(&message, NAME, 60, "other.example");
    dns_put_a(&message, NAME, 60, 1);
    assert_result(RESOLVE_NO_DATA, 0, 0);
}

static void other_types_classes_and_sections_are_not_taken(void **state)
{
    (void)state;
    begin();
    dns_put_aaaa(&message, NAME, 60, 1);
    dns_head(&message, DNS_ANSWERS, NAME, 16, 60, 4); // a TXT that looks like an address
    dns_put_u32(&message, 0xC0000201);
    assert_result(RESOLVE_NO_DATA, 0, 0);
    begin();
    dns_put_a(&message, NAME, 60, 1);
    message.data[message.len - 11] = 3; // CHAOS
    assert_result(RESOLVE_NO_DATA, 0, 0);
    begin();
    dns_head(&message, DNS_ADDITIONAL, NAME, 1, 60, 4);
    dns_put_u32(&message, 0xC0000201);
    assert_result(RESOLVE_NO_DATA, 0, 0);
}

static void no_is_believed_as_long_as_the_soa_says(void **state)
{
    (void)state;
    static const uint32_t ttls[][3] = {{60, 5, 5}, {3, 900, 3}, {0, 900, 0}, {60, 0, 0}};
    for (size_t i = 0; i < 4; i++) {
        begin();
        dns_put_soa(&message, ttls[i][0], ttls[i][1]);
        assert_result(RESOLVE_NO_DATA, 0, ttls[i][2]);
        dns_begin(&message, NAME, DNS_TYPE_A, FLAGS | 3);
        dns_put_cname(&message, NAME, 60, "gone.example");
        dns_put_soa(&message, ttls[i][0], ttls[i][1]);
        assert_result(RESOLVE_NOT_FOUND, 0, ttls[i][2]);
    }
    begin(); // nobody says: it is not kept at all
    assert_result(RESOLVE_NO_DATA, 0, 0);
    begin(); // one cut short
    dns_put_soa(&message, 60, 60);
    message.data[message.len - 24] = 7;
    assert_result(RESOLVE_NO_DATA, 0, 0);
}

static void a_name_that_does_not_exist_has_no_addresses(void **state)
{
    (void)state;
    dns_begin(&message, NAME, DNS_TYPE_A, FLAGS | 3);
    dns_put_a(&message, NAME, 60, 1);
    assert_result(RESOLVE_NOT_FOUND, 0, 0);
}

static void a_servers_failure_is_told_apart(void **state)
{
    (void)state;
    for (unsigned rcode = 1; rcode < 16; rcode++) {
        dns_begin(&message, NAME, DNS_TYPE_A, FLAGS | rcode);
        dns_put_a(&message, NAME, 60, 1);
        if (rcode != 3)
            assert_result(RESOLVE_FAILED, 0, 0);
    }
}

static void an_answer_to_another_question_is_none(void **state)
{
    (void)state;
    static const char *const names[] = {"www.example.evil", "example", "www.examplf", "",
                                        "w.example"};
    for (size_t i = 0; i < 5; i++) {
        dns_begin(&message, names[i], DNS_TYPE_A, FLAGS);
        dns_put_a(&message, NAME, 60, 1);
        assert_refused();
    }
    dns_begin(&message, NAME, DNS_TYPE_AAAA, FLAGS);
    assert_refused();
    begin();
    message.data[message.len - 1] = 3; // another class
    assert_refused();
    begin();
    message.data[5] = 2; // two questions
    assert_refused();
    begin();
    message.data[5] = 0;
    assert_refused();
}

static void only_a_whole_response_is_an_answer(void **state)
{
    (void)state;
    static const unsigned flags[] = {QUERY, FLAGS | TRUNCATED, FLAGS | NOTIFY, 0};
    for (size_t i = 0; i < 4; i++) {
        dns_begin(&message, NAME, DNS_TYPE_A, flags[i]);
        dns_put_a(&message, NAME, 60, 1);
        assert_refused();
    }
}

static void a_message_cut_anywhere_is_refused(void **state)
{
    (void)state;
    begin();
    dns_put_cname(&message, NAME, 60, "cdn.example");
    dns_put_a(&message, "cdn.example", 60, 1);
    for (size_t whole = message.len; message.len > 0;) {
        message.len--;
        assert_true(message.len < whole);
        assert_refused();
    }
}

static void an_address_of_the_wrong_length_is_refused(void **state)
{
    (void)state;
    for (unsigned len = 0; len < 8; len++) {
        begin();
        dns_head(&message, DNS_ANSWERS, NAME, 1, 60, len);
        for (unsigned i = 0; i < len; i++)
            dns_put_u8(&message, 1);
        if (len != 4)
            assert_refused();
    }
}

static void a_chain_without_an_end_is_refused(void **state)
{
    (void)state;
    begin();
    dns_put_cname(&message, NAME, 60, NAME);
    assert_refused();
    begin();
    dns_put_cname(&message, NAME, 60, "b.example");
    dns_put_cname(&message, "b.example", 60, NAME);
    dns_put_a(&message, NAME, 60, 1);
    assert_refused();
}

// chain writes `length` aliases, and an address after the last.
static void chain(unsigned length)
{
    char owner[32] = NAME;
    begin();
    for (unsigned i = 0; i < length; i++) {
        char target[32];
        (void)snprintf(target, sizeof target, "alias%u.example", i);
        dns_put_cname(&message, owner, 60, target);
        (void)string_copy(owner, sizeof owner, slice_of_string(target));
    }
    dns_put_a(&message, owner, 60, 1);
}

static void a_chain_has_twelve_aliases_at_most(void **state)
{
    (void)state;
    chain(DNS_MAX_CHAIN);
    assert_result(RESOLVE_OK, 1, 60);
    chain(DNS_MAX_CHAIN + 1);
    assert_refused();
}

static void aliases_without_room_are_left_out(void **state)
{
    (void)state;
    char owner[256] = NAME;
    struct dns_answer answer;
    begin();
    for (size_t i = 0; i < 5; i++) {
        char target[256];
        memset(target, 'a' + (int)i, 62);
        memset(target + 63, 'x', 62);
        memset(target + 126, 'y', 62);
        target[62] = target[125] = '.';
        target[188] = '\0';
        dns_put_cname(&message, owner, 60, target);
        (void)string_copy(owner, sizeof owner, slice_of_string(target));
    }
    dns_put_a(&message, owner, 60, 1);
    assert_int_equal(parse(&answer), ERR_OK);
    assert_int_equal(answer.count, 1);
    assert_int_equal(answer.aliases.count, 2); // of 189 bytes each, in 512
    assert_int_equal(answer.aliases.len, 2 * 189);
    assert_int_equal(answer.aliases.text[0], 'a');
}

static void thousands_of_addresses_are_cut(void **state)
{
    (void)state;
    struct dns_answer answer;
    begin();
    for (unsigned i = 0; i < 2000; i++)
        dns_put_a(&message, NAME, 60, i / 2); // each of them twice
    assert_int_equal(parse(&answer), ERR_OK);
    assert_int_equal(answer.count, DNS_MAX_ADDRESSES);
    for (unsigned i = 0; i < DNS_MAX_ADDRESSES; i++)
        assert_int_equal(answer.addresses[i].bytes[3], i);
    begin(); // too far after to be found, and not believed to be absent
    for (unsigned i = 0; i < DNS_MAX_RECORDS; i++)
        dns_put_a(&message, "other.example", 60, i);
    dns_put_a(&message, NAME, 60, 1);
    dns_put_soa(&message, 60, 60);
    assert_result(RESOLVE_NO_DATA, 0, 0);
}

static void pointers_lead_backwards_only(void **state)
{
    (void)state;
    // A record whose owner is a pointer: to the question's name; to itself; forward; into the middle.
    static const unsigned targets[] = {12, 29, 40, 16};
    for (size_t i = 0; i < 4; i++) {
        begin();
        assert_int_equal(message.len, 29);
        dns_count(&message, DNS_ANSWERS);
        dns_put_u16(&message, 0xC000 | targets[i]);
        dns_put_u16(&message, DNS_TYPE_A);
        dns_put_u16(&message, 1);
        dns_put_u32(&message, 60);
        dns_put_u16(&message, 4);
        dns_put_u32(&message, 0xC0000201);
        if (i == 0)
            assert_result(RESOLVE_OK, 1, 60);
        else if (i == 3)
            assert_result(RESOLVE_NO_DATA, 0, 0);
        else
            assert_refused();
    }
}

static void a_name_longer_than_a_name_can_be_is_refused(void **state)
{
    (void)state;
    begin();
    dns_count(&message, DNS_ANSWERS);
    for (size_t i = 0; i < 4; i++) {
        dns_put_u8(&message, 63);
        for (size_t j = 0; j < 63; j++)
            dns_put_u8(&message, 'a');
    }
    dns_put_u8(&message, 0);
    for (size_t i = 0; i < 14; i++)
        dns_put_u8(&message, 0);
    assert_refused();
    begin();
    dns_count(&message, DNS_ANSWERS);
    dns_put_u8(&message, 0x80); // a kind of label that does not exist
    for (size_t i = 0; i < 24; i++)
        dns_put_u8(&message, 0);
    assert_refused();
}

static void what_is_no_name_is_never_asked(void **state)
{
    (void)state;
    struct dns_answer answer;
    static const char *const names[] = {"", ".", "a..b", ".a"};
    begin();
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(
            dns_answer_parse(dns_slice(&message), slice_of_string(names[i]), DNS_TYPE_A, &answer),
            ERR_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_taken_with_its_ttl),
        cmocka_unit_test(the_case_of_names_does_not_matter),
        cmocka_unit_test(the_shortest_ttl_of_chain_and_addresses_counts),
        cmocka_unit_test(a_chain_is_followed_and_written_down),
        cmocka_unit_test(bytes_that_do_not_belong_into_a_name_are_escaped),
        cmocka_unit_test(what_belongs_to_other_names_is_not_taken),
        cmocka_unit_test(other_types_classes_and_sections_are_not_taken),
        cmocka_unit_test(no_is_believed_as_long_as_the_soa_says),
        cmocka_unit_test(a_name_that_does_not_exist_has_no_addresses),
        cmocka_unit_test(a_servers_failure_is_told_apart),
        cmocka_unit_test(an_answer_to_another_question_is_none),
        cmocka_unit_test(only_a_whole_response_is_an_answer),
        cmocka_unit_test(a_message_cut_anywhere_is_refused),
        cmocka_unit_test(an_address_of_the_wrong_length_is_refused),
        cmocka_unit_test(a_chain_without_an_end_is_refused),
        cmocka_unit_test(a_chain_has_twelve_aliases_at_most),
        cmocka_unit_test(aliases_without_room_are_left_out),
        cmocka_unit_test(thousands_of_addresses_are_cut),
        cmocka_unit_test(pointers_lead_backwards_only),
        cmocka_unit_test(a_name_longer_than_a_name_can_be_is_refused),
        cmocka_unit_test(what_is_no_name_is_never_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
