// Extensions as text, what an entry asks of them, and the identity that keeps them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "auth/base/json.h"
#include "auth/claim.h"
#include "auth/match.h"

#define BYTES(text) SLICE_LITERAL(text)

static void a_value_is_text_or_nothing_at_all(void **state)
{
    static const struct {
        struct slice value;
        const char *texts; // each followed by `|`; NULL: no text
    } rows[] = {
        {BYTES("\x0c\x01"
               "a"),
         "a|"},
        {BYTES("\x16\x02"
               "ab"),
         "ab|"},
        {BYTES("\x13\x02"
               "a b"),
         NULL}, // one byte more than it says
        {BYTES("\x13\x03"
               "a b"),
         "a b|"},
        {BYTES("\x04\x06"
               "team/x"),
         "team/x|"},
        {BYTES("\x0c\x02\xC3\xA4"), "\xC3\xA4|"},
        {BYTES("\x30\x06\x0c\x01"
               "a\x16\x01"
               "b"),
         "a|b|"},
        {BYTES("\x30\x03\x04\x01"
               "a"),
         "a|"},
        {BYTES(""), NULL},
        {BYTES("\x0c"), NULL},
        {BYTES("\x0c\x00"), NULL},
        {BYTES("\x0c\x02"
               "a"),
         NULL},
        {BYTES("\x0c\x01"
               "ab"),
         NULL}, // something after it
        {BYTES("\x0c\x81\x01"
               "a"),
         NULL}, // not DER
        {BYTES("\x2c\x03\x0c\x01"
               "a"),
         NULL}, // constructed
        {BYTES("\x24\x80\x04\x01"
               "a\x00\x00"),
         NULL}, // indefinite
        {BYTES("\x0c\x01\x00"), NULL},
        {BYTES("\x0c\x03"
               "a\x00"
               "b"),
         NULL},
        {BYTES("\x0c\x01\x1f"), NULL},
        {BYTES("\x0c\x01\x7f"), NULL},
        {BYTES("\x0c\x02\xC2\x85"), NULL},     // C1
        {BYTES("\x0c\x03\xE2\x80\xA8"), NULL}, // U+2028
        {BYTES("\x0c\x01*"), NULL},
        {BYTES("\x0c\x02\xC0\x80"), NULL}, // overlong
        {BYTES("\x0c\x01\xFF"), NULL},
        {BYTES("\x04\x01\xFF"), NULL},
        {BYTES("\x04\x03\x0c\x01"
               "a"),
         NULL}, // DER inside is no text
        {BYTES("\x16\x02\xC3\xA4"), NULL},
        {BYTES("\x13\x01@"), NULL},
        {BYTES("\x1e\x02\x00"
               "a"),
         NULL}, // BMPString
        {BYTES("\x1a\x01"
               "a"),
         NULL}, // VisibleString
        {BYTES("\x02\x01"
               "a"),
         NULL},
        {BYTES("\x30\x00"), NULL},
        {BYTES("\x30\x03\x0c\x01"
               "a\x05\x00"),
         NULL}, // something after the list
        {BYTES("\x30\x06\x0c\x01"
               "a\x02\x01\x05"),
         NULL}, // one of them is no text
        {BYTES("\x30\x05\x30\x03\x0c\x01"
               "a"),
         NULL}, // nested
        {BYTES("\x31\x03\x0c\x01"
               "a"),
         NULL}, // SET
        {BYTES("a"), NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char data[64];
        struct text found;
        struct extension_texts texts;
        struct slice text = {0};
        text_init(&found, data, sizeof data);
        const bool is_text = extension_texts_of(rows[i].value, &texts);
        if (is_text != (rows[i].texts != NULL))
            fail_msg("row %zu", i);
        while (is_text && extension_texts_next(&texts, &text)) {
            text_append(&found, text);
            text_append_string(&found, "|");
        }
        assert_string_equal(data, is_text ? rows[i].texts : "");
        const bool is_one = is_text && strchr(rows[i].texts, '|')[1] == '\0';
        assert_int_equal(is_one, extension_only_text(rows[i].value).data != NULL);
    }
}

static void a_list_of_too_many_texts_is_no_text(void **state)
{
    uint8_t value[4 + 3 * 65] = {0x30, 0x81, 3 * 64};
    struct extension_texts texts;
    (void)state;
    for (size_t i = 0; i < 65; i++)
        assert_true(bytes_copy(value + 3 + 3 * i, 3, BYTES("\x0c\x01x")));
    assert_true(extension_texts_of(slice_of(value, 3 + 3 * 64), &texts));
    value[2] = 3 * 65;
    assert_false(extension_texts_of(slice_of(value, 3 + 3 * 65), &texts));
}

#define OID_A BYTES("\x2B\x06\x01\x04\x01\x86\x8D\x1F\x01")
#define OID_B BYTES("\x2B\x06\x01\x04\x01\x86\x8D\x1F\x02")

// fits judges a certificate with these extensions, and a URI and CN of its own.
static bool fits(enum extension_match_kind kind, const char *value,
                 const struct extension *extensions, size_t count)
{
    struct identity *identity = NULL;
    struct errinfo info;
    const struct claimed_san uri = {SAN_URI, BYTES("spiffe://example.org/ns/x/sa/team")};
    const struct claim claim = {.trust_name = "staff",
                                .subject = BYTES("CN=team"),
                                .sans = &uri,
                                .san_count = 1,
                                .extensions = extensions,
                                .extension_count = count};
    struct extension_match wanted = {
        .oid = OID_A, .kind = kind, .value = slice_of_string(value), .key = BYTES("\x01xx")};
    if (kind == EXTENSION_EQUALS)
        assert_int_equal(ERR_OK, name_template_parse(wanted.value, NAME_ALPHABET_VISIBLE,
                                                     &wanted.equals, &info));
    const struct match_entry entry = {.extension = &wanted};
    assert_int_equal(ERR_OK, claim_to_identity(&claim, &identity, &info));
    const bool out = match_entry_fits(&entry, identity);
    identity_destroy(identity);
    return out;
}

// member_fits judges a JSON extension by one member, and by another that may be anything.
static bool member_fits(const char *template, const char *json)
{
    struct identity *identity = NULL;
    struct errinfo info;
    const struct claimed_san uri = {SAN_URI, BYTES("spiffe://example.org/ns/x/sa/team")};
    const struct extension extension = {OID_A, slice_of_string(json)};
    const struct claim claim = {.trust_name = "staff",
                                .subject = BYTES("CN=team"),
                                .sans = &uri,
                                .san_count = 1,
                                .extensions = &extension,
                                .extension_count = 1};
    struct extension_member members[] = {{.name = BYTES("Name")},
                                         {.name = BYTES("Uid"), .is_any = true}};
    const struct extension_match wanted = {.oid = OID_A,
                                           .kind = EXTENSION_JSON,
                                           .members = members,
                                           .member_count = 2,
                                           .key = BYTES("\x01xx")};
    assert_int_equal(ERR_OK, name_template_parse(slice_of_string(template), NAME_ALPHABET_VISIBLE,
                                                 &members[0].equals, &info));
    const struct match_entry entry = {.extension = &wanted};
    assert_int_equal(ERR_OK, claim_to_identity(&claim, &identity, &info));
    const bool out = match_entry_fits(&entry, identity);
    identity_destroy(identity);
    return out;
}

static void members_of_json_are_what_is_written(void **state)
{
    (void)state;
    assert_true(member_fits("team", "{\"Name\":\"team\",\"Uid\":\"1\"}"));
    assert_true(member_fits("{uri.path[3]}", "{\"Name\":\"team\",\"Uid\":\"1\"}"));
    assert_true(member_fits("{cn}", "{\"Other\":\"\",\"Uid\":\"1\",\"Name\":\"team\"}"));
    static const char *const bad[] = {
        "{\"Name\":\"team\"}",
        "{\"Uid\":\"1\"}",
        "{\"Name\":\"team\",\"Uid\":\"\"}",
        "{\"Name\":\"\",\"Uid\":\"1\"}",
        "{\"Name\":\"Team\",\"Uid\":\"1\"}",
        "{\"Name\":\"team \",\"Uid\":\"1\"}",
        "{\"name\":\"team\",\"Uid\":\"1\"}",
        "{\"Name\":\"team\",\"Name\":\"team\",\"Uid\":\"1\"}",
        "{\"Name\":\"team\",\"Uid\":\"1\",\"Uid\":\"2\"}",
        "{\"Name\":\"team\",\"Uid\":1}",
        "{\"Name\":\"team\",\"Uid\":\"1\"} ,",
        "[{\"Name\":\"team\",\"Uid\":\"1\"}]",
        "\x0c\x1f{\"Name\":\"team\",\"Uid\":\"1\"}",
        "team",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (member_fits("{uri.path[3]}", bad[i]))
            fail_msg("it fits: %s", bad[i]);
    }
    assert_false(member_fits("{uri.path[9]}", "{\"Name\":\"team\",\"Uid\":\"1\"}"));
    assert_false(member_fits("{dns[0]}", "{\"Name\":\"team\",\"Uid\":\"1\"}"));
}

static bool text_fits(const char *wanted, struct slice value)
{
    const struct extension extension = {OID_A, value};
    return fits(EXTENSION_TEXT, wanted, &extension, 1);
}

#define TEAM_X                                                                                     \
    BYTES("\x0c\x06"                                                                               \
          "team/x")
#define TEAM                                                                                       \
    BYTES("\x0c\x04"                                                                               \
          "team")
#define TWO                                                                                        \
    BYTES("\x30\x09\x0c\x04"                                                                       \
          "team\x0c\x01"                                                                           \
          "y")

static void a_text_is_compared_byte_by_byte_or_by_its_beginning(void **state)
{
    (void)state;
    assert_true(text_fits("team/x", TEAM_X));
    assert_true(text_fits("team/*", TEAM_X));
    assert_true(text_fits("team", TWO)); // any of them
    assert_true(text_fits("y", TWO));
    assert_false(text_fits("Team/x", TEAM_X));
    assert_false(text_fits("team/", TEAM_X));
    assert_false(text_fits("team/x/*", TEAM_X));
    assert_false(text_fits("team/*", BYTES("\x0c\x05"
                                           "team/")));
    assert_false(text_fits("tea*", TEAM_X));
    assert_false(text_fits("*", TEAM_X));
    assert_false(text_fits("/*", BYTES("\x0c\x02/x")));
    assert_false(text_fits("spiffe://*", BYTES("\x0c\x0c"
                                               "spiffe://a/b")));
    assert_true(text_fits("spiffe://a/*", BYTES("\x0c\x0c"
                                                "spiffe://a/b")));
    assert_false(text_fits("team/*", BYTES("\x0c\x06"
                                           "team/*")));
    assert_false(text_fits("", TEAM_X));
    assert_false(text_fits("team/x", BYTES("team/x"))); // no DER
    assert_false(text_fits("team/x", BYTES("\x0c\x06"
                                           "team/x\x00")));
    assert_false(text_fits("team/x", (struct slice){0})); // too long to be kept
}

static void an_extension_must_be_there_once_under_its_own_oid(void **state)
{
    const struct extension twice[] = {{OID_A, TEAM_X}, {OID_A, TEAM_X}};
    const struct extension other = {OID_B, TEAM_X};
    const struct extension both[] = {{OID_B, TEAM}, {OID_A, TEAM_X}};
    const struct extension longer = {BYTES("\x2B\x06\x01\x04\x01\x86\x8D\x1F\x01\x01"), TEAM_X};
    (void)state;
    assert_true(fits(EXTENSION_TEXT, "team/x", both, 2));
    assert_false(fits(EXTENSION_TEXT, "team/x", twice, 2));
    assert_false(fits(EXTENSION_DER, "\x0c\x06team/x", twice, 2));
    assert_false(fits(EXTENSION_TEXT, "team/x", &other, 1));
    assert_false(fits(EXTENSION_TEXT, "team/x", &longer, 1));
    assert_false(fits(EXTENSION_TEXT, "team/x", NULL, 0));
}

static void der_is_compared_with_all_bytes(void **state)
{
    const struct extension utf8 = {OID_A, TEAM_X};
    const struct extension ia5 = {OID_A, BYTES("\x16\x06"
                                               "team/x")};
    (void)state;
    assert_true(fits(EXTENSION_DER, "\x0c\x06team/x", &utf8, 1));
    assert_false(fits(EXTENSION_DER, "\x0c\x06team/x", &ia5, 1));
    assert_false(fits(EXTENSION_DER, "team/x", &utf8, 1));
    assert_false(fits(EXTENSION_DER, "\x0c\x06team/", &utf8, 1));
    assert_false(fits(EXTENSION_DER, "\x0c\x06team/*", &utf8, 1));
}

static void equals_compares_with_the_same_certificate(void **state)
{
    const struct extension team = {OID_A, TEAM};
    const struct extension other = {OID_A, TEAM_X};
    const struct extension two = {OID_A, TWO};
    const struct extension no_text = {OID_A, BYTES("team")};
    (void)state;
    assert_true(fits(EXTENSION_EQUALS, "{uri.path[3]}", &team, 1));
    assert_true(fits(EXTENSION_EQUALS, "{cn}", &team, 1));
    assert_true(fits(EXTENSION_EQUALS, "{cn}/{uri.path[1]}", &other, 1));
    assert_false(fits(EXTENSION_EQUALS, "{uri.path[1]}", &team, 1));
    assert_false(fits(EXTENSION_EQUALS, "{uri.path[4]}", &team, 1));
    assert_false(fits(EXTENSION_EQUALS, "{dns[0]}", &team, 1));
    assert_false(fits(EXTENSION_EQUALS, "{cn}", &two, 1)); // of several which?
    assert_false(fits(EXTENSION_EQUALS, "{cn}", &no_text, 1));
    assert_false(fits(EXTENSION_EQUALS, "{cn}", NULL, 0));
}

static void the_identity_keeps_at_most_so_many_and_none_that_is_too_long(void **state)
{
    static uint8_t bytes[EXTENSION_VALUE_MAX + 1];
    struct extension extensions[EXTENSIONS_MAX + 1];
    struct identity *identity = NULL;
    struct errinfo info;
    (void)state;
    for (size_t i = 0; i <= EXTENSIONS_MAX; i++)
        extensions[i] = (struct extension){OID_B, slice_of(bytes, 1)};
    extensions[0] = (struct extension){OID_A, slice_of(bytes, EXTENSION_VALUE_MAX + 1)};
    struct claim claim = {
        .trust_name = "staff", .extensions = extensions, .extension_count = EXTENSIONS_MAX + 1};
    assert_int_equal(ERR_LIMIT, claim_to_identity(&claim, &identity, &info));
    claim.extension_count = EXTENSIONS_MAX;
    assert_int_equal(ERR_OK, claim_to_identity(&claim, &identity, &info));
    assert_int_equal(identity->extension_count, EXTENSIONS_MAX);
    assert_null(identity_find_extension(identity, OID_A)->value.data);
    assert_null(identity_find_extension(identity, OID_B)); // repeated
    identity_destroy(identity);
    extensions[0].value.len = EXTENSION_VALUE_MAX;
    claim.extension_count = 1;
    assert_int_equal(ERR_OK, claim_to_identity(&claim, &identity, &info));
    assert_int_equal(identity_find_extension(identity, OID_A)->value.len, EXTENSION_VALUE_MAX);
    identity_destroy(identity);
}

static void the_record_says_what_was_asked_for_within_its_bound(void **state)
{
    static uint8_t bytes[256] = {0x04, 0x81, 253};
    struct extension extensions[EXTENSIONS_MAX];
    static uint8_t oids[EXTENSIONS_NAMED_MAX][EXTENSION_NAMED_OID_MAX];
    uint8_t named[EXTENSIONS_NAMED_MAX * (1 + EXTENSION_NAMED_OID_MAX)];
    static char data[IDENTITY_EXTENSIONS_JSON_CAP];
    struct identity *identity = NULL;
    struct errinfo info;
    struct text text;
    (void)state;
    memset(bytes + 3, '"', 253);
    memset(oids, 0x7F, sizeof oids);
    for (size_t i = 0; i < EXTENSIONS_NAMED_MAX; i++) {
        oids[i][5] = (uint8_t)i;
        named[41 * i] = EXTENSION_NAMED_OID_MAX;
        assert_true(bytes_copy(named + 41 * i + 1, 40, slice_of(oids[i], 40)));
    }
    for (size_t i = 0; i < EXTENSIONS_MAX; i++)
        extensions[i] = (struct extension){slice_of(oids[i % 8], 40), slice_of(bytes, 256)};
    struct claim claim = {
        .trust_name = "staff", .extensions = extensions, .extension_count = EXTENSIONS_MAX};
    assert_int_equal(ERR_OK, claim_to_identity(&claim, &identity, &info));
    text_init(&text, data, sizeof data);
    identity_append_extensions(identity, slice_of(named, sizeof named), &text);
    assert_false(text.is_cut);
    assert_non_null(strstr(data, "\"cut\":true"));
    identity_destroy(identity);

    const struct extension one = {OID_A, TEAM_X};
    claim = (struct claim){.trust_name = "staff", .extensions = &one, .extension_count = 1};
    assert_int_equal(ERR_OK, claim_to_identity(&claim, &identity, &info));
    text_init(&text, data, sizeof data);
    json_begin_object(&text, NULL);
    identity_append_extensions(identity, (struct slice){0}, &text);
    identity_append_extensions(identity,
                               BYTES("\x09\x2B\x06\x01\x04\x01\x86\x8D\x1F\x01"
                                     "\x09\x2B\x06\x01\x04\x01\x86\x8D\x1F\x02"),
                               &text);
    json_end_object(&text);
    assert_string_equal(
        data, "{\"extensions\":[{\"oid\":\"1.3.6.1.4.1.99999.1\",\"der\":\"0c067465616d2f78\","
              "\"text\":\"team/x\"},{\"oid\":\"1.3.6.1.4.1.99999.2\"}]}");
    identity_destroy(identity);
}

static void the_extensions_of_the_standards_are_not_for_match(void **state)
{
    static const struct {
        const char *oid;
        bool is_own;
    } rows[] = {{"2.5.29.17", true},
                {"2.5.29.19", true},
                {"2.5.29.32", true},
                {"1.3.6.1.5.5.7.1.1", true},
                {"1.3.6.1.5.5.7.1.3", true},
                {"1.3.6.1.4.1.11129.2.12.2", false},
                {"1.3.6.1.4.1.99999.1", false},
                {"2.5.4.3", false}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t oid[DN_OID_MAX_LEN];
        size_t len = 0;
        assert_true(oid_parse(slice_of_string(rows[i].oid), oid, &len));
        assert_int_equal(rows[i].is_own, extension_is_own(slice_of(oid, len)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_of_json_are_what_is_written),
        cmocka_unit_test(a_value_is_text_or_nothing_at_all),
        cmocka_unit_test(a_list_of_too_many_texts_is_no_text),
        cmocka_unit_test(a_text_is_compared_byte_by_byte_or_by_its_beginning),
        cmocka_unit_test(an_extension_must_be_there_once_under_its_own_oid),
        cmocka_unit_test(der_is_compared_with_all_bytes),
        cmocka_unit_test(equals_compares_with_the_same_certificate),
        cmocka_unit_test(the_identity_keeps_at_most_so_many_and_none_that_is_too_long),
        cmocka_unit_test(the_record_says_what_was_asked_for_within_its_bound),
        cmocka_unit_test(the_extensions_of_the_standards_are_not_for_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
