// http_url: one spelling for one URL, and everything that could be read in two ways refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/http_url.h"

static struct http_url good(const char *text)
{
    struct http_url url;
    struct errinfo info = {0};
    if (http_url_parse(slice_of_string(text), &url, &info) != ERR_OK)
        fail_msg("%s: %s", text, info.text);
    return url;
}

static void each_url_has_one_spelling(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *canonical;
    } cases[] = {
        {"http://pki.example.org/ca.crl", "http://pki.example.org/ca.crl"},
        {"HTTP://PKI.example.ORG./Ca.crl", "http://pki.example.org/Ca.crl"},
        {"http://pki.example.org", "http://pki.example.org/"},
        {"http://pki.example.org:80/", "http://pki.example.org/"},
        {"https://pki.example.org:443/", "https://pki.example.org/"},
        {"https://pki.example.org:80/", "https://pki.example.org:80/"},
        {"http://pki.example.org?cmd=crl", "http://pki.example.org/?cmd=crl"},
        {"http://127.0.0.1:8181/v1/data", "http://127.0.0.1:8181/v1/data"},
        {"http://[2001:DB8:0::1]:8080/x", "http://[2001:db8::1]:8080/x"},
        {"http://h.test/a%20b%2fc(1)%2B1.crl", "http://h.test/a%20b%2Fc(1)%2B1.crl"},
        {"http://h.test/a/?q=/../x", "http://h.test/a/?q=/../x"},
        {"http://h.test/..a/.b/c..", "http://h.test/..a/.b/c.."},
        {"http://h.test//a", "http://h.test//a"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct http_url url = good(cases[i].text);
        assert_string_equal(url.text, cases[i].canonical);
        assert_int_equal(url.len, strlen(url.text));
    }
}

static void the_parts_are_what_a_request_needs(void **state)
{
    (void)state;
    const struct http_url url = good("https://PKI.test:8443/a/b?c");
    assert_true(url.is_https);
    assert_int_equal(url.target.port, 8443);
    assert_string_equal(url.target.name.text, "pki.test");
    assert_true(slice_equal(http_url_authority(&url), SLICE_LITERAL("pki.test:8443")));
    assert_true(slice_equal(http_url_path(&url), SLICE_LITERAL("/a/b?c")));
    const struct http_url address = good("http://[::1]");
    assert_true(slice_equal(http_url_authority(&address), SLICE_LITERAL("[::1]")));
    assert_int_equal(address.target.kind, TARGET_ADDRESS);
    assert_int_equal(address.target.port, 80);
}

static void what_could_be_read_in_two_ways_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "http:/h/",
        "http:///x",
        "//h/x",
        "ftp://h.test/",
        "ldap://h.test/",
        "file:///etc/passwd",
        "http://u@h.test/",
        "http://u:p@h.test/",
        "http://h.test#f",
        "http://h.test/x#f",
        "http://h.test/?x#f",
        "http://h.test:/",
        "http://h.test:0/",
        "http://h.test:65536/",
        "http://h.test:080/",
        "http://h.test:80:80/",
        "http://0x7f.1/",
        "http://2130706433/",
        "http://127.1/",
        "http://010.0.0.1/",
        "http://::1/",
        "http://[::1%25lo]/",
        "http://[::ffff:10.0.0.1]/",
        "http://h.test/.",
        "http://h.test/..",
        "http://h.test/../x",
        "http://h.test/a/./x",
        "http://h.test/%2e%2e/x",
        "http://h.test/a/.%2e/x",
        "http://h.test/..;/x",
        "http://h.test/a/..;x=y/b",
        "http://h.test/a/.;",
        "http://h.test/a/%2e%2e;/b",
        "http://h.test/%2E/x",
        "http://h.test/%41",
        "http://h.test/%00",
        "http://h.test/%0d%0aX: y",
        "http://h.test/%7f",
        "http://h.test/%",
        "http://h.test/%4",
        "http://h.test/%zz",
        "http://h.test/a b",
        "http://h.test/\\..\\x",
        "http://h.test\\@other.test/",
        "http://h.test/\r\nX: y",
        "http://h.test/\xC3\xA4",
        "http://h.test/<x>",
        " http://h.test/",
        "http://h.test/ ",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_url url;
        struct errinfo info = {0};
        if (http_url_parse(slice_of_string(cases[i]), &url, &info) != ERR_INPUT)
            fail_msg("%s became %s", cases[i], url.text);
        assert_true(info.text[0] != '\0' && url.len == 0);
    }
    struct http_url url;
    struct errinfo info;
    assert_int_equal(http_url_parse(SLICE_LITERAL("http://h.test/a\0b"), &url, &info), ERR_INPUT);
}

static void a_url_is_at_most_so_long(void **state)
{
    (void)state;
    char text[HTTP_URL_MAX_LEN + 2] = "http://h.test/";
    struct http_url url;
    struct errinfo info;
    memset(text + strlen(text), 'a', sizeof text - 1 - strlen(text));
    const struct slice whole = slice_of(text, HTTP_URL_MAX_LEN);
    assert_int_equal(http_url_parse(whole, &url, &info), ERR_OK);
    assert_int_equal(url.len, HTTP_URL_MAX_LEN);
    assert_int_equal(http_url_parse(slice_of(text, HTTP_URL_MAX_LEN + 1), &url, &info), ERR_INPUT);
    // The slash that is added does not fit.
    text[strlen("http://h.test")] = '?';
    assert_int_equal(http_url_parse(whole, &url, &info), ERR_INPUT);
}

static void only_what_is_below_a_prefix_is_under_it(void **state)
{
    (void)state;
    const struct http_url prefix = good("http://pki.test/crl/");
    static const struct {
        const char *text;
        bool is_under;
    } cases[] = {
        {"http://pki.test/crl/ca.crl", true},
        {"http://PKI.test:80/crl/a/b.crl", true},
        {"http://pki.test/crl/", true},
        {"http://pki.test/crl/x?y=%2F", true},
        {"http://pki.test/crl", false},
        {"http://pki.test/crlx/ca.crl", false},
        {"http://pki.test/CRL/ca.crl", false},
        {"https://pki.test/crl/ca.crl", false},
        {"http://pki.test:8080/crl/ca.crl", false},
        {"http://pki.test.evil.test/crl/ca.crl", false},
        {"http://pki.test/crl/..%2Fx", false},
        {"http://pki.test/crl/..%5Cx", false},
        {"http://pki.test//crl/ca.crl", false},
        {"http://pki.test/crl/..%5cx", false},
        {"http://pki.test/crl/a%2fb", false},
        {"http://pki.test/crl/%252e%252e/x", false},
        {"http://pki.test/crl/..%255cx", false},
        {"http://pki.test/crl/a%25b", false},
        {"http://pki.test/crl/..%3Bx/y", false},
        {"http://pki.test/crl/..%20/y", false},
        {"http://pki.test/crl/.%20/y", false},
        {"http://pki.test/crl/ca;v=1/a.crl", true},
        {"http://pki.test/crl/a..b/...crl", true},
        {"http://pki.test/crl/ca%20one.crl?q=%25&p=../x", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct http_url url = good(cases[i].text);
        if (http_url_is_under(&url, &prefix) != cases[i].is_under)
            fail_msg("%s", cases[i].text);
    }
    const struct http_url file = good("http://pki.test/crl");
    const struct http_url query = good("http://pki.test/?x/");
    assert_true(http_url_is_prefix(&prefix));
    assert_false(http_url_is_prefix(&file));
    assert_false(http_url_is_prefix(&query));
    assert_false(http_url_is_under(&prefix, &file));
    assert_false(http_url_is_under(&query, &query));
    const struct http_url prefixes[] = {good("http://other.test/"), prefix};
    const struct http_url list = good("http://pki.test/crl/ca.crl");
    assert_true(http_url_is_under_any(&list, prefixes, 2));
    assert_false(http_url_is_under_any(&list, prefixes, 1));
    assert_false(http_url_is_under_any(&list, NULL, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_url_has_one_spelling),
        cmocka_unit_test(the_parts_are_what_a_request_needs),
        cmocka_unit_test(what_could_be_read_in_two_ways_is_refused),
        cmocka_unit_test(a_url_is_at_most_so_long),
        cmocka_unit_test(only_what_is_below_a_prefix_is_under_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
