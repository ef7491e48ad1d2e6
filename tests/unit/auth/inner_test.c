// What a first flight says against what was asked for: the table of verdicts.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "auth/inner.h"

struct row {
    struct inner inner;
    const char *asked; // authority
    enum inner_kind kind;
    enum client_hello_name naming;
    const char *name; // in the hello, or the Host; NULL: none
    bool has_ech;
    enum inner_step step;
    enum reason reason; // with INNER_END
};

#define REQUIRE(names_)                                                                            \
    {                                                                                              \
        .tls = INNER_REQUIRE, .names = names_, .plain = INNER_PLAIN_DENY                           \
    }
#define NAMED      INNER_TLS, CLIENT_HELLO_NAMED
#define NAMELESS   INNER_TLS, CLIENT_HELLO_NO_NAME, NULL, false
#define MISNAMED   INNER_TLS, CLIENT_HELLO_WRONG_NAME, NULL, false
#define HTTP       INNER_HTTP, CLIENT_HELLO_NO_NAME
#define BARE(kind) kind, CLIENT_HELLO_NO_NAME, NULL, false

static const struct row rows[] = {
    // any: nobody looks, observe: nobody minds
    {{0}, "a.test:443", NAMED, "evil.test", true, INNER_PASS, 0},
    {{.tls = INNER_OBSERVE}, "a.test:443", NAMED, "evil.test", true, INNER_PASS, 0},
    {{.tls = INNER_OBSERVE}, "a.test:443", BARE(INNER_OTHER), INNER_PASS, 0},
    {{.tls = INNER_OBSERVE}, "a.test:443", BARE(INNER_BAD_TLS), INNER_PASS, 0},
    {{.tls = INNER_OBSERVE, .denies_ech = true},
     "a.test:443",
     NAMED,
     "a.test",
     true,
     INNER_PASS,
     0},
    // require, the same name
    {REQUIRE(INNER_SAME), "a.test:443", NAMED, "a.test", false, INNER_PASS, 0},
    {REQUIRE(INNER_SAME), "a.test:443", NAMED, "a.test", true, INNER_PASS, 0},
    {REQUIRE(INNER_SAME), "a.test:443", NAMED, "b.test", false, INNER_END, REASON_INNER_MISMATCH},
    {REQUIRE(INNER_SAME), "a.test:443", NAMED, "x.a.test", false, INNER_END, REASON_INNER_MISMATCH},
    {REQUIRE(INNER_SAME), "x.a.test:443", NAMED, "a.test", false, INNER_END, REASON_INNER_MISMATCH},
    {REQUIRE(INNER_SAME), "a.test:443", NAMELESS, INNER_END, REASON_INNER_NO_NAME},
    {REQUIRE(INNER_SAME), "a.test:443", MISNAMED, INNER_END, REASON_INNER_MISMATCH},
    {REQUIRE(INNER_SAME), "a.test:443", BARE(INNER_BAD_TLS), INNER_END, REASON_INNER_NOT_TLS},
    {REQUIRE(INNER_SAME), "a.test:443", BARE(INNER_OTHER), INNER_END, REASON_INNER_NOT_TLS},
    {REQUIRE(INNER_SAME), "a.test:443", BARE(INNER_NOTHING), INNER_END, REASON_INNER_NOT_TLS},
    {REQUIRE(INNER_SAME), "a.test:443", BARE(INNER_TOO_LARGE), INNER_END, REASON_INNER_TOO_LARGE},
    {REQUIRE(INNER_SAME), "192.0.2.1:443", NAMED, "a.test", false, INNER_ASK_DNS, 0},
    {REQUIRE(INNER_SAME), "192.0.2.1:443", NAMELESS, INNER_END, REASON_INNER_NO_NAME},
    {REQUIRE(INNER_SAME), "192.0.2.1:443", MISNAMED, INNER_END, REASON_INNER_MISMATCH},
    // require, a listed name
    {REQUIRE(INNER_LISTED), "a.test:443", NAMED, "a.test", false, INNER_PASS, 0},
    {REQUIRE(INNER_LISTED), "a.test:443", NAMED, "b.test", false, INNER_ASK_POLICY, 0},
    {REQUIRE(INNER_LISTED), "a.test:443", NAMELESS, INNER_END, REASON_INNER_NO_NAME},
    {REQUIRE(INNER_LISTED), "a.test:443", MISNAMED, INNER_END, REASON_INNER_MISMATCH},
    {REQUIRE(INNER_LISTED), "192.0.2.1:443", NAMED, "b.test", false, INNER_ASK_DNS, 0},
    // require, any name
    {REQUIRE(INNER_NAMES_ANY), "a.test:443", NAMED, "b.test", false, INNER_PASS, 0},
    {REQUIRE(INNER_NAMES_ANY), "a.test:443", NAMELESS, INNER_PASS, 0},
    {REQUIRE(INNER_NAMES_ANY), "192.0.2.1:443", NAMELESS, INNER_PASS, 0},
    {REQUIRE(INNER_NAMES_ANY), "a.test:443", MISNAMED, INNER_PASS, 0},
    {REQUIRE(INNER_NAMES_ANY), "192.0.2.1:443", MISNAMED, INNER_PASS,
     0}, // Twisted: the address as a name
    {REQUIRE(INNER_NAMES_ANY), "a.test:443", BARE(INNER_OTHER), INNER_END, REASON_INNER_NOT_TLS},
    // ECH
    {{.tls = INNER_REQUIRE, .denies_ech = true},
     "a.test:443",
     NAMED,
     "a.test",
     true,
     INNER_END,
     REASON_INNER_ECH},
    {{.tls = INNER_REQUIRE, .denies_ech = true},
     "a.test:443",
     NAMED,
     "a.test",
     false,
     INNER_PASS,
     0},
    {{.tls = INNER_REQUIRE, .names = INNER_NAMES_ANY, .denies_ech = true},
     "a.test:443",
     NAMED,
     "b.test",
     true,
     INNER_END,
     REASON_INNER_ECH},
    // a request in the clear
    {{.plain = INNER_PLAIN_DENY},
     "a.test:80",
     HTTP,
     "a.test",
     false,
     INNER_END,
     REASON_INNER_PLAIN},
    {{.plain = INNER_PLAIN_DENY}, "a.test:80", HTTP, NULL, false, INNER_END, REASON_INNER_PLAIN},
    {{.plain = INNER_PLAIN_DENY}, "a.test:22", BARE(INNER_OTHER), INNER_PASS, 0},
    {{.plain = INNER_PLAIN_CHECK}, "a.test:80", HTTP, "a.test", false, INNER_PASS, 0},
    {{.plain = INNER_PLAIN_CHECK},
     "a.test:80",
     HTTP,
     "b.test",
     false,
     INNER_END,
     REASON_INNER_PLAIN},
    {{.plain = INNER_PLAIN_CHECK},
     "a.test:80",
     HTTP,
     "192.0.2.1",
     false,
     INNER_END,
     REASON_INNER_PLAIN},
    {{.plain = INNER_PLAIN_CHECK}, "192.0.2.1:80", HTTP, "192.0.2.1", false, INNER_PASS, 0},
    {{.plain = INNER_PLAIN_CHECK}, "192.0.2.1:80", HTTP, "b.test", false, INNER_ASK_DNS, 0},
    {{.plain = INNER_PLAIN_CHECK}, "a.test:80", HTTP, NULL, false, INNER_END, REASON_INNER_PLAIN},
    {{.plain = INNER_PLAIN_CHECK, .names = INNER_LISTED},
     "a.test:80",
     HTTP,
     "b.test",
     false,
     INNER_ASK_POLICY,
     0},
    {REQUIRE(INNER_SAME), "a.test:80", HTTP, "a.test", false, INNER_END, REASON_INNER_PLAIN},
    {{.tls = INNER_REQUIRE}, "a.test:80", HTTP, "a.test", false, INNER_END, REASON_INNER_NOT_TLS},
    {{.tls = INNER_REQUIRE, .plain = INNER_PLAIN_CHECK},
     "a.test:80",
     HTTP,
     "a.test",
     false,
     INNER_PASS,
     0},
};

// seen_of makes what was seen of a row.
static struct inner_seen seen_of(const struct row *row)
{
    struct inner_seen seen = {.kind = row->kind,
                              .hello = {.naming = row->naming, .has_ech = row->has_ech}};
    if (row->name == NULL)
        return seen;
    if (row->kind == INNER_HTTP) {
        seen.has_host = true;
        assert_int_equal(ERR_OK, target_host_parse(slice_of_string(row->name), &seen.host));
    } else {
        assert_int_equal(ERR_OK, hostname_parse(slice_of_string(row->name), &seen.hello.name));
    }
    return seen;
}

static void each_row_has_its_verdict(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct inner_seen seen = seen_of(&rows[i]);
        struct target asked;
        assert_int_equal(ERR_OK, target_parse(slice_of_string(rows[i].asked), &asked));
        const struct inner_verdict verdict = inner_judge(&rows[i].inner, &asked, &seen);
        if (verdict.step != rows[i].step ||
            (verdict.step == INNER_END && verdict.reason != rows[i].reason))
            print_error("row %zu: %d %s\n", i, verdict.step, reason_name(verdict.reason));
        assert_int_equal(rows[i].step, verdict.step);
        if (verdict.step == INNER_END)
            assert_int_equal(rows[i].reason, verdict.reason);
        if (verdict.step == INNER_ASK_POLICY || verdict.step == INNER_ASK_DNS)
            assert_string_equal(rows[i].name, verdict.name->text);
    }
}

static void what_requires_waits_on_both_sides_and_what_only_looks_on_none(void **state)
{
    (void)state;
    const struct inner require = {.tls = INNER_REQUIRE};
    const struct inner observe = {.tls = INNER_OBSERVE};
    const struct inner plain = {.plain = INNER_PLAIN_DENY};
    const struct inner any = {0};
    assert_true(inner_holds_up(&require) && inner_holds_down(&require));
    assert_true(inner_holds_up(&plain) && !inner_holds_down(&plain));
    assert_false(inner_holds_up(&observe) || inner_holds_down(&observe));
    assert_false(inner_holds_up(&any) || inner_holds_down(&any));
}

static struct client_hello hello_for(const char *name)
{
    struct client_hello hello = {.naming =
                                     name == NULL ? CLIENT_HELLO_NO_NAME : CLIENT_HELLO_NAMED};
    if (name != NULL)
        assert_int_equal(ERR_OK, hostname_parse(slice_of_string(name), &hello.name));
    return hello;
}

static void a_second_hello_names_what_the_first_one_named(void **state)
{
    (void)state;
    const struct inner require = {.tls = INNER_REQUIRE, .names = INNER_NAMES_ANY};
    const struct inner observe = {.tls = INNER_OBSERVE};
    const struct client_hello a = hello_for("a.test");
    const struct client_hello b = hello_for("b.test");
    const struct client_hello none = hello_for(NULL);
    struct client_hello wrong = a;
    wrong.naming = CLIENT_HELLO_WRONG_NAME;
    assert_int_equal(INNER_PASS, inner_judge_again(&require, &a, &a).step);
    assert_int_equal(INNER_PASS, inner_judge_again(&require, &none, &none).step);
    assert_int_equal(INNER_END, inner_judge_again(&require, &a, &b).step);
    assert_int_equal(INNER_END, inner_judge_again(&require, &a, &none).step);
    assert_int_equal(INNER_END, inner_judge_again(&require, &none, &a).step);
    assert_int_equal(INNER_END, inner_judge_again(&require, &a, &wrong).step);
    assert_int_equal(INNER_PASS, inner_judge_again(&observe, &a, &b).step);
}

static void a_route_asks_for_a_name_and_holds_the_tunnel_to_it(void **state)
{
    (void)state;
    static const struct inner client = {
        .tls = INNER_REQUIRE, .denies_ech = true, .routes_by_name = true};
    static const struct inner loose = {
        .tls = INNER_ANY, .names = INNER_NAMES_ANY, .plain = INNER_PLAIN_DENY, .denies_ech = true};
    const struct inner finder = inner_to_find_name(&client);
    const struct inner held = inner_of_named(&loose);
    assert_int_equal(INNER_REQUIRE, finder.tls);
    assert_false(finder.denies_ech); // the rule that admits the name may allow it
    assert_int_equal(INNER_REQUIRE, held.tls);
    assert_int_equal(INNER_SAME, held.names);
    assert_int_equal(INNER_PLAIN_DENY, held.plain);
    assert_true(held.denies_ech);
}

static void rules_are_written_as_the_configuration_has_them(void **state)
{
    (void)state;
    static const struct {
        struct inner inner;
        const char *text;
    } all[] = {
        {{0}, "{tls: any}"},
        {{.tls = INNER_OBSERVE}, "{tls: observe, plain: allow}"},
        {{.plain = INNER_PLAIN_CHECK, .names = INNER_LISTED},
         "{tls: any, names: listed, plain: check}"},
        {{.tls = INNER_REQUIRE, .denies_ech = true, .plain = INNER_PLAIN_DENY},
         "{tls: require, names: same, ech: deny, plain: deny}"},
    };
    char text[INNER_TEXT_CAP];
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        assert_string_equal(inner_format(&all[i].inner, text), all[i].text);
    assert_string_equal(inner_format(NULL, text), "{tls: any}");
}

static void looking_begins_where_a_rule_asks_for_it(void **state)
{
    (void)state;
    const struct inner any = {0};
    const struct inner observe = {.tls = INNER_OBSERVE};
    const struct inner plain = {.plain = INNER_PLAIN_CHECK};
    const struct inner both = {.tls = INNER_REQUIRE, .plain = INNER_PLAIN_DENY};
    assert_false(inner_looks(&any));
    assert_true(inner_looks(&observe) && inner_looks(&plain) && inner_looks(&both));
}

static void a_second_hello_offers_ech_only_where_it_may(void **state)
{
    (void)state;
    const struct inner allows = {.tls = INNER_REQUIRE};
    const struct inner denies = {.tls = INNER_REQUIRE, .denies_ech = true};
    const struct client_hello first = hello_for("a.test");
    struct client_hello second = first;
    assert_int_equal(INNER_PASS, inner_judge_again(&denies, &first, &second).step);
    second.has_ech = true;
    assert_int_equal(INNER_PASS, inner_judge_again(&allows, &first, &second).step);
    assert_int_equal(INNER_END, inner_judge_again(&denies, &first, &second).step);
    assert_int_equal(REASON_INNER_ECH, inner_judge_again(&denies, &first, &second).reason);
}

static void each_kind_has_its_name(void **state)
{
    (void)state;
    static const char *const names[] = {"none", "tls", "bad_tls", "too_large", "http", "other"};
    for (size_t kind = 0; kind < sizeof names / sizeof names[0]; kind++)
        assert_string_equal(names[kind], inner_kind_name((enum inner_kind)kind));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_has_its_verdict),
        cmocka_unit_test(what_requires_waits_on_both_sides_and_what_only_looks_on_none),
        cmocka_unit_test(a_second_hello_names_what_the_first_one_named),
        cmocka_unit_test(looking_begins_where_a_rule_asks_for_it),
        cmocka_unit_test(a_second_hello_offers_ech_only_where_it_may),
        cmocka_unit_test(each_kind_has_its_name),
        cmocka_unit_test(a_route_asks_for_a_name_and_holds_the_tunnel_to_it),
        cmocka_unit_test(rules_are_written_as_the_configuration_has_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
