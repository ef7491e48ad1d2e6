// Lines of counts are read as they were written, and nothing else is.
#include "proxy/handover/handover_counts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void lines_are_read_as_they_were_written(void **state)
{
    (void)state;
    char data[256];
    struct text text;
    const struct handover_count written[] = {
        {.kind = HANDOVER_COUNT_SESSIONS, .number = 7},
        {.kind = HANDOVER_COUNT_MEMORY, .number = UINT64_C(1) << 40},
        {.kind = HANDOVER_COUNT_TUNNELS, .number = 0, .name = SLICE_LITERAL("scrapers")},
        {.kind = HANDOVER_COUNT_TUNNELS, .number = UINT32_MAX, .name = SLICE_LITERAL("a b")},
    };
    text_init(&text, data, sizeof data);
    for (size_t i = 0; i < 4; i++)
        handover_counts_add(&text, &written[i]);
    struct slice left = text_slice(&text);
    struct handover_count read;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(handover_counts_next(&left, &read), ERR_OK);
        assert_int_equal(read.kind, written[i].kind);
        assert_int_equal(read.number, written[i].number);
        assert_true(slice_equal(read.name, written[i].name));
    }
    assert_int_equal(handover_counts_next(&left, &read), ERR_EOF);
}

static void anything_else_is_malformed(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "\n",
        "sessions\n",
        "sessions 1",
        "sessions 1 x\n",
        "sessions -1\n",
        "sessions 01\n",
        "sessions  1\n",
        "sessions 4294967296\n",
        "tunnels 1\n",
        "tunnels 1 \n",
        "tunnels x a\n",
        " sessions 1\n",
        "others 1\n",
        "memory 1 \n",
        "Sessions 1\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct slice left = slice_of_string(lines[i]);
        struct handover_count count;
        if (handover_counts_next(&left, &count) != ERR_INPUT)
            fail_msg("%s", lines[i]);
    }
    struct slice nul = SLICE_LITERAL("tunnels 1 a\0b\n");
    struct handover_count count;
    assert_int_equal(handover_counts_next(&nul, &count), ERR_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_read_as_they_were_written),
        cmocka_unit_test(anything_else_is_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
