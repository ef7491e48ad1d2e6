// A line of the log: one line whatever is in it, its level as the journal wants it, and a word for each event that the page
// explains.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
// cmocka wants these four
#include <cmocka.h>

#include "proxy/log/log_message.h"

enum { PAGE_CAP = 256 * 1024 };

static char page[PAGE_CAP];

static const char *line_of(enum log_level level, struct slice message, enum log_format format,
                           bool has_priority)
{
    static char data[LOG_LINE_CAP];
    struct text text;
    text_init(&text, data, sizeof data);
    const struct log_message said = {
        .now_ms = 1764441188123, .level = level, .event = LOG_RELOADED, .text = message};
    log_message_format(&said, format, has_priority, &text);
    assert_false(text.is_cut);
    return data;
}

static void text_is_the_time_the_level_and_the_message(void **state)
{
    (void)state;
    const struct slice message = SLICE_LITERAL("reloaded: a");
    assert_string_equal("2025-11-29T18:33:08.123Z warning reloaded: a\n",
                        line_of(LOG_LEVEL_WARNING, message, LOG_FORMAT_TEXT, false));
    assert_string_equal("2025-11-29T18:33:08.123Z info \n",
                        line_of(LOG_LEVEL_INFO, SLICE_LITERAL(""), LOG_FORMAT_TEXT, false));
}

static void json_has_the_words_of_the_audit(void **state)
{
    (void)state;
    assert_string_equal(
        "{\"ts\":\"2025-11-29T18:33:08.123Z\",\"level\":\"error\","
        "\"event\":\"reloaded\",\"detail\":\"say \\\"a\\\"\"}\n",
        line_of(LOG_LEVEL_ERROR, SLICE_LITERAL("say \"a\""), LOG_FORMAT_JSON, false));
}

static void the_journal_is_told_the_priority_of_each_line(void **state)
{
    (void)state;
    const struct slice message = SLICE_LITERAL("x");
    assert_string_equal("<3>2025-11-29T18:33:08.123Z error x\n",
                        line_of(LOG_LEVEL_ERROR, message, LOG_FORMAT_TEXT, true));
    assert_string_equal("<4>2025-11-29T18:33:08.123Z warning x\n",
                        line_of(LOG_LEVEL_WARNING, message, LOG_FORMAT_TEXT, true));
    const char *json = line_of(LOG_LEVEL_INFO, message, LOG_FORMAT_JSON, true);
    assert_memory_equal("<6>{\"ts\"", json, 8);
}

static void no_byte_makes_a_second_line_or_speaks_to_the_terminal(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 256; first++) {
        for (unsigned second = 0; second < 256; second++) {
            const uint8_t bytes[] = {'a', (uint8_t)first, (uint8_t)second, 'b'};
            for (enum log_format format = LOG_FORMAT_TEXT; format <= LOG_FORMAT_JSON; format++) {
                const char *line =
                    line_of(LOG_LEVEL_INFO, slice_of(bytes, sizeof bytes), format, false);
                const size_t len = strlen(line);
                for (size_t i = 0; i + 1 < len; i++)
                    assert_true((unsigned char)line[i] >= 0x20 && line[i] != 0x7F);
                assert_int_equal('\n', line[len - 1]);
            }
        }
    }
}

static void the_longest_message_fits_however_much_of_it_is_escaped(void **state)
{
    (void)state;
    uint8_t bytes[LOG_MESSAGE_MAX + 100];
    static const uint8_t each[] = {'a', '\n', 0x01, 0xFF, '"', 0x7F};
    for (size_t i = 0; i < sizeof each; i++) {
        memset(bytes, each[i], sizeof bytes);
        for (enum log_format format = LOG_FORMAT_TEXT; format <= LOG_FORMAT_JSON; format++)
            (void)line_of(LOG_LEVEL_WARNING, slice_of(bytes, sizeof bytes), format, true);
    }
}

static void each_event_has_its_own_name_and_a_row_on_the_page(void **state)
{
    (void)state;
    for (enum log_event event = 0; event < LOG_EVENT_COUNT; event++) {
        char row[64];
        (void)snprintf(row, sizeof row, "\n| `%s` |", log_event_name(event));
        if (strstr(page, row) == NULL)
            fail_msg("docs/OPERATIONS.md has no row `%s`", log_event_name(event));
        for (enum log_event other = 0; other < event; other++)
            assert_string_not_equal(log_event_name(event), log_event_name(other));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_the_time_the_level_and_the_message),
        cmocka_unit_test(json_has_the_words_of_the_audit),
        cmocka_unit_test(the_journal_is_told_the_priority_of_each_line),
        cmocka_unit_test(no_byte_makes_a_second_line_or_speaks_to_the_terminal),
        cmocka_unit_test(the_longest_message_fits_however_much_of_it_is_escaped),
        cmocka_unit_test(each_event_has_its_own_name_and_a_row_on_the_page),
    };
    FILE *file = fopen("docs/OPERATIONS.md", "r");
    if (file == NULL || fread(page, 1, sizeof page - 1, file) == 0)
        return EXIT_FAILURE;
    (void)fclose(file);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
