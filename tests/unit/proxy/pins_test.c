// pins: what is taken for one, and which keys they let through.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/uplink/pins.h"

// The SHA-256 of nothing, in both spellings.
static const char base64[] = "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
static const char hex[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

static void one_key_has_two_spellings(void **state)
{
    (void)state;
    struct pins pins = {.count = 0};
    struct errinfo info;
    char text[PIN_TEXT_CAP];
    assert_int_equal(pins_add(&pins, base64, &info), ERR_OK);
    assert_int_equal(pins_add(&pins, hex, &info), ERR_OK);
    assert_int_equal(pins.count, 2);
    assert_memory_equal(pins.sha256[0], pins.sha256[1], PIN_LEN);
    assert_string_equal(pin_format(pins.sha256[1], text), base64);
}

static void what_is_no_digest_is_no_pin(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "sha256//",
        "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuF==",  // 31 bytes
        "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",   // without its end
        "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=",  // bits after the last byte
        "sha256//47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=",  // base64url
        "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;", // two, or the beginning of them
        "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "SHA256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "sha1//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85500",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8zz",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pins pins = {.count = 0};
        struct errinfo info;
        assert_int_equal(pins_add(&pins, rows[i], &info), ERR_INPUT);
        assert_int_equal(pins.count, 0);
        assert_non_null(strstr(info.text, "is not a pin"));
    }
}

static void a_key_has_to_be_one_of_the_pins_where_there_are_any(void **state)
{
    (void)state;
    struct pins pins = {.count = 0};
    struct errinfo info;
    uint8_t key[PIN_LEN] = {0};
    assert_true(pins_allow(&pins, key));
    assert_int_equal(pins_add(&pins, base64, &info), ERR_OK);
    assert_false(pins_allow(&pins, key));
    assert_true(pins_allow(&pins, pins.sha256[0]));
    (void)memset(pins.sha256[1], 0, PIN_LEN); // beyond the last one: none
    assert_false(pins_allow(&pins, key));
    for (size_t at = 0; at < PIN_LEN; at++) {
        uint8_t other[PIN_LEN];
        (void)bytes_copy(other, sizeof other, slice_of(pins.sha256[0], PIN_LEN));
        other[at] ^= 1;
        assert_false(pins_allow(&pins, other));
    }
}

static void there_is_room_for_so_many_and_no_more(void **state)
{
    (void)state;
    struct pins pins = {.count = 0};
    struct errinfo info;
    char data[256];
    struct text text;
    text_init(&text, data, sizeof data);
    for (size_t i = 0; i < PINS_MAX; i++)
        assert_int_equal(pins_add(&pins, hex, &info), ERR_OK);
    assert_int_equal(pins_add(&pins, hex, &info), ERR_LIMIT);
    assert_int_equal(pins.count, PINS_MAX);
    pins_append(&pins, &text);
    assert_false(text.is_cut);
    assert_non_null(strstr(data, " and 13 more"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_key_has_two_spellings),
        cmocka_unit_test(what_is_no_digest_is_no_pin),
        cmocka_unit_test(a_key_has_to_be_one_of_the_pins_where_there_are_any),
        cmocka_unit_test(there_is_room_for_so_many_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
