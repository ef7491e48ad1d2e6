// What is said about the BoringSSL in the program, and from when on it is old.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/tls/library.h"

enum { DAY_S = 86400, NOW_S = 1800000000 }; // 2027-01-15

static const struct tls_library modern = {.name = "upstream 1",
                                          .commit = "0123456789abcdef0123456789abcdef01234567",
                                          .date_s = 1786579200, // 2026-08-13
                                          .api = 40,
                                          .has_vaes = true,
                                          .has_ml_kem = true};
static const struct tls_library nameless = {.name = "a checkout", .commit = "", .api = 19};

static void assert_says(void (*append)(const struct tls_library *, struct text *),
                        const struct tls_library *library, const char *expected)
{
    char data[TLS_LIBRARY_ADVICE_CAP];
    struct text text;
    text_init(&text, data, sizeof data);
    append(library, &text);
    assert_string_equal(text.data, expected);
}

static void the_library_of_this_build_is_described(void **state)
{
    (void)state;
    const struct tls_library library = tls_library_describe();
    assert_true(strlen(library.name) > 3);
    assert_true(library.api >= 19);
    for (const char *at = library.commit; *at != '\0'; at++)
        assert_non_null(strchr("0123456789abcdef", *at));
    // No version is older than this, and a wrong unit would be later.
    assert_true(library.date_s == 0 ||
                (library.date_s > 1500000000 && library.date_s < INT64_C(5000000000)));
    // VAES came two years before ML-KEM.
    assert_true(library.has_vaes || !library.has_ml_kem);
}

static void a_library_is_old_after_two_years(void **state)
{
    (void)state;
    struct tls_library library = modern;
    const int64_t ages[] = {0, 365, 729, 730, 731, 732, 4000};
    for (size_t i = 0; i < sizeof ages / sizeof *ages; i++) {
        library.date_s = NOW_S - ages[i] * DAY_S;
        assert_int_equal(tls_library_is_old(&library, NOW_S), ages[i] > 730);
    }
    library.date_s = NOW_S + DAY_S; // somebody's clock is wrong
    assert_false(tls_library_is_old(&library, NOW_S));
    assert_false(tls_library_is_old(&nameless, NOW_S));
}

static void it_is_told_in_one_line(void **state)
{
    (void)state;
    assert_says(tls_library_append, &modern,
                "BoringSSL: upstream 1, commit 0123456789ab of 2026-08-13, API 40, with VAES, with "
                "X25519MLKEM768");
    assert_says(tls_library_append, &nameless,
                "BoringSSL: a checkout, of an unknown day, API 19, without VAES, without "
                "X25519MLKEM768");
}

static void the_advice_names_what_is_missing(void **state)
{
    (void)state;
    struct tls_library old = modern;
    assert_says(tls_library_append_advice, &old,
                "the BoringSSL in this program is of 2026-08-13, more than two years old: what was "
                "mended since may not be in it. Use a release, or build with --config=upstream: "
                "docs/DEVELOPING.md, \"BoringSSL\"");
    old.has_vaes = false;
    old.has_ml_kem = false;
    assert_says(tls_library_append_advice, &old,
                "the BoringSSL in this program is of 2026-08-13, more than two years old: what was "
                "mended since may not be in it, clients cannot agree on X25519MLKEM768, and "
                "processors with VAES spend more on each byte. Use a release, or build with "
                "--config=upstream: docs/DEVELOPING.md, \"BoringSSL\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_library_of_this_build_is_described),
        cmocka_unit_test(a_library_is_old_after_two_years),
        cmocka_unit_test(it_is_told_in_one_line),
        cmocka_unit_test(the_advice_names_what_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
