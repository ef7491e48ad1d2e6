// What the standings of a chain's certificates mean for its client.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

#include "auth/ocsp_settings.h"
#include "auth/ocsp_verdict.h"

#define GOOD     OCSP_STANDS_GOOD
#define UNASKED  OCSP_STANDS_UNASKED
#define SILENT   OCSP_STANDS_SILENT
#define CROWDED  OCSP_STANDS_CROWDED
#define UNPLACED OCSP_STANDS_UNPLACED
#define UNKNOWN  OCSP_STANDS_UNKNOWN
#define REVOKED  OCSP_STANDS_REVOKED
#define MISSING  REASON_OCSP_UNAVAILABLE
#define BAD      REASON_OCSP_UNKNOWN

static const struct {
    size_t count;
    enum ocsp_standing standings[3];
    enum reason soft;
    enum reason require;
    bool waits;
    bool is_unanswered; // with soft
} cases[] = {
    {0, {0}, REASON_NONE, REASON_NONE, false, false},
    {1, {GOOD}, REASON_NONE, REASON_NONE, false, false},
    {2, {GOOD, GOOD}, REASON_NONE, REASON_NONE, false, false},
    {1, {REVOKED}, REASON_REVOKED, REASON_REVOKED, false, false},
    {2, {GOOD, REVOKED}, REASON_REVOKED, REASON_REVOKED, false, false},
    {3, {UNASKED, UNKNOWN, REVOKED}, REASON_REVOKED, REASON_REVOKED, false, false},
    {3, {REVOKED, UNASKED, SILENT}, REASON_REVOKED, REASON_REVOKED, false, false},
    {1, {UNKNOWN}, BAD, BAD, false, false},
    {2, {UNKNOWN, UNASKED}, BAD, BAD, false, false},
    {2, {SILENT, UNKNOWN}, BAD, BAD, false, false},
    {1, {UNASKED}, REASON_NONE, MISSING, true, true},
    {2, {GOOD, UNASKED}, REASON_NONE, MISSING, true, true},
    {2, {UNASKED, SILENT}, REASON_NONE, MISSING, true, true},
    {2, {UNPLACED, UNASKED}, REASON_NONE, MISSING, true, true},
    {1, {SILENT}, REASON_NONE, MISSING, false, true},
    {2, {SILENT, GOOD}, REASON_NONE, MISSING, false, true},
    {1, {UNPLACED}, REASON_NONE, MISSING, false, true},
    {1, {CROWDED}, REASON_NONE, MISSING, false, true},
    {2, {CROWDED, UNASKED}, REASON_NONE, MISSING, true, true},
    {2, {CROWDED, REVOKED}, REASON_REVOKED, REASON_REVOKED, false, false},
    {3, {GOOD, GOOD, UNPLACED}, REASON_NONE, MISSING, false, true},
};

static void the_worst_of_a_chain_decides(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ocsp_view views[3] = {0};
        for (size_t v = 0; v < cases[i].count; v++)
            views[v].standing = cases[i].standings[v];
        const struct ocsp_verdict soft = ocsp_decide(OCSP_SOFT, views, cases[i].count);
        const struct ocsp_verdict require = ocsp_decide(OCSP_REQUIRE, views, cases[i].count);
        assert_int_equal(soft.reason, cases[i].soft);
        assert_int_equal(require.reason, cases[i].require);
        assert_int_equal(soft.waits, cases[i].waits);
        assert_int_equal(require.waits, cases[i].waits);
        assert_int_equal(soft.why != NULL, cases[i].is_unanswered);
        assert_int_equal(require.why != NULL, require.reason == MISSING);
        assert_int_equal(soft.detail[0] == '\0', soft.reason == REASON_NONE);
        assert_int_equal(require.detail[0] == '\0', require.reason == REASON_NONE);
    }
}

static void who_has_no_answer_is_told_why(void **state)
{
    static const struct {
        struct ocsp_view views[2];
        const char *name;
        const char *sentence; // has this
    } whys[] = {
        {{{.standing = SILENT, .fault = OCSP_FAULT_TIMEOUT}, {.standing = GOOD}},
         "timeout",
         "within `timeout`"},
        {{{.standing = GOOD}, {.standing = UNASKED, .fault = OCSP_FAULT_SIGNATURE}},
         "bad_signature",
         "its signature is wrong"},
        {{{.standing = SILENT}, {.standing = SILENT, .fault = OCSP_FAULT_TRY_LATER}},
         "try_later",
         "tryLater"},
        {{{.standing = SILENT, .fault = OCSP_FAULT_DENIED}}, "denied_signer", "denied"},
        {{{.standing = UNASKED}}, "no_answer_yet", "not answered in time"},
        {{{.standing = UNPLACED}}, "nobody_to_ask", "may be asked"},
        {{{.standing = CROWDED}, {.standing = SILENT, .fault = OCSP_FAULT_TIMEOUT}},
         "no_room",
         "no room"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof whys / sizeof whys[0]; i++) {
        const struct ocsp_verdict soft = ocsp_decide(OCSP_SOFT, whys[i].views, 2);
        const struct ocsp_verdict require = ocsp_decide(OCSP_REQUIRE, whys[i].views, 2);
        assert_string_equal(soft.why->name, whys[i].name);
        assert_string_equal(require.why->name, whys[i].name);
        assert_string_equal(require.detail, require.why->sentence);
        assert_non_null(strstr(require.detail, whys[i].sentence));
        assert_true(strlen(require.detail) < 250);
    }
}

static void nobody_is_refused_where_nobody_is_asked(void **state)
{
    const struct ocsp_view revoked[] = {{.standing = REVOKED}};
    (void)state;
    const struct ocsp_verdict verdict = ocsp_decide(OCSP_OFF, revoked, 1);
    assert_int_equal(verdict.reason, REASON_NONE);
    assert_false(verdict.waits || verdict.why != NULL);
    assert_string_equal(ocsp_mode_name(OCSP_REQUIRE), "require");
}

static void the_end_of_a_tunnel_has_the_reason_of_the_refusal(void **state)
{
    (void)state;
    assert_int_equal(reason_of_end(REASON_OCSP_UNKNOWN), REASON_OCSP_UNKNOWN);
    assert_int_equal(reason_of_end(REASON_REVOKED), REASON_REVOKED);
}

static void parse(const char *text, struct http_url *out)
{
    struct errinfo info;
    assert_int_equal(http_url_parse(slice_of_string(text), out, &info), ERR_OK);
}

static void a_certificate_may_name_whom_the_prefixes_allow(void **state)
{
    (void)state;
    static const struct {
        struct slice urls;
        const char *found; // NULL: nobody
    } places[] = {
        {{0}, NULL},
        {SLICE_LITERAL("http://a.test/x\0"), "http://a.test/x"},
        {SLICE_LITERAL("http://b.test/ocsp/1\0"), "http://b.test/ocsp/1"},
        {SLICE_LITERAL("http://b.test/other\0"), NULL},
        {SLICE_LITERAL("http://c.test/\0http://a.test/y\0http://a.test/z\0"), "http://a.test/y"},
        {SLICE_LITERAL("http://a.test:81/\0"), NULL},
        {SLICE_LITERAL("http://a.test@c.test/\0"), NULL},
        {SLICE_LITERAL("http://a.test.c.test/\0"), NULL},
        {SLICE_LITERAL("https://a.test/\0"), NULL},
        {SLICE_LITERAL("http://b.test/ocsp/../other\0"), NULL},
        {SLICE_LITERAL("no url\0"), NULL},
    };
    struct ocsp_settings *settings = ocsp_settings_create(2);
    assert_non_null(settings);
    parse("http://a.test/", &settings->prefixes[0]);
    parse("http://b.test/ocsp/", &settings->prefixes[1]);
    settings->prefix_count = 2;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        struct http_url url;
        const bool is_found = ocsp_settings_find_url(settings, places[i].urls, &url);
        assert_int_equal(is_found, places[i].found != NULL);
        if (is_found)
            assert_string_equal(url.text, places[i].found);
    }
    ocsp_settings_unref(ocsp_settings_ref(settings));
    ocsp_settings_unref(settings);
    ocsp_settings_unref(NULL);
}

static void the_responder_of_the_configuration_is_asked_whatever_a_certificate_names(void **state)
{
    struct ocsp_settings *settings = ocsp_settings_create(0);
    struct http_url url;
    (void)state;
    assert_non_null(settings);
    settings->has_responder = true;
    parse("http://ours.test/", &settings->responder);
    assert_true(ocsp_settings_find_url(settings, SLICE_LITERAL("http://a.test/\0"), &url));
    assert_string_equal(url.text, "http://ours.test/");
    assert_true(ocsp_settings_find_url(settings, (struct slice){0}, &url));
    ocsp_settings_unref(settings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_worst_of_a_chain_decides),
        cmocka_unit_test(who_has_no_answer_is_told_why),
        cmocka_unit_test(nobody_is_refused_where_nobody_is_asked),
        cmocka_unit_test(the_end_of_a_tunnel_has_the_reason_of_the_refusal),
        cmocka_unit_test(a_certificate_may_name_whom_the_prefixes_allow),
        cmocka_unit_test(the_responder_of_the_configuration_is_asked_whatever_a_certificate_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
