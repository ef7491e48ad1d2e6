// Names that a certificate completes: what is a template, and what each certificate gives.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "auth/name_template.h"
#include "tests/unit/auth/identity_maker.h"

static void templates_that_are_malformed_are_refused(void **state)
{
    static const struct {
        const char *text;
        enum name_alphabet alphabet;
    } rows[] = {
        {"{", NAME_ALPHABET_ACCOUNT},
        {"}", NAME_ALPHABET_ACCOUNT},
        {"a}", NAME_ALPHABET_ACCOUNT},
        {"{cn", NAME_ALPHABET_ACCOUNT},
        {"{cn}}", NAME_ALPHABET_ACCOUNT},
        {"{{cn}}", NAME_ALPHABET_ACCOUNT},
        {"{}", NAME_ALPHABET_ACCOUNT},
        {"{CN}", NAME_ALPHABET_ACCOUNT},
        {"{ cn}", NAME_ALPHABET_ACCOUNT},
        {"{dns}", NAME_ALPHABET_ACCOUNT},
        {"{dns[1]}", NAME_ALPHABET_ACCOUNT},
        {"{uri}", NAME_ALPHABET_ACCOUNT},
        {"{uri.path}", NAME_ALPHABET_ACCOUNT},
        {"{uri.path[]}", NAME_ALPHABET_ACCOUNT},
        {"{uri.path[-1]}", NAME_ALPHABET_ACCOUNT},
        {"{uri.path[+1]}", NAME_ALPHABET_ACCOUNT},
        {"{uri.path[01]}", NAME_ALPHABET_ACCOUNT},
        {"{uri.path[32]}", NAME_ALPHABET_ACCOUNT},
        {"{uri.path[100]}", NAME_ALPHABET_ACCOUNT},
        {"{uri.path[1}", NAME_ALPHABET_ACCOUNT},
        {"{uri.path[1]x}", NAME_ALPHABET_ACCOUNT},
        {"{uri.host}", NAME_ALPHABET_ACCOUNT},
        {"{ou}", NAME_ALPHABET_ACCOUNT},
        {"{cn}{dns[0]}", NAME_ALPHABET_ACCOUNT},
        {"{cn}-{cn}-{cn}-{cn}-{cn}", NAME_ALPHABET_ACCOUNT},
        {"a b-{cn}", NAME_ALPHABET_ACCOUNT},
        {"a/{cn}", NAME_ALPHABET_ACCOUNT},
        {"{cn}:x", NAME_ALPHABET_ACCOUNT},
        {"{cn}\xC3\xA4", NAME_ALPHABET_ACCOUNT},
        {"a b-{cn}", NAME_ALPHABET_VISIBLE},
        {"{cn}\x7F", NAME_ALPHABET_VISIBLE},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct name_template name;
        struct errinfo info = {0};
        if (name_template_parse(slice_of_string(rows[i].text), rows[i].alphabet, &name, &info) !=
            ERR_INPUT)
            fail_msg("`%s` was taken", rows[i].text);
        assert_true(strstr(info.text, "write it like") != NULL);
    }
}

#define SPIFFE "uri=spiffe://example.org/ns/x/sa/y"

static void a_certificate_gives_the_name_or_says_what_it_lacks(void **state)
{
    static const struct {
        const char *text;
        const char *certificate;
        enum name_result result;
        const char *name; // with NAME_OK
    } rows[] = {
        {"agent-{uri.path[1]}", SPIFFE, NAME_OK, "agent-x"},
        {"{uri.path[0]}", SPIFFE, NAME_OK, "ns"},
        {"{uri.path[3]}", SPIFFE, NAME_OK, "y"},
        {"{uri.path[1]}.{uri.path[3]}.z", SPIFFE, NAME_OK, "x.y.z"},
        {"{cn}", "cn=alice", NAME_OK, "alice"},
        {"{dns[0]}", "dns=A.example cn=alice uri=https://h/p", NAME_OK, "a.example"},
        {"{cn}-{dns[0]}", "dns=W.example cn=Alice", NAME_OK, "Alice-w.example"},
        {"{uri.path[0]}", "uri=https://h/p dns=a.example dns=b.example", NAME_OK, "p"},
        {"fixed", "cn=alice", NAME_OK, "fixed"},
        {"x-{extension}", "cn=alice", NAME_OK, "x-e.1"}, // see below
        {"{cn}-{uri.path[0]}", "cn=a uri=https://h/b-c", NAME_OK, "a-b-c"},
        {"{cn}.{cn}", "cn=a", NAME_OK, "a.a"},
        {"{uri.path[0]}",
         "uri=https://h/"
         "abcdefghijklmnopqrstuvwxyz012345",
         NAME_OK, "abcdefghijklmnopqrstuvwxyz012345"},

        {"{uri.path[4]}", SPIFFE, NAME_ABSENT, NULL},
        {"{uri.path[31]}", SPIFFE, NAME_ABSENT, NULL},
        {"{uri.path[0]}", "cn=alice", NAME_ABSENT, NULL},
        {"{uri.path[0]}", "uri=https://h", NAME_ABSENT, NULL},
        {"{uri.path[0]}", "uri=https://h/", NAME_ABSENT, NULL},
        {"{uri.path[0]}", "uri=urn:a/b/c", NAME_ABSENT, NULL},
        {"{uri.path[0]}", "uri=file:///b/c", NAME_ABSENT, NULL},
        {"{dns[0]}", "cn=alice", NAME_ABSENT, NULL},
        {"{cn}", "dns=a.example", NAME_ABSENT, NULL},

        {"{uri.path[0]}", "uri=https://h/a uri=https://h/a", NAME_AMBIGUOUS, NULL},
        {"{uri.path[0]}", "uri=https://h/a uri=https://h/*", NAME_AMBIGUOUS, NULL},
        {"{uri.path[0]}", "uri=spiffe://h/a uri=spiffe://h/b", NAME_AMBIGUOUS, NULL},
        {"{dns[0]}", "dns=a.example dns=b.example", NAME_AMBIGUOUS, NULL},
        {"{dns[0]}", "dns=a.example dns=*.example", NAME_AMBIGUOUS, NULL},
        {"{cn}", "cn=a cn=b", NAME_AMBIGUOUS, NULL},
        {"{dns[0]}x{cn}", "dns=aXb.example cn=c", NAME_AMBIGUOUS, NULL},
        {"{cn}-{uri.path[0]}", "cn=a-b uri=https://h/c", NAME_AMBIGUOUS, NULL},
        {"{cn}.-{uri.path[0]}", "cn=a.b uri=https://h/c", NAME_AMBIGUOUS, NULL},

        {"{uri.path[0]}", "uri=https://h/a%2Fb", NAME_BAD_CHARACTER, NULL},
        {"{uri.path[0]}", "uri=https://h/a/%62", NAME_BAD_CHARACTER, NULL},
        {"{uri.path[0]}", "uri=https://h/a?b", NAME_BAD_CHARACTER, NULL},
        {"{uri.path[0]}", "uri=https://h/a#b", NAME_BAD_CHARACTER, NULL},
        {"{uri.path[0]}", "uri=https://h/a\\b", NAME_BAD_CHARACTER, NULL},
        {"{uri.path[0]}", "uri=https://h/a/", NAME_BAD_CHARACTER, NULL},
        {"{uri.path[0]}", "uri=https://h//a", NAME_BAD_CHARACTER, NULL},
        {"{uri.path[0]}", "uri=https://h/a//b", NAME_BAD_CHARACTER, NULL},
        {"{uri.path[0]}", "uri=https://h/a/../b", NAME_BAD_CHARACTER, NULL},
        {"{uri.path[0]}", "uri=https://h/a/.", NAME_BAD_CHARACTER, NULL},
        {"{uri.path[0]}", "uri=https://h/a:b", NAME_BAD_CHARACTER, NULL},
        {"{uri.path[0]}", "uri=https://h/*", NAME_BAD_CHARACTER, NULL},
        {"{dns[0]}", "dns=*.example", NAME_BAD_CHARACTER, NULL},
        {"{cn}", "cn=alice@example", NAME_BAD_CHARACTER, NULL},
        {"{cn}", "cn=\xC3\xA4", NAME_BAD_CHARACTER, NULL},

        {"x{uri.path[0]}",
         "uri=https://h/"
         "abcdefghijklmnopqrstuvwxyz012345",
         NAME_TOO_LONG, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct identity *identity = identity_make(rows[i].certificate);
        struct name_template name;
        struct errinfo info;
        struct text text;
        char buffer[33];
        text_init(&text, buffer, sizeof buffer);
        assert_int_equal(ERR_OK, name_template_parse(slice_of_string(rows[i].text),
                                                     NAME_ALPHABET_ACCOUNT, &name, &info));
        const enum name_result result =
            name_template_format(&name, identity, SLICE_LITERAL("e.1"), &text);
        if (result != rows[i].result)
            fail_msg("`%s` of `%s`: %s", rows[i].text, rows[i].certificate,
                     name_result_text(result));
        if (result == NAME_OK)
            assert_string_equal(buffer, rows[i].name);
        identity_destroy(identity);
    }
}

static enum name_result format(const char *template, enum name_alphabet alphabet,
                               const char *certificate, struct slice extension)
{
    struct identity *identity = identity_make(certificate);
    struct name_template name;
    struct errinfo info;
    struct text text;
    char buffer[64];
    text_init(&text, buffer, sizeof buffer);
    assert_int_equal(ERR_OK,
                     name_template_parse(slice_of_string(template), alphabet, &name, &info));
    const enum name_result result = name_template_format(&name, identity, extension, &text);
    identity_destroy(identity);
    return result;
}

static void an_extension_without_text_gives_no_name(void **state)
{
    (void)state;
    assert_int_equal(NAME_ABSENT,
                     format("{extension}", NAME_ALPHABET_ACCOUNT, "cn=a", (struct slice){0}));
    assert_int_equal(NAME_ABSENT,
                     format("{extension}", NAME_ALPHABET_ACCOUNT, "cn=a", SLICE_LITERAL("")));
    assert_int_equal(NAME_BAD_CHARACTER,
                     format("{extension}", NAME_ALPHABET_ACCOUNT, "cn=a", SLICE_LITERAL("a/b")));
    assert_int_equal(NAME_BAD_CHARACTER,
                     format("{extension}", NAME_ALPHABET_ACCOUNT, "cn=a", SLICE_LITERAL("a\0b")));
}

static void a_value_that_is_only_compared_may_hold_any_visible_ascii(void **state)
{
    (void)state;
    const struct slice none = {0};
    assert_int_equal(NAME_OK, format("{cn}", NAME_ALPHABET_VISIBLE, "cn=a@b/c", none));
    assert_int_equal(NAME_OK,
                     format("{uri.path[0]}", NAME_ALPHABET_VISIBLE, "uri=x://h/a:b", none));
    assert_int_equal(NAME_BAD_CHARACTER,
                     format("{uri.path[0]}", NAME_ALPHABET_VISIBLE, "uri=x://h/a%b", none));
    assert_int_equal(NAME_BAD_CHARACTER,
                     format("{cn}", NAME_ALPHABET_VISIBLE, "cn=\xC3\xA4", none));
    assert_int_equal(NAME_BAD_CHARACTER,
                     format("{extension}", NAME_ALPHABET_VISIBLE, "cn=a", SLICE_LITERAL("a b")));
}

static void a_template_knows_which_parts_it_has(void **state)
{
    struct name_template name;
    struct errinfo info;
    (void)state;
    assert_int_equal(ERR_OK, name_template_parse(SLICE_LITERAL("a-{cn}.{uri.path[2]}"),
                                                 NAME_ALPHABET_ACCOUNT, &name, &info));
    assert_int_equal(name.part_count, 2);
    assert_true(name_template_has(&name, NAME_PART_CN));
    assert_true(name_template_has(&name, NAME_PART_URI_PATH));
    assert_false(name_template_has(&name, NAME_PART_DNS));
    assert_false(name_template_has(&name, NAME_PART_EXTENSION));
}

static void templates_agree_unless_their_ends_tell_them_apart(void **state)
{
    static const struct {
        const char *a;
        const char *b;
        bool may_agree;
    } rows[] = {
        {"a-{cn}", "a-{cn}", true},
        {"a-{cn}", "b-{cn}", false},
        {"a-{cn}", "a-b-{cn}", true},
        {"{cn}", "a-{cn}-z", true},
        {"{cn}-y", "{cn}-z", false},
        {"{cn}-x-z", "a{cn}-z", true},
        {"a-{cn}-y", "{cn}-z", false},
        {"a{cn}.{dns[0]}-y", "a{cn}-y", true},
        {"a{cn}.{dns[0]}-y", "a{cn}-z", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct name_template a;
        struct name_template b;
        struct errinfo info;
        assert_int_equal(ERR_OK, name_template_parse(slice_of_string(rows[i].a),
                                                     NAME_ALPHABET_ACCOUNT, &a, &info));
        assert_int_equal(ERR_OK, name_template_parse(slice_of_string(rows[i].b),
                                                     NAME_ALPHABET_ACCOUNT, &b, &info));
        if (name_template_may_agree(&a, &b) != rows[i].may_agree ||
            name_template_may_agree(&b, &a) != rows[i].may_agree)
            fail_msg("%s and %s", rows[i].a, rows[i].b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(templates_that_are_malformed_are_refused),
        cmocka_unit_test(a_certificate_gives_the_name_or_says_what_it_lacks),
        cmocka_unit_test(an_extension_without_text_gives_no_name),
        cmocka_unit_test(a_value_that_is_only_compared_may_hold_any_visible_ascii),
        cmocka_unit_test(a_template_knows_which_parts_it_has),
        cmocka_unit_test(templates_agree_unless_their_ends_tell_them_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
