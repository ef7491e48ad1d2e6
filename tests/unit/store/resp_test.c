// resp: what a store says, whole and in pieces; and what is refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/store/resp.h"
#include "proxy/store/resp_command.h"
#include "proxy/store/store_fault.h"
#include "proxy/store/store_places.h"
#include "proxy/store/store_role.h"

// read_one reads one answer of `bytes`, `step` bytes at a time.
static enum resp_result read_one(struct slice bytes, size_t step, struct resp **out,
                                 const char **why)
{
    struct resp_reader *reader = resp_reader_create();
    enum resp_result result = RESP_MORE;
    assert_non_null(reader);
    while (bytes.len > 0 && result == RESP_MORE) {
        resp_reader_feed(reader, slice_first(bytes, step));
        bytes = slice_from(bytes, step);
        result = resp_reader_next(reader, out, why);
    }
    resp_reader_destroy(reader);
    return result;
}

static struct resp *must_read(const char *text)
{
    struct resp *answer = NULL;
    const char *why = NULL;
    assert_int_equal(read_one(slice_of_string(text), 1, &answer, &why), RESP_OK);
    resp_free(answer);
    assert_int_equal(read_one(slice_of_string(text), SIZE_MAX, &answer, &why), RESP_OK);
    return answer;
}

static void must_refuse(struct slice bytes, const char *expected)
{
    struct resp *answer = NULL;
    const char *why = "nothing";
    assert_int_equal(read_one(bytes, SIZE_MAX, &answer, &why), RESP_BAD);
    if (expected != NULL)
        assert_non_null(strstr(why, expected));
    assert_int_equal(read_one(bytes, 1, &answer, &why), RESP_BAD);
}

static void reads_every_kind(void **state)
{
    (void)state;
    struct resp *answer =
        must_read("*6\r\n+OK\r\n-ERR no\r\n:-7\r\n$5\r\na\r\nbc\r\n$-1\r\n*0\r\n");
    assert_int_equal(answer->kind, RESP_ARRAY);
    assert_int_equal(answer->count, 6);
    assert_true(resp_is_status(&answer->items[0], "OK"));
    assert_true(resp_is_error(&answer->items[1], "ERR"));
    assert_int_equal(answer->items[2].integer, -7);
    assert_true(slice_equal(answer->items[3].text, SLICE_LITERAL("a\r\nbc")));
    assert_int_equal(answer->items[4].kind, RESP_NIL);
    assert_int_equal(answer->items[5].kind, RESP_ARRAY);
    assert_int_equal(answer->items[5].count, 0);
    resp_free(answer);
}

static void several_answers_come_one_by_one(void **state)
{
    (void)state;
    struct resp_reader *reader = resp_reader_create();
    const char *why = NULL;
    struct resp *answer = NULL;
    resp_reader_feed(reader, SLICE_LITERAL(":1\r\n:2\r\n:"));
    for (int64_t i = 1; i <= 2; i++) {
        assert_int_equal(resp_reader_next(reader, &answer, &why), RESP_OK);
        assert_int_equal(answer->integer, i);
        resp_free(answer);
    }
    assert_int_equal(resp_reader_next(reader, &answer, &why), RESP_MORE);
    resp_reader_feed(reader, SLICE_LITERAL("3\r\n"));
    assert_int_equal(resp_reader_next(reader, &answer, &why), RESP_OK);
    assert_int_equal(answer->integer, 3);
    resp_free(answer);
    resp_reader_destroy(reader);
}

static void refuses_what_is_no_answer(void **state)
{
    (void)state;
    const char *const bad[] = {
        "HTTP/1.1 200 OK\r\n\r\n",
        "\r\n",
        "OK\r\n",
        ":\r\n",
        ":x\r\n",
        ":12a\r\n",
        ":1.5\r\n",
        "$x\r\n",
        "$-2\r\n",
        "*-2\r\n",
        "*x\r\n",
        "*1\r\nX\r\n",
        "$1\r\naXY",
        "$2\r\na\r\n:",
        ":99999999999999999999\r\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        must_refuse(slice_of_string(bad[i]), NULL);
}

static void refuses_types_that_nobody_has_asked_for(void **state)
{
    (void)state;
    const char *const bad[] = {
        "%1\r\n+a\r\n+b\r\n",
        "~1\r\n+a\r\n",
        ">1\r\n+a\r\n",
        "_\r\n",
        "#t\r\n",
        ",1.5\r\n",
        "(123\r\n",
        "=7\r\ntxt:abc\r\n",
        "*1\r\n#t\r\n",
        "*1\r\n_x\r\n",
        "|1\r\n+a\r\n+b\r\n:1\r\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        must_refuse(slice_of_string(bad[i]), NULL);
}

static void refuses_a_long_array_when_it_is_announced(void **state)
{
    (void)state;
    must_refuse(SLICE_LITERAL("*4097\r\n"), "announced");
    must_refuse(SLICE_LITERAL("*1073741824\r\n"), "announced");
    must_refuse(SLICE_LITERAL("*99999999999999\r\n"), NULL);
    must_refuse(SLICE_LITERAL("*4096\r\n*1\r\n"), "announced");
    must_refuse(SLICE_LITERAL("*2\r\n*4095\r\n"), "announced");
}

static void refuses_arrays_in_arrays_without_end(void **state)
{
    (void)state;
    resp_free(must_read("*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n"));
    must_refuse(SLICE_LITERAL("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n"), "more than four");
    must_refuse(SLICE_LITERAL("*1\r\n*1\r\n*1\r\n*1\r\n*0\r\n"), "more than four");
}

// feed_until_refused sends `head`, then a long run of one byte.
static void feed_until_refused(const char *head)
{
    static uint8_t chunk[16 * 1024];
    struct resp_reader *reader = resp_reader_create();
    struct resp *answer = NULL;
    const char *why = "nothing";
    enum resp_result result = RESP_MORE;
    size_t fed = 0;
    for (size_t i = 0; i < sizeof chunk; i++)
        chunk[i] = 'x';
    resp_reader_feed(reader, slice_of_string(head));
    while (result == RESP_MORE && fed < 4 * (size_t)RESP_MAX_LEN) {
        result = resp_reader_next(reader, &answer, &why);
        resp_reader_feed(reader, slice_of(chunk, sizeof chunk));
        fed += sizeof chunk;
    }
    assert_int_equal(result, RESP_BAD);
    assert_string_equal(why, "an answer is longer than may be");
    assert_true(fed <= RESP_MAX_LEN + 2 * sizeof chunk);
    resp_reader_destroy(reader);
}

static void refuses_what_never_ends(void **state)
{
    (void)state;
    feed_until_refused("$999999999\r\n");
    feed_until_refused("+");
    feed_until_refused("-ERR ");
    feed_until_refused("*1\r\n$2000000\r\n");
}

static void refuses_an_answer_of_many_small_parts_that_is_too_long(void **state)
{
    (void)state;
    static char text[RESP_MAX_LEN + 4096];
    struct text out;
    char part[1024];
    for (size_t i = 0; i < sizeof part - 1; i++)
        part[i] = 'y';
    part[sizeof part - 1] = '\0';
    text_init(&out, text, sizeof text);
    text_append_string(&out, "*1025\r\n");
    while (out.len < RESP_MAX_LEN)
        text_append_format(&out, "$1023\r\n%s\r\n", part);
    assert_false(out.is_cut);
    struct resp *answer = NULL;
    const char *why = "";
    assert_int_equal(read_one(text_slice(&out), 16384, &answer, &why), RESP_BAD);
    assert_string_equal(why, "an answer is longer than may be");
}

static void reads_integers_in_one_spelling_only(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_good;
        int64_t value;
    } rows[] = {
        {":5\r\n", true, 5},
        {"$2\r\n42\r\n", true, 42},
        {"$2\r\n-7\r\n", true, -7},
        {"$1\r\n0\r\n", true, 0},
        {"$19\r\n9223372036854775807\r\n", true, INT64_MAX},
        {"$19\r\n9223372036854775808\r\n", false, 0},
        {"$2\r\n-0\r\n", false, 0},
        {"$2\r\n07\r\n", false, 0},
        {"$2\r\n+7\r\n", false, 0},
        {"$2\r\n 7\r\n", false, 0},
        {"$2\r\n7 \r\n", false, 0},
        {"$0\r\n\r\n", false, 0},
        {"$1\r\n-\r\n", false, 0},
        {"$3\r\n1e3\r\n", false, 0},
        {"+42\r\n", false, 0},
        {"-42\r\n", false, 0},
        {"$-1\r\n", false, 0},
        {"*1\r\n:1\r\n", false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct resp *answer = must_read(rows[i].text);
        int64_t value = 0;
        assert_int_equal(resp_read_integer(answer, &value), rows[i].is_good);
        assert_int_equal(value, rows[i].value);
        resp_free(answer);
    }
}

// A large number may be an integer or a text, until its line is whole.
static void reads_a_large_number_in_whatever_pieces_it_comes(void **state)
{
    (void)state;
    struct resp *answer = must_read(":1794000000000\r\n");
    assert_int_equal(answer->kind, RESP_INTEGER);
    assert_int_equal(answer->integer, 1794000000000);
    resp_free(answer);
    answer = must_read("+99999999\r\n");
    assert_true(resp_is_status(answer, "99999999"));
    resp_free(answer);
}

static void refuses_a_line_end_in_a_status_or_an_error(void **state)
{
    (void)state;
    must_refuse(SLICE_LITERAL("-99999999\rand more\r\n"), NULL);
    must_refuse(SLICE_LITERAL("+OK\nand more\r\n"), NULL);
    must_refuse(SLICE_LITERAL("*1\r\n-ERR\n\r\n"), NULL);
}

static void a_command_is_read_back_as_it_was_said(void **state)
{
    (void)state;
    const struct slice words[] = {SLICE_LITERAL("SET"), SLICE_LITERAL("a\r\n$1\r\nb"),
                                  SLICE_LITERAL(""), slice_of("\0x", 2)};
    uint8_t bytes[128];
    char header[RESP_HEADER_CAP];
    const size_t header_len = resp_array_begin(4, header);
    assert_true(bytes_copy(bytes, sizeof bytes, slice_of(header, header_len)));
    const size_t len = header_len + resp_words_len(words, 4);
    assert_true(len <= sizeof bytes);
    resp_words_write(words, 4, bytes + header_len);
    struct resp *answer = NULL;
    const char *why = NULL;
    assert_int_equal(read_one(slice_of(bytes, len), SIZE_MAX, &answer, &why), RESP_OK);
    assert_int_equal(answer->count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_true(slice_equal(answer->items[i].text, words[i]));
    resp_free(answer);
}

static void only_a_master_is_a_master(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_master;
    } rows[] = {
        {"*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n", true},
        {"*5\r\n$5\r\nslave\r\n$1\r\na\r\n:1\r\n$9\r\nconnected\r\n:0\r\n", false},
        {"*2\r\n$8\r\nsentinel\r\n*0\r\n", false},
        {"*1\r\n$6\r\nMASTER\r\n", false},
        {"*1\r\n+master\r\n", false},
        {"*1\r\n*1\r\n$6\r\nmaster\r\n", false},
        {"*0\r\n", false},
        {"*-1\r\n", false},
        {"$6\r\nmaster\r\n", false},
        {"-ERR master\r\n", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct resp *answer = must_read(rows[i].text);
        assert_int_equal(store_role_is_master(answer), rows[i].is_master);
        resp_free(answer);
    }
}

static void a_sentinel_must_name_a_host_and_a_port(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_good;
    } rows[] = {
        {"*2\r\n$9\r\n127.0.0.1\r\n$4\r\n6379\r\n", true},
        {"*2\r\n$3\r\n::1\r\n$4\r\n6379\r\n", true},
        {"*2\r\n$14\r\nkv.example.org\r\n$4\r\n6379\r\n", true},
        {"*-1\r\n", false},
        {"$-1\r\n", false},
        {"*0\r\n", false},
        {"*1\r\n$9\r\n127.0.0.1\r\n", false},
        {"*3\r\n$9\r\n127.0.0.1\r\n$4\r\n6379\r\n$1\r\n1\r\n", false},
        {"*2\r\n$9\r\n127.0.0.1\r\n$1\r\n0\r\n", false},
        {"*2\r\n$9\r\n127.0.0.1\r\n$5\r\n65536\r\n", false},
        {"*2\r\n$9\r\n127.0.0.1\r\n:6379\r\n", false},
        {"*2\r\n$9\r\n127.0.0.1\r\n$5\r\n06379\r\n", false},
        {"*2\r\n$0\r\n\r\n$4\r\n6379\r\n", false},
        {"*2\r\n$7\r\na b/../\r\n$4\r\n6379\r\n", false},
        {"*2\r\n$7\r\n127.1:1\r\n$4\r\n6379\r\n", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct resp *answer = must_read(rows[i].text);
        struct target master = {0};
        assert_int_equal(store_role_read_master(answer, &master), rows[i].is_good);
        if (rows[i].is_good)
            assert_int_equal(master.port, 6379);
        resp_free(answer);
    }
}

static void each_known_fault_says_what_to_do(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ends;
        const char *part;
    } rows[] = {
        {"-READONLY You can't write against a read only replica.\r\n", true,
         "name the master first"},
        {"-LOADING Redis is loading the dataset in memory\r\n", true, "loads its data"},
        {"-MASTERDOWN Link with MASTER is down\r\n", true, "promote one"},
        {"-NOAUTH Authentication required.\r\n", true, "shared.password_file"},
        {"-WRONGPASS invalid username-password pair\r\n", true, "shared.user"},
        {"-NOPERM this user has no permissions\r\n", false, "below `shared.prefix`"},
        {"-OOM command not allowed\r\n", false, "maxmemory"},
        {"-BUSY Redis is busy running a script.\r\n", false, "SCRIPT KILL"},
        {"-MISCONF Redis is configured to save\r\n", false, "disk"},
        {"-NOSCRIPT No matching script.\r\n", false, "sent again"},
        {"-MOVED 1 127.0.0.1:1\r\n", true, "cluster"},
        {"-ERR \x1b[31mred\x07\r\n", false, "\\x1b[31mred\\x07"},
        {"-READONLYX no\r\n", false, "READONLYX no"},
        {"-\r\n", false, "with an error"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char sentence[256];
        struct text out;
        struct resp *answer = must_read(rows[i].text);
        text_init(&out, sentence, sizeof sentence);
        store_fault_append(&out, answer);
        if (strstr(sentence, rows[i].part) == NULL)
            fail_msg("\"%s\" is not in \"%s\"", rows[i].part, sentence);
        assert_int_equal(store_fault_ends(answer), rows[i].ends);
        resp_free(answer);
    }
}

static void places_go_round_and_pause_longer_each_time(void **state)
{
    (void)state;
    static struct store_settings settings = {.place_count = 2};
    struct store_places places = {0};
    static const int64_t pauses[] = {0, 100, 0, 200, 0, 400, 0, 800, 0, 1600, 0, 2000, 0, 2000};
    assert_ptr_equal(store_places_current(&places, &settings), &settings.places[0]);
    for (size_t i = 0; i < sizeof pauses / sizeof pauses[0]; i++) {
        assert_int_equal(store_places_fail(&places, &settings, 1), pauses[i]);
        assert_ptr_equal(store_places_current(&places, &settings), &settings.places[(i + 1) % 2]);
    }
    assert_int_equal(store_places_fail(&places, &settings, 1), 0);
    store_places_serve(&places, 10);
    assert_ptr_equal(store_places_current(&places, &settings), &settings.places[1]);
    assert_int_equal(store_places_fail(&places, &settings, 10 + STORE_STEADY_MS), 0);
    assert_int_equal(store_places_fail(&places, &settings, 10 + STORE_STEADY_MS), 100);
}

static void a_place_that_serves_for_a_moment_only_is_tried_more_and_more_seldom(void **state)
{
    (void)state;
    static struct store_settings settings = {.place_count = 1};
    struct store_places places = {0};
    static const int64_t pauses[] = {100, 200, 400, 800, 1600, 2000, 2000};
    for (size_t i = 0; i < sizeof pauses / sizeof pauses[0]; i++) {
        store_places_serve(&places, 10);
        assert_false(store_places_is_steady(&places, 9 + STORE_STEADY_MS));
        assert_int_equal(store_places_fail(&places, &settings, 9 + STORE_STEADY_MS), pauses[i]);
        assert_false(store_places_is_steady(&places, INT64_MAX));
    }
    store_places_serve(&places, 10);
    assert_true(store_places_is_steady(&places, 10 + STORE_STEADY_MS));
    assert_int_equal(store_places_fail(&places, &settings, 10 + STORE_STEADY_MS), 100);
}

static void says_how_long_what_it_refuses_is(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t excess_len;
    } rows[] = {
        {"$2000000\r\n", 2000000}, {"*2\r\n$1\r\nx\r\n$1048577\r\nab", 1048577},
        {"$1048576\r\n", 0},       {":1048577", 0},
        {"+1048577", 0},           {":1048577\r", 0},
        {"-1048577\r", 0},         {"$1048577\r", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct resp_reader *reader = resp_reader_create();
        struct resp *answer = NULL;
        const char *why = NULL;
        resp_reader_feed(reader, slice_of_string(rows[i].bytes));
        assert_int_equal(resp_reader_next(reader, &answer, &why),
                         rows[i].excess_len != 0 ? RESP_BAD : RESP_MORE);
        assert_int_equal(resp_reader_excess(reader), rows[i].excess_len);
        resp_reader_destroy(reader);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_kind),
        cmocka_unit_test(several_answers_come_one_by_one),
        cmocka_unit_test(refuses_what_is_no_answer),
        cmocka_unit_test(refuses_types_that_nobody_has_asked_for),
        cmocka_unit_test(refuses_a_long_array_when_it_is_announced),
        cmocka_unit_test(refuses_arrays_in_arrays_without_end),
        cmocka_unit_test(refuses_what_never_ends),
        cmocka_unit_test(refuses_an_answer_of_many_small_parts_that_is_too_long),
        cmocka_unit_test(reads_integers_in_one_spelling_only),
        cmocka_unit_test(reads_a_large_number_in_whatever_pieces_it_comes),
        cmocka_unit_test(refuses_a_line_end_in_a_status_or_an_error),
        cmocka_unit_test(a_command_is_read_back_as_it_was_said),
        cmocka_unit_test(only_a_master_is_a_master),
        cmocka_unit_test(a_sentinel_must_name_a_host_and_a_port),
        cmocka_unit_test(each_known_fault_says_what_to_do),
        cmocka_unit_test(places_go_round_and_pause_longer_each_time),
        cmocka_unit_test(a_place_that_serves_for_a_moment_only_is_tried_more_and_more_seldom),
        cmocka_unit_test(says_how_long_what_it_refuses_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
