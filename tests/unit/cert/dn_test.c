// Distinguished names: two are equal exactly when type and value are, in order; text and DER agree.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

#include "auth/dn.h"

static struct dn parsed(const char *text)
{
    struct dn dn;
    struct errinfo info = {0};
    if (dn_parse(slice_of_string(text), &dn, &info) != ERR_OK)
        fail_msg("%s", info.text);
    return dn;
}

static void assert_formats(const struct dn *dn, const char *expected)
{
    char buffer[DN_TEXT_CAP];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    dn_format(dn, &text);
    assert_false(text.is_cut);
    assert_string_equal(buffer, expected);
}

static bool texts_are_equal(const char *a, const char *b)
{
    const struct dn left = parsed(a);
    const struct dn right = parsed(b);
    return dn_equal(&left, &right);
}

static void formats_what_it_parsed(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "CN=alice",
        "CN=alice,OU=build,O=Example",
        "CN=alice,DC=example,DC=org",
        "O=a+OU=b",
        "CN=",
        "CN=\\ a b\\ ",
        "CN=\\#a#",
        "CN=a\\,b\\+c\\\"d\\\\e\\<f\\>g\\;h",
        "CN=a=b",
        "CN=caf\xC3\xA9",
        "CN=a\\0ab\\00c\\7f",
        "CN=\\c2\\85\\e2\\80\\a8",
        "CN=a\\e2\\80\\aeb\\ef\\bb\\bf",
        "1.2.3.4=#0c0161",
        "CN=#02010a",
        "emailAddress=a@example.org+UID=a,serialNumber=7",
        "2.999.3=#0c00",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const struct dn dn = parsed(texts[i]);
        char buffer[DN_TEXT_CAP];
        struct text text;
        text_init(&text, buffer, sizeof buffer);
        dn_format(&dn, &text);
        assert_string_equal(buffer, texts[i]);
        const struct dn again = parsed(buffer);
        assert_true(dn_equal(&dn, &again));
    }
}

static void takes_several_spellings_of_one_name(void **state)
{
    (void)state;
    assert_true(texts_are_equal("CN=alice,O=Example", "cn = alice , o = Example"));
    assert_true(texts_are_equal("CN=alice", "2.5.4.3=alice"));
    assert_true(texts_are_equal("CN=alice", "CN=\\61lice"));
    assert_true(texts_are_equal("CN=alice", "CN=#0C05616c696365"));
    assert_true(texts_are_equal("CN=alice", "CN=#1305616c696365"));          // PrintableString
    assert_true(texts_are_equal("CN=ab", "CN=#1e0400610062"));               // BMPString
    assert_true(texts_are_equal("CN=\xC3\xA9", "CN=#1401e9"));               // TeletexString
    assert_true(texts_are_equal("CN=\xF0\x9F\x98\x80", "CN=#1c040001f600")); // UniversalString
    assert_true(texts_are_equal("CN=a+O=b", "O=b+CN=a"));
}

static void tells_different_names_apart(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"CN=alice", "CN=Alice"},     {"CN=alice", "CN=alice\\ "}, {"CN=alice", "CN=alice\\00"},
        {"CN=alice", "O=alice"},      {"CN=a,O=b", "O=b,CN=a"},    {"CN=a+O=b", "CN=a,O=b"},
        {"CN=a\\,O=b", "CN=a,O=b"},   {"CN=a,CN=a", "CN=a"},       {"CN=a  b", "CN=a b"},
        {"CN=#020101", "CN=#0c0101"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        if (texts_are_equal(pairs[i][0], pairs[i][1]))
            fail_msg("%s equals %s", pairs[i][0], pairs[i][1]);
    }
}

static void refuses_texts_that_are_no_names(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        " ",
        "alice",
        "=alice",
        "CN",
        "CN=a,",
        "CN=a,,O=b",
        ",CN=a",
        "CN=a+",
        "CN=\"a\"",
        "CN=a;O=b",
        "CN=a<b",
        "CN=a\\",
        "CN=a\\x",
        "CN=a\\4",
        "CN=a\\4g",
        "CN=#",
        "CN=#0",
        "CN=#0c",
        "CN=#0c02616",
        "CN=#0c0261zz",
        "CN=#0c016161",
        "CN=#0c01ff",
        "CN=#1e0161",
        "CN=#1e02d800",
        "CN=#1c0400110000",
        "CN=#160180",
        "CN=\xFF",
        "CN=\xC3",
        "CN=\xC0\x80",
        "CN=\xE0\x80\x80",
        "CN=\xF0\x80\x80\x80",
        "CN=\xF4\x90\x80\x80",
        "CN=\xED\xA0\x80",
        "CN=\\ff",
        "NOSUCH=a",
        "1=a",
        "1.=a",
        "1..2=a",
        "3.1=a",
        "1.40=a",
        "01.2=a",
        "OID.2.5.4.3=a",
        "/CN=a/O=b\n=",
        "1.2.99999999999999999999999999=a",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct dn dn;
        struct errinfo info = {0};
        if (dn_parse(slice_of_string(texts[i]), &dn, &info) != ERR_INPUT || info.text[0] == '\0')
            fail_msg("'%s' is taken for a name", texts[i]);
    }
    struct dn dn;
    struct errinfo info = {0};
    assert_int_equal(dn_parse(SLICE_LITERAL("CN=a\0b"), &dn, &info), ERR_INPUT);
}

static void refuses_names_beyond_its_size(void **state)
{
    (void)state;
    static char text[4 * DN_CANONICAL_MAX];
    struct dn dn;
    struct errinfo info = {0};
    text[0] = 'O';
    text[1] = '=';
    for (size_t i = 2; i < sizeof text; i++)
        text[i] = 'a';
    assert_int_equal(dn_parse(slice_of(text, sizeof text), &dn, &info), ERR_LIMIT);
    const size_t overhead = 2 + 1 + 3 + 1 + 2;
    const size_t fits = 2 + DN_CANONICAL_MAX - overhead;
    assert_int_equal(dn_parse(slice_of(text, fits), &dn, &info), ERR_OK);
    assert_int_equal(dn.len, DN_CANONICAL_MAX);
    assert_int_equal(dn_parse(slice_of(text, fits + 1), &dn, &info), ERR_LIMIT);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = "C=,"[i % 3];
    assert_int_equal(dn_parse(slice_of(text, sizeof text - 2), &dn, &info), ERR_LIMIT);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = "C=+"[i % 3];
    assert_int_equal(dn_parse(slice_of(text, 200), &dn, &info), ERR_LIMIT);
}

static void the_text_of_the_largest_name_fits(void **state)
{
    (void)state;
    struct dn dn;
    struct errinfo info = {0};
    char text[DN_TEXT_CAP];
    size_t len = 0;
    for (; len + 3 < 3 * (DN_CANONICAL_MAX - 9); len += 3) {
        const char escaped[3] = {'\\', '0', '1'};
        assert_true(bytes_copy(text + 2 + len, 3, slice_of(escaped, 3)));
    }
    text[0] = 'O';
    text[1] = '=';
    assert_int_equal(dn_parse(slice_of(text, len + 2), &dn, &info), ERR_OK);
    text[len + 2] = '\0';
    assert_formats(&dn, text);
}

static enum err from_der(struct slice der, struct dn *out)
{
    return dn_from_der(der, out);
}

static void reads_der(void **state)
{
    (void)state;
    struct dn dn;
    assert_int_equal(from_der(SLICE_LITERAL("\x30\x00"), &dn), ERR_OK);
    assert_formats(&dn, "");
    // C=DE, then O=a and OU=b in one RDN, the wrong way round for DER
    assert_int_equal(from_der(SLICE_LITERAL("\x30\x23"
                                            "\x31\x0b\x30\x09\x06\x03\x55\x04\x06\x13\x02"
                                            "DE"
                                            "\x31\x14\x30\x08\x06\x03\x55\x04\x0b\x0c\x01"
                                            "b"
                                            "\x30\x08\x06\x03\x55\x04\x0a\x0c\x01"
                                            "a"),
                              &dn),
                     ERR_OK);
    assert_formats(&dn, "O=a+OU=b,C=DE");
    const struct dn same = parsed("OU=b+O=a,C=DE");
    assert_true(dn_equal(&dn, &same));
}

static void refuses_der_that_is_no_name(void **state)
{
    (void)state;
    static const struct slice rows[] = {
        {NULL, 0},
        {(const uint8_t *)"\x31\x00", 2},                                          // a SET
        {(const uint8_t *)"\x30\x00\x00", 3},                                      // a byte behind
        {(const uint8_t *)"\x30\x01", 2},                                          // cut off
        {(const uint8_t *)"\x30\x80\x00\x00", 4},                                  // indefinite
        {(const uint8_t *)"\x30\x02\x31\x00", 4},                                  // no attribute
        {(const uint8_t *)"\x30\x04\x31\x02\x30\x00", 6},                          // an empty one
        {(const uint8_t *)"\x30\x09\x31\x07\x30\x05\x06\x03\x55\x04\x03", 11},     // no value
        {(const uint8_t *)"\x30\x08\x31\x06\x30\x04\x06\x00\x0c\x00", 10},         // no type
        {(const uint8_t *)"\x30\x0a\x31\x08\x30\x06\x06\x02\x55\x84\x0c\x00", 12}, // type cut off
        {(const uint8_t *)"\x30\x0b\x31\x09\x30\x07\x06\x03\x55\x80\x03\x0c\x00",
         13}, // not minimal
        {(const uint8_t *)"\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01\xff",
         14}, // no UTF-8
        {(const uint8_t *)"\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x13\x01\xe9",
         14}, // no ASCII
        {(const uint8_t *)"\x30\x0d\x31\x0b\x30\x09\x06\x03\x55\x04\x03\x0c\x00\x0c\x00",
         15}, // two
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dn dn;
        if (from_der(rows[i], &dn) != ERR_INPUT)
            fail_msg("row %zu is taken for a name", i);
    }
}

static void gives_the_common_name_only_when_there_is_one(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"CN=alice,O=Example", "alice"},
        {"O=Example+CN=alice", "alice"},
        {"O=Example", ""},
        {"CN=a,CN=b", ""},
        {"CN=a,CN=a", ""},
        {"CN=a+CN=b", ""},
        {"CN=#020101", ""},
        {"CN=#020101,CN=a", ""},
        {"CN=", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct dn dn = parsed(rows[i][0]);
        if (!slice_equal(dn_common_name(&dn), slice_of_string(rows[i][1])))
            fail_msg("%s", rows[i][0]);
    }
    const struct dn with_nul = parsed("CN=alice\\00.evil");
    assert_int_equal(dn_common_name(&with_nul).len, 11);
}

static void knows_names_of_one_organisation(void **state)
{
    (void)state;
    static const struct {
        const char *a;
        const char *b;
        bool is_akin;
    } rows[] = {
        {"CN=Root,O=Example", "CN=Lower,O=Example", true},
        {"CN=Root,O=Example", "O=Example", true},
        {"CN=Root,OU=x,O=Example", "OU=x,CN=Lower,O=Example", true},
        {"CN=Root", "CN=Lower", false},
        {"CN=Root,O=Example", "CN=Lower,O=Other", false},
        {"CN=Root,O=Example", "CN=Lower", false},
        {"CN=Root,O=Example", "CN=Lower,OU=x,O=Example", false},
        {"CN=Root,OU=x,O=Example", "CN=Root,OU=x+O=Example", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct dn a = parsed(rows[i].a);
        const struct dn b = parsed(rows[i].b);
        if (dn_equal_but_common_name(&a, &b) != rows[i].is_akin ||
            dn_equal_but_common_name(&b, &a) != rows[i].is_akin)
            fail_msg("%s and %s", rows[i].a, rows[i].b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_what_it_parsed),
        cmocka_unit_test(takes_several_spellings_of_one_name),
        cmocka_unit_test(tells_different_names_apart),
        cmocka_unit_test(refuses_texts_that_are_no_names),
        cmocka_unit_test(refuses_names_beyond_its_size),
        cmocka_unit_test(the_text_of_the_largest_name_fits),
        cmocka_unit_test(reads_der),
        cmocka_unit_test(refuses_der_that_is_no_name),
        cmocka_unit_test(gives_the_common_name_only_when_there_is_one),
        cmocka_unit_test(knows_names_of_one_organisation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
