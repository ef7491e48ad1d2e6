// What is near enough to be asked about, and what is not.
#include "proxy/config/spelling.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const char *const words[] = {"name",  "address", "certificates", "tls", "trust",
                                    "allow", "deny",    "ca",           "crl"};

enum { WORD_COUNT = sizeof words / sizeof words[0] };

static const char *nearest(const char *text)
{
    const size_t index = spelling_nearest(slice_of_string(text), words, WORD_COUNT);
    return index == WORD_COUNT ? "" : words[index];
}

static void finds_the_word_behind_a_slip(void **state)
{
    (void)state;
    assert_string_equal(nearest("adress"), "address");
    assert_string_equal(nearest("addres"), "address");
    assert_string_equal(nearest("addresss"), "address");
    assert_string_equal(nearest("certificate"), "certificates");
    assert_string_equal(nearest("certifactes"), "certificates");
    assert_string_equal(nearest("tursT"), "trust");
    assert_string_equal(nearest("Trust"), "trust");
    assert_string_equal(nearest("dney"), "deny");
    assert_string_equal(nearest("nmae"), "name");
    assert_string_equal(nearest("tsl"), "tls");
}

static void does_not_guess_at_words_that_are_far(void **state)
{
    (void)state;
    assert_string_equal(nearest(""), "");
    assert_string_equal(nearest("timeouts"), "");
    assert_string_equal(nearest("zzzz"), "");
    assert_string_equal(nearest("x"), "");
    assert_string_equal(nearest("address-address-address-address-address"), "");
    assert_int_equal(spelling_nearest(SLICE_LITERAL("name"), words, 0), 0);
}

static void takes_the_nearest_of_several(void **state)
{
    (void)state;
    static const char *const near[] = {"listen", "listener", "listeners"};
    assert_int_equal(spelling_nearest(SLICE_LITERAL("listners"), near, 3), 2);
    assert_int_equal(spelling_nearest(SLICE_LITERAL("listner"), near, 3), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_word_behind_a_slip),
        cmocka_unit_test(does_not_guess_at_words_that_are_far),
        cmocka_unit_test(takes_the_nearest_of_several),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
