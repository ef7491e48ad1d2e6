// The index of a CA: what a crash leaves, what a hand spoils, and that nothing of it is forgotten.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/base/text.h"
#include "proxy/pki/index.h"
#include "tests/unit/cert/scratch.h"

#define HEADER "sallyport-ca-index 1\n"
#define ALICE  "issue a1 client alice 100 200\n"

enum { TEXT_CAP = 1024 };

static const struct index_entry BOB = {
    .serial = "b2", .name = "bob", .kind = INDEX_SERVER, .not_before_s = 5, .not_after_s = 9};

static void write_index(const char *directory, const char *text)
{
    scratch_write(directory, "ca.index", slice_of_string(text));
}

static void assert_text(const char *directory, const char *expected)
{
    char text[TEXT_CAP];
    scratch_read(directory, "ca.index", text, sizeof text);
    assert_string_equal(text, expected);
}

static void keeps_what_is_added(void **state)
{
    struct errinfo info;
    struct index index;
    assert_int_equal(index_open(*state, true, &index, &info), ERR_OK);
    assert_true(index.is_missing);
    assert_int_equal(index_create(&index, &info), ERR_OK);
    assert_int_equal(index_add_issue(&index, &BOB, &info), ERR_OK);
    assert_int_equal(index_add_revocation(&index, "b2", REVOCATION_SUPERSEDED, 7, &info), ERR_OK);
    assert_int_equal(index_add_revocation(&index, "c3", REVOCATION_UNSPECIFIED, 8, &info), ERR_OK);
    assert_int_equal(index_add_crl(&index, 1, 8, &info), ERR_OK);
    index_deinit(&index);
    assert_text(*state, HEADER "issue b2 server bob 5 9\nrevoke b2 superseded 7\n"
                               "revoke c3 unspecified 8\ncrl 1 8\n");
    assert_int_equal(index_open(*state, false, &index, &info), ERR_OK);
    assert_int_equal(index.count, 2);
    assert_int_equal(index.crl_number, 1);
    const struct index_entry *bob = index_find(&index, "b2");
    assert_true(bob->is_revoked && bob->reason == REVOCATION_SUPERSEDED && bob->revoked_s == 7);
    assert_int_equal(index_find(&index, "c3")->kind, INDEX_UNKNOWN);
    assert_null(index_find(&index, "d4"));
    index_deinit(&index);
}

// Looking through all entries for each revocation would take minutes.
static void reads_a_hundred_thousand_revocations(void **state)
{
    (void)state;
    enum { COUNT = 100000, LINE_LEN_MAX = 64 };
    struct index index = {.path = "ca.index", .fd = -1, .lock_fd = -1};
    struct text text;
    struct errinfo info;
    size_t len = 0;
    char *data = malloc((size_t)2 * COUNT * LINE_LEN_MAX);
    assert_non_null(data);
    text_init(&text, data, (size_t)2 * COUNT * LINE_LEN_MAX);
    text_append_string(&text, "sallyport-ca-index 1\n");
    for (int i = 1; i <= COUNT; i++)
        text_append_format(&text, "issue %x client a 1 2\n", i);
    for (int i = 1; i <= COUNT; i += 2)
        text_append_format(&text, "revoke %x unspecified 3\n", i);
    assert_false(text.is_cut);
    assert_int_equal(index_read(&index, text_slice(&text), &len, &info), ERR_OK);
    assert_int_equal(len, text.len);
    assert_int_equal(index.count, COUNT);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(index.entries[i].is_revoked, i % 2 == 0);
    index_deinit(&index);
    free(data);
}

static void survives_a_torn_last_line(void **state)
{
    static const char *const torn[] = {"i", "issue b2 client b", "crl 9 9",
                                       "revoke a1 superseded 1"};
    for (size_t i = 0; i < sizeof torn / sizeof torn[0]; i++) {
        char text[TEXT_CAP];
        struct errinfo info;
        struct index index;
        (void)snprintf(text, sizeof text, HEADER ALICE "%s", torn[i]);
        write_index(*state, text);
        assert_int_equal(index_open(*state, false, &index, &info), ERR_OK);
        assert_int_equal(index.count, 1);
        assert_false(index.entries[0].is_revoked);
        assert_int_equal(index.crl_number, 0);
        index_deinit(&index);
        assert_text(*state, text); // reading repairs nothing
        assert_int_equal(index_open(*state, true, &index, &info), ERR_OK);
        assert_int_equal(index_add_issue(&index, &BOB, &info), ERR_OK);
        index_deinit(&index);
        assert_text(*state, HEADER ALICE "issue b2 server bob 5 9\n");
    }
}

static void refuses_every_line_that_is_none(void **state)
{
    static const char *const lines[] = {
        "",
        "hello",
        "issue a1 client alice 100",
        "issue a1 client alice 100 200 300",
        "issue a1 client alice 100  200",
        "issue a1 client alice 100 2x0",
        "issue a1 client alice 100 99999999999999999999",
        "issue a1 client ../alice 100 200",
        "issue a1 unknown alice 100 200",
        "issue A1 client alice 100 200",
        "issue 0a1 client alice 100 200",
        "issue xyz client alice 100 200",
        "revoke a1 spite 1",
        "revoke a1 superseded",
        "revoke a1 superseded -",
        "crl 0 1",
        "crl -1 1",
        "crl 1",
        "issue a1 client alice 100 200\r",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char text[TEXT_CAP];
        struct errinfo info = {0};
        struct index index;
        (void)snprintf(text, sizeof text, HEADER "%s\n" ALICE, lines[i]);
        write_index(*state, text);
        if (index_open(*state, true, &index, &info) != ERR_INPUT)
            fail_msg("'%s' is taken", lines[i]);
        assert_non_null(strstr(info.text, "ca.index:2:"));
        assert_text(*state, text); // and it is left as it was
    }
}

static void refuses_a_file_that_is_no_index(void **state)
{
    static const char *const texts[] = {"", "hello", "hello\n", "sallyport-ca-index 2\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct errinfo info;
        struct index index;
        write_index(*state, texts[i]);
        assert_int_equal(index_open(*state, true, &index, &info), ERR_INPUT);
        assert_text(*state, texts[i]);
    }
}

static void the_first_revocation_holds(void **state)
{
    struct errinfo info;
    struct index index;
    write_index(*state, HEADER ALICE "revoke a1 keyCompromise 1\nrevoke a1 superseded 2\n");
    assert_int_equal(index_open(*state, false, &index, &info), ERR_OK);
    assert_int_equal(index_find(&index, "a1")->reason, REVOCATION_KEY_COMPROMISE);
    assert_int_equal(index_find(&index, "a1")->revoked_s, 1);
    index_deinit(&index);
}

static void the_crl_number_is_the_highest_there_was(void **state)
{
    struct errinfo info;
    struct index index;
    write_index(*state, HEADER "crl 7 1\ncrl 3 2\n");
    assert_int_equal(index_open(*state, false, &index, &info), ERR_OK);
    assert_int_equal(index.crl_number, 7);
    index_deinit(&index);
}

static void reads_a_serial_in_any_spelling(void **state)
{
    (void)state;
    char serial[INDEX_SERIAL_CAP];
    assert_true(index_parse_serial("00:AB:0c", serial));
    assert_string_equal(serial, "ab0c");
    assert_true(index_parse_serial("000", serial));
    assert_string_equal(serial, "0");
    static const char *const none[] = {"", ":", ":ab", "xyz", "ab cd", "0x12", "-1"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_false(index_parse_serial(none[i], serial));
    char longest[2 * INDEX_SERIAL_CAP];
    memset(longest, 'a', sizeof longest);
    longest[INDEX_SERIAL_CAP] = '\0';
    assert_false(index_parse_serial(longest, serial));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_create, scratch_destroy)
    const struct CMUnitTest tests[] = {
        TEST(keeps_what_is_added),
        TEST(reads_a_hundred_thousand_revocations),
        TEST(survives_a_torn_last_line),
        TEST(refuses_every_line_that_is_none),
        TEST(refuses_a_file_that_is_no_index),
        TEST(the_first_revocation_holds),
        TEST(the_crl_number_is_the_highest_there_was),
        TEST(reads_a_serial_in_any_spelling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
