// hosts(5) and resolv.conf(5), as they are found, and as somebody might leave them behind.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "auth/base/text.h"
#include "proxy/config/system_text.h"

static bool note(void *arg, const struct ip_addr *address, const struct hostname *name)
{
    struct text *out = arg;
    char ip[IP_TEXT_CAP];
    text_append_format(out, "%s=%s ", name->text, ip_addr_format(address, ip));
    return name->text[0] != 'Z' && strcmp(name->text, "stop") != 0;
}

static void assert_hosts(const char *text, const char *expected, size_t skipped)
{
    char data[512];
    struct text out;
    text_init(&out, data, sizeof data);
    assert_int_equal(hosts_text_parse(slice_of_string(text), note, &out).skipped, skipped);
    const struct slice found = text_slice(&out);
    assert_int_equal(found.len, strlen(expected));
    assert_memory_equal(found.data, expected, found.len);
}

static void each_name_of_a_line_has_its_address(void **state)
{
    (void)state;
    assert_hosts("127.0.0.1 localhost\n10.2.0.7\tdb.example.org  DB # ours\n", // any blanks
                 "localhost=127.0.0.1 db.example.org=10.2.0.7 db=10.2.0.7 ", 0);
    assert_hosts("::1 ip6-localhost ip6-loopback", // the last line need not end
                 "ip6-localhost=::1 ip6-loopback=::1 ", 0);
    assert_hosts("10.0.0.1 a\r\n10.0.0.2 b.\r\n", "a=10.0.0.1 b=10.0.0.2 ", 0);
}

static void empty_lines_and_comments_say_nothing(void **state)
{
    (void)state;
    assert_hosts("", "", 0);
    assert_hosts("\n\n  \t\n# 10.0.0.1 a\n   # b\n10.0.0.1\n#", "", 0);
}

static void what_cannot_be_read_is_counted_and_passed_over(void **state)
{
    (void)state;
    assert_hosts("fe80::1%lo0 localhost\n10.0.0.1 a\n", "a=10.0.0.1 ", 1);
    assert_hosts("010.0.0.1 a\n10.1 b\n0x7f000001 c\nd 10.0.0.1\n", "", 4);
    assert_hosts("10.0.0.1 a *.b c\n10.0.0.2 127.0.0.1\n", "a=10.0.0.1 ", 2);
}

static void the_first_line_that_cannot_be_read_has_its_number(void **state)
{
    (void)state;
    char data[512];
    struct text out;
    text_init(&out, data, sizeof data);
    const struct slice text =
        slice_of_string("# ours\n10.0.0.1 a\n\nfe80::1%lo b\n10.1 c\n10.0.0.2 d");
    const struct hosts_text seen = hosts_text_parse(text, note, &out);
    assert_int_equal(seen.first_skipped, 4);
    assert_int_equal(seen.skipped, 2);
    assert_int_equal(seen.line, 6);
    assert_int_equal(hosts_text_parse(slice_of_string("10.0.0.1 stop b\n"), note, &out).line, 1);
    assert_int_equal(hosts_text_parse(slice_of_string("10.0.0.1 a\n"), note, &out).first_skipped,
                     0);
}

static void reading_ends_when_the_reader_has_enough(void **state)
{
    (void)state;
    assert_hosts("10.0.0.1 a stop b\n10.0.0.2 c\n", "a=10.0.0.1 stop=10.0.0.1 ", 0);
}

static void the_servers_of_resolv_conf_are_found(void **state)
{
    (void)state;
    struct ip_addr found[2];
    size_t skipped = 9;
    char ip[IP_TEXT_CAP];
    const char *text = "# by somebody\nsearch a.example b.example\nnameserver 192.0.2.1 # first\n"
                       "  nameserver\t2001:db8::1\noptions ndots:5 rotate\n";
    assert_int_equal(resolv_conf_parse(slice_of_string(text), found, 2, &skipped), 2);
    assert_int_equal(skipped, 0);
    assert_string_equal(ip_addr_format(&found[0], ip), "192.0.2.1");
    assert_string_equal(ip_addr_format(&found[1], ip), "2001:db8::1");
}

static void other_servers_are_counted(void **state)
{
    (void)state;
    struct ip_addr found[2];
    size_t skipped = 0;
    const char *text = "nameserver fe80::1%eth0\nnameserver\nnameserver dns.example\n"
                       "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n"
                       "nameservers 192.0.2.4\n;nameserver 192.0.2.5\n";
    assert_int_equal(resolv_conf_parse(slice_of_string(text), found, 2, &skipped), 2);
    assert_int_equal(skipped, 4);
    assert_int_equal(resolv_conf_parse(slice_of_string(""), found, 2, &skipped), 0);
    assert_int_equal(skipped, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_name_of_a_line_has_its_address),
        cmocka_unit_test(empty_lines_and_comments_say_nothing),
        cmocka_unit_test(what_cannot_be_read_is_counted_and_passed_over),
        cmocka_unit_test(the_first_line_that_cannot_be_read_has_its_number),
        cmocka_unit_test(reading_ends_when_the_reader_has_enough),
        cmocka_unit_test(the_servers_of_resolv_conf_are_found),
        cmocka_unit_test(other_servers_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
