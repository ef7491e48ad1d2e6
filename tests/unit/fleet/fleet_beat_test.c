// The store's answer to a beat: what cannot be true is no answer.
#include "proxy/fleet/fleet_beat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "proxy/fleet/fleet_scripts.h"

// parse reads an answer as it comes.
static enum err parse(const char *bytes, struct resp **answer, struct fleet_beat *out)
{
    struct resp_reader *reader = resp_reader_create();
    const char *why = NULL;
    assert_non_null(reader);
    resp_reader_feed(reader, slice_of_string(bytes));
    assert_int_equal(resp_reader_next(reader, answer, &why), RESP_OK);
    resp_reader_destroy(reader);
    return fleet_beat_parse(*answer, out);
}

static void reads_all_of_it(void **state)
{
    (void)state;
    struct resp *answer = NULL;
    struct fleet_beat beat;
    assert_int_equal(
        parse(
            "*8\r\n:1795311600123\r\n:1\r\n:3\r\n:7\r\n:9\r\n:11\r\n:1\r\n*2\r\n$5\r\nalice\r\n$3\r\nbob\r\n",
            &answer, &beat),
        ERR_OK);
    assert_int_equal(beat.now_ms, INT64_C(1795311600123));
    assert_true(beat.was_known);
    assert_int_equal(beat.members, 3);
    assert_int_equal(beat.revision, 7);
    assert_int_equal(beat.orders, 9);
    assert_int_equal(beat.blocks, 11);
    assert_int_equal(beat.mended, 1);
    assert_true(fleet_beat_names(&beat, "bob"));
    assert_false(fleet_beat_names(&beat, "bobby"));
    assert_false(fleet_beat_names(&beat, ""));
    resp_free(answer);
}

static void refuses_what_cannot_be_true(void **state)
{
    (void)state;
    static const char *const answers[] = {
        ":1\r\n",
        "+OK\r\n",
        "$-1\r\n",
        "-ERR no\r\n",
        "*0\r\n",
        "*7\r\n:1\r\n:1\r\n:1\r\n:0\r\n:0\r\n:0\r\n:0\r\n",
        "*7\r\n:1\r\n:1\r\n:1\r\n:0\r\n:0\r\n:0\r\n*0\r\n",
        "*9\r\n:1\r\n:1\r\n:1\r\n:0\r\n:0\r\n:0\r\n:0\r\n*0\r\n:1\r\n",
        "*8\r\n:1\r\n:2\r\n:1\r\n:0\r\n:0\r\n:0\r\n:0\r\n*0\r\n",     // neither known nor not
        "*8\r\n:1\r\n:1\r\n:0\r\n:0\r\n:0\r\n:0\r\n:0\r\n*0\r\n",     // nobody is alive: we are
        "*8\r\n:1\r\n:1\r\n:65537\r\n:0\r\n:0\r\n:0\r\n:0\r\n*0\r\n", // too many
        "*8\r\n:1\r\n:1\r\n:4294967297\r\n:0\r\n:0\r\n:0\r\n:0\r\n*0\r\n",
        "*8\r\n:-1\r\n:1\r\n:1\r\n:0\r\n:0\r\n:0\r\n:0\r\n*0\r\n",
        "*8\r\n:1\r\n:1\r\n:1\r\n:-1\r\n:0\r\n:0\r\n:0\r\n*0\r\n",
        "*8\r\n:1\r\n:1\r\n:1\r\n:0\r\n:-5\r\n:0\r\n:0\r\n*0\r\n",
        "*8\r\n:1\r\n:1\r\n:1\r\n:0\r\n:0\r\n:-1\r\n:0\r\n*0\r\n",
        "*8\r\n:1\r\n:1\r\n:1\r\n:0\r\n:0\r\n:0\r\n:-1\r\n*0\r\n",
        "*8\r\n$1\r\nx\r\n:1\r\n:1\r\n:0\r\n:0\r\n:0\r\n:0\r\n*0\r\n",
        "*8\r\n:1\r\n:1\r\n:1\r\n:0\r\n:0\r\n:0\r\n:0\r\n:0\r\n",
        "*8\r\n:1\r\n:1\r\n:1\r\n:0\r\n:0\r\n:0\r\n:0\r\n*1\r\n:5\r\n",
        "*8\r\n:1\r\n:1\r\n:1\r\n:0\r\n:0\r\n:0\r\n:0\r\n*1\r\n*0\r\n",
    };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct resp *answer = NULL;
        struct fleet_beat beat;
        assert_int_equal(parse(answers[i], &answer, &beat), ERR_INPUT);
        assert_int_equal(beat.members, 0);
        resp_free(answer);
    }
}

static void refuses_more_names_than_the_script_gives(void **state)
{
    (void)state;
    char bytes[4096];
    int len =
        snprintf(bytes, sizeof bytes, "*8\r\n:1\r\n:1\r\n:1\r\n:0\r\n:0\r\n:0\r\n:0\r\n*%d\r\n",
                 FLEET_SCARCE_MAX + 1);
    for (int i = 0; i <= FLEET_SCARCE_MAX; i++)
        len += snprintf(bytes + len, sizeof bytes - (size_t)len, "$1\r\nx\r\n");
    struct resp *answer = NULL;
    struct fleet_beat beat;
    assert_int_equal(parse(bytes, &answer, &beat), ERR_INPUT);
    resp_free(answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_all_of_it),
        cmocka_unit_test(refuses_what_cannot_be_true),
        cmocka_unit_test(refuses_more_names_than_the_script_gives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
