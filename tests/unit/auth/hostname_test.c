// The one normaliser of names, and patterns.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "auth/hostname.h"

// label fills `out` with `len` bytes of one letter.
static void fill(char *out, size_t len)
{
    memset(out, 'a', len);
}

static void brings_names_into_one_form(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"example.com", "example.com"},
        {"EXAMPLE.Com", "example.com"},
        {"example.com.", "example.com"},
        {"localhost", "localhost"},
        {"a", "a"},
        {"A.", "a"},
        {"1host.test", "1host.test"},
        {"1.2.3.4.test", "1.2.3.4.test"},
        {"my_host.example", "my_host.example"},
        {"_dmarc.example", "_dmarc.example"},
        {"xn--mnchen-3ya.example", "xn--mnchen-3ya.example"},
        {"a--b.example", "a--b.example"},
        {"1.2.3.4a", "1.2.3.4a"},
        {"0x7f.example", "0x7f.example"},
        {"a-1.b-2", "a-1.b-2"},
        {"127.0.0.x0x1", "127.0.0.x0x1"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct hostname name;
        if (hostname_parse(slice_of_string(pairs[i][0]), &name) != ERR_OK)
            fail_msg("refused: %s", pairs[i][0]);
        assert_string_equal(pairs[i][1], name.text);
        assert_int_equal(strlen(pairs[i][1]), name.len);
    }
}

static void refuses_what_is_no_host_name(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        ".",
        "..",
        ".a",
        "a..",
        "a..b",
        ".a.",
        "-a",
        "a-",
        "a.-b",
        "a-.b",
        "-",
        "a b",
        " a",
        "a ",
        "a\tb",
        "a\n",
        "a\r\n",
        "a\x7f",
        "a\x01",
        "a%00",
        "a%2eb",
        "a@b",
        "a:b",
        "a/b",
        "a\\b",
        "a?b",
        "a#b",
        "a,b",
        "a;b",
        "a'b",
        "a\"b",
        "a(b)",
        "a+b",
        "a=b",
        "a&b",
        "a!b",
        "a~b",
        "a$b",
        "a|b",
        "a<b",
        "a`b",
        "a^b",
        "a{b}",
        "*",
        "*.a",
        "a.*",
        "[a]",
        "[::1]",
        "::1",
        "é",
        "b\xC3\xBC"
        "cher.example",
        "\xE2\x80\x8B"
        "a",
        "a\xE3\x80\x82"
        "b",
        "\xFF",
        // numbers in disguise
        "1",
        "127.1",
        "1.2.3.4",
        "1.2.3.4.",
        "256.256.256.256",
        "1.2.3.4.5",
        "a.1",
        "a.b.0",
        "2130706433",
        "017700000001",
        "0x7f000001",
        "0X7F000001",
        "0x",
        "a.0x",
        "1.2.3.0x4",
        "a.0xg",
        "00",
        "a.00.",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct hostname name = {.len = 3, .text = "abc"};
        if (hostname_parse(slice_of_string(bad[i]), &name) != ERR_INPUT)
            fail_msg("should have been refused: `%s`", bad[i]);
        assert_int_equal(0, name.len);
    }
    struct hostname name;
    assert_int_equal(ERR_INPUT, hostname_parse(SLICE_LITERAL("a\0b"), &name));
    assert_int_equal(ERR_INPUT, hostname_parse(SLICE_LITERAL("a.example\0"), &name));
    assert_int_equal(ERR_INPUT, hostname_parse((struct slice){0}, &name));
}

static void refuses_every_byte_but_letters_digits_hyphen_and_underscore(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        const char text[] = {'a', (char)byte, 'b'};
        const bool is_good = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                             (byte >= '0' && byte <= '9') || byte == '-' || byte == '_' ||
                             byte == '.';
        struct hostname name;
        assert_int_equal(is_good, hostname_parse(slice_of(text, 3), &name) == ERR_OK);
    }
}

static void holds_labels_to_63_bytes_and_names_to_253(void **state)
{
    (void)state;
    char text[300];
    fill(text, sizeof text);
    struct hostname name;
    assert_int_equal(ERR_OK, hostname_parse(slice_of(text, 63), &name));
    assert_int_equal(ERR_INPUT, hostname_parse(slice_of(text, 64), &name));
    text[63] = text[127] = text[191] = '.'; // 3 * 64 + 61 = 253
    assert_int_equal(ERR_OK, hostname_parse(slice_of(text, 253), &name));
    assert_int_equal(253, name.len);
    assert_int_equal(ERR_INPUT, hostname_parse(slice_of(text, 254), &name));
    text[253] = '.'; // the final dot does not count
    assert_int_equal(ERR_OK, hostname_parse(slice_of(text, 254), &name));
    text[254] = '.';
    assert_int_equal(ERR_INPUT, hostname_parse(slice_of(text, 255), &name));
    assert_int_equal(ERR_INPUT, hostname_parse(slice_of(text, 300), &name));
}

static void parsing_a_canonical_name_changes_nothing(void **state)
{
    (void)state;
    struct hostname once;
    struct hostname twice;
    assert_int_equal(ERR_OK, hostname_parse(SLICE_LITERAL("WWW.Example.COM."), &once));
    assert_int_equal(ERR_OK, hostname_parse(hostname_slice(&once), &twice));
    assert_memory_equal(&once, &twice, sizeof once);
}

struct pattern_row {
    const char *pattern;
    const char *name;
    bool matches;
};

static void patterns_match_as_the_contract_says(void **state)
{
    (void)state;
    static const struct pattern_row rows[] = {
        {"example.com", "example.com", true},
        {"Example.COM.", "eXample.com.", true},
        {"example.com", "www.example.com", false},
        {"example.com", "xexample.com", false},
        {"example.com", "example.com.evil", false},
        {"example.com", "example.co", false},
        {"*.example.com", "www.example.com", true},
        {"*.example.com", "a.b.example.com", true},
        {"*.EXAMPLE.com.", "A.example.COM.", true},
        {"*.example.com", "example.com", false},
        {"*.example.com", "xexample.com", false},
        {"*.example.com", "www.example.com.evil", false},
        {"*.example.com", "com", false},
        {"*.com", "example.com", true},
        {"*.com", "com", false},
        {"*", "example.com", true},
        {"*", "localhost", true},
        {"ec2.*.example.com", "ec2.eu-1.example.com", true},
        {"EC2.*.Example.com.", "ec2.x.example.COM.", true},
        {"ec2.*.example.com", "ec2.a.b.example.com", false},
        {"ec2.*.example.com", "ec2.example.com", false},
        {"ec2.*.example.com", "x.ec2.eu-1.example.com", false},
        {"ec2.*.example.com", "ec3.eu-1.example.com", false},
        {"ec2.*.example.com", "ec2.eu-1.example.co", false},
        {"ec2.*.example.com", "ec2.eu-1.example.com.evil", false},
        {"ec2.*.example.com", "ec2.eu-1xexample.com", false},
        {"a.*.b.*.example", "a.1.b.2.example", true},
        {"a.*.*.b.example", "a.1.2.b.example", true},
        {"a.*.b.*.example", "a.1.b.2.3.example", false},
        {"a.*.b.*.example", "a.1.2.b.3.example", false},
        {"*.ecr.*.example.com", "1.ecr.eu.example.com", true},
        {"*.ecr.*.example.com", "1.2.ecr.eu.example.com", true},
        {"*.ecr.*.example.com", "ecr.eu.example.com", false},
        {"*.ecr.*.example.com", "1.ecr.example.com", false},
        {"*.ecr.*.example.com", "1.ecr.a.b.example.com", false},
        {"10.*.example", "10.5.example", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct host_pattern pattern;
        struct hostname name;
        struct errinfo info;
        assert_int_equal(ERR_OK,
                         host_pattern_parse(slice_of_string(rows[i].pattern), &pattern, &info));
        assert_int_equal(ERR_OK, hostname_parse(slice_of_string(rows[i].name), &name));
        if (host_pattern_matches(&pattern, &name) != rows[i].matches)
            fail_msg("wrong about %s and %s", rows[i].pattern, rows[i].name);
    }
}

static void refuses_bad_patterns_with_a_way_out(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"10.0.0.1", "`addresses`"},
        {"10.0.0.0/8", "`addresses`"},
        {"[::1]", "`addresses`"},
        {"2001:db8::/32", "`addresses`"},
        {"b\xC3\xBC"
         "cher.example",
         "xn--"},
        {"foo*", "whole label"},
        {"a.*", "whole label"},
        {"a.*.", "whole label"},
        {"*.a.*", "whole label"},
        {"a.b*.c", "whole label"},
        {"a.*b.c", "whole label"},
        {"a.**.c", "whole label"},
        {"a.*..c", "whole label"},
        {"a.*.b.*.c.*.d", "at most two"},
        {"*.a.*.b.*.c.*.d", "at most two"},
        {"**", "whole label"},
        {"*.*.a", "whole label"},
        {"*.", "whole label"},
        {".*.a", "whole label"},
        {"https://a.example", "`ports`"},
        {"a.example:443", "`ports`"},
        {"a.example/x", "`ports`"},
        {"", "example.com"},
        {"a..b", "example.com"},
        {"-a", "example.com"},
        {"127.1", "example.com"},
        {"*.127.0.0.1", "whole label"},
        {"a.*.1", "whole label"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct host_pattern pattern;
        struct hostname name;
        struct errinfo info = {.text = ""};
        if (host_pattern_parse(slice_of_string(pairs[i][0]), &pattern, &info) != ERR_INPUT)
            fail_msg("should have been refused: %s", pairs[i][0]);
        if (strstr(info.text, pairs[i][1]) == NULL)
            fail_msg("%s: no `%s` in: %s", pairs[i][0], pairs[i][1], info.text);
        // What failed to parse matches nothing, should somebody use it all the same.
        assert_int_equal(ERR_OK, hostname_parse(SLICE_LITERAL("a.example"), &name));
        assert_false(host_pattern_matches(&pattern, &name));
    }
}

static void an_empty_name_matches_no_pattern(void **state)
{
    (void)state;
    static const char *const patterns[] = {"*", "*.a", "a"};
    const struct hostname nothing = {0};
    const struct host_pattern zero = {0};
    for (size_t i = 0; i < 3; i++) {
        struct host_pattern pattern;
        struct errinfo info;
        assert_int_equal(ERR_OK, host_pattern_parse(slice_of_string(patterns[i]), &pattern, &info));
        assert_false(host_pattern_matches(&pattern, &nothing));
    }
    assert_false(host_pattern_matches(&zero, &nothing));
}

static void refuses_a_suffix_that_no_name_could_have(void **state)
{
    (void)state;
    char text[256] = "*.";
    fill(text + 2, 253);
    text[65] = text[129] = text[193] = '.';
    struct host_pattern pattern;
    struct errinfo info;
    assert_int_equal(ERR_OK, host_pattern_parse(slice_of(text, 2 + 251), &pattern, &info));
    assert_int_equal(ERR_INPUT, host_pattern_parse(slice_of(text, 2 + 252), &pattern, &info));
    assert_int_equal(ERR_INPUT, host_pattern_parse(slice_of(text, 2 + 253), &pattern, &info));
}

static void a_refusal_shows_the_text_and_nothing_behind_it(void **state)
{
    (void)state;
    struct host_pattern pattern;
    struct errinfo info;
    assert_int_equal(ERR_INPUT, host_pattern_parse(slice_of("a b\x80z", 3), &pattern, &info));
    assert_non_null(strstr(info.text, "`a b` is not"));
    assert_null(strstr(info.text, "ASCII form")); // which what stands after would need
    assert_int_equal(ERR_INPUT, host_pattern_parse(slice_of("a\x80", 2), &pattern, &info));
    assert_non_null(strstr(info.text, "ASCII form"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refusal_shows_the_text_and_nothing_behind_it),
        cmocka_unit_test(brings_names_into_one_form),
        cmocka_unit_test(refuses_what_is_no_host_name),
        cmocka_unit_test(refuses_every_byte_but_letters_digits_hyphen_and_underscore),
        cmocka_unit_test(holds_labels_to_63_bytes_and_names_to_253),
        cmocka_unit_test(parsing_a_canonical_name_changes_nothing),
        cmocka_unit_test(patterns_match_as_the_contract_says),
        cmocka_unit_test(refuses_bad_patterns_with_a_way_out),
        cmocka_unit_test(an_empty_name_matches_no_pattern),
        cmocka_unit_test(refuses_a_suffix_that_no_name_could_have),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
