// Address and port together: read, written, compared.
#include "proxy/config/endpoint_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct endpoint endpoint(const char *text)
{
    struct endpoint out = {0};
    struct errinfo info;
    if (endpoint_parse(slice_of_string(text), &out, &info) != ERR_OK)
        fail_msg("not parsed: %s: %s", text, info.text);
    return out;
}

static void writes_what_it_reads(void **state)
{
    (void)state;
    static const char *const texts[] = {"127.0.0.1:8443", "0.0.0.0:0", "[::]:65535",
                                        "[2001:db8::1]:1"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const struct endpoint value = endpoint(texts[i]);
        char text[ENDPOINT_TEXT_CAP];
        assert_string_equal(endpoint_format(&value, text), texts[i]);
    }
}

static void refuses_what_is_no_address_and_port(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      ":",
                                      ":80",
                                      "127.0.0.1",
                                      "127.0.0.1:",
                                      "127.0.0.1:x",
                                      "1.2.3.4:-1",
                                      "1.2.3.4:08",
                                      "[::1]",
                                      "::1",
                                      "::1:80:",
                                      "[1.2.3.4]:80",
                                      "localhost:80",
                                      "[::1:80",
                                      "1.2.3.4:65536",
                                      "[::ffff:1.2.3.4]:80",
                                      "[fe80::1%lo]:80"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct endpoint out;
        struct errinfo info = {0};
        if (endpoint_parse(slice_of_string(bad[i]), &out, &info) != ERR_INPUT)
            fail_msg("should have been refused: `%s`", bad[i]);
        assert_string_not_equal(info.text, "");
    }
}

static void an_endpoint_is_taken_by_itself_and_by_every_address(void **state)
{
    (void)state;
    static const struct {
        const char *a;
        const char *b;
        bool is_equal;
        bool is_taken;
    } rows[] = {
        {"127.0.0.1:1", "127.0.0.1:1", true, true},
        {"[::1]:1", "[::1]:1", true, true},
        {"0.0.0.0:1", "0.0.0.0:1", true, true},
        {"0.0.0.0:1", "[::]:1", false, true},
        {"[::]:1", "[::]:1", true, true},
        {"127.0.0.1:0", "127.0.0.1:0", true, false},
        {"0.0.0.0:0", "[::]:0", false, false},
        {"127.0.0.1:1", "127.0.0.1:2", false, false},
        {"127.0.0.1:1", "127.0.0.2:1", false, false},
        {"127.0.0.1:1", "[::1]:1", false, false},
        {"0.0.0.0:1", "[::]:2", false, false},
        {"0.0.0.0:1", "127.0.0.1:1", false, true},
        {"0.0.0.0:1", "[::1]:1", false, false},
        {"[::]:1", "127.0.0.1:1", false, true},
        {"[::]:1", "[::1]:1", false, true},
        {"0.0.0.0:1", "127.0.0.1:2", false, false},
        {"0.0.0.0:0", "127.0.0.1:0", false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct endpoint a = endpoint(rows[i].a);
        const struct endpoint b = endpoint(rows[i].b);
        if (endpoint_equal(&a, &b) != rows[i].is_equal ||
            endpoint_equal(&b, &a) != rows[i].is_equal ||
            endpoint_is_taken(&a, &b) != rows[i].is_taken ||
            endpoint_is_taken(&b, &a) != rows[i].is_taken)
            fail_msg("wrong about %s and %s", rows[i].a, rows[i].b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_what_it_reads),
        cmocka_unit_test(refuses_what_is_no_address_and_port),
        cmocka_unit_test(an_endpoint_is_taken_by_itself_and_by_every_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
