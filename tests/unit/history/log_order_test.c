// In which order files were written: what their numbers say, then what the clock said.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/chain/seal.h"
#include "proxy/history/log_order.h"

enum { FILES = 4, LINES = 4 };

// row is files, each with its time and lines `INSTANCE SEQ`; a line `INSTANCE 0 after OTHER SEQ` began after another.
struct row {
    const char *ts[FILES];
    const char *lines[FILES][LINES];
    const char *order; // digits of the files
};

static const struct row rows[] = {
    // numbers of one instance, against the clock
    {{"3", "2", "1"}, {{"a 0"}, {"a 5"}, {"a 9"}}, "012"},
    {{"1", "2", "3"}, {{"a 9"}, {"a 5"}, {"a 0"}}, "210"},
    // the second instance began in the second file, and the clock was set back then
    {{"1", "5", "6"}, {{"b 4"}, {"a 0"}, {"a 5", "b 0 after a 7", "b 1"}}, "120"},
    // nothing ties them: the clock, then the place
    {{"2", "1"}, {{"a 0"}, {"b 0"}}, "10"},
    {{"1", "1"}, {{"b 0"}, {"a 0"}}, "01"},
    {{"2", "", "1"}, {{"a 0"}, {NULL}, {"b 0"}}, "120"},
    // an instance that began after a line of the file that was moved away meanwhile
    {{"1", "2"}, {{"b 0 after a 7"}, {"a 5"}}, "10"},
    // two that write at once
    {{"1", "2", "3"}, {{"a 7", "b 3"}, {"b 1", "a 4"}, {"b 9", "a 8"}}, "102"},
    // what contradicts itself is in the order of the clock, and nothing is left out
    {{"2", "1", "3"}, {{"a 0", "b 5"}, {"b 0", "a 5"}, {"c 0"}}, "210"},
};

static struct merkle_hash nothing;

// take_line makes a line of its short form.
static void take_line(struct log_contents *contents, const char *form)
{
    char data[1024];
    struct text text;
    char id = 0;
    char found = 0;
    unsigned long seq = 0;
    unsigned long found_seq = 0;
    const int count = sscanf(form, "%c %lu after %c %lu", &id, &seq, &found, &found_seq);
    struct seal seal = {.instance = (uint32_t)id, .seq = seq, .is_chained = true, .prev = nothing};
    if (count == 4)
        seal.after = (struct seal_link){.kind = SEAL_LINK_RECORD,
                                        .instance = (uint32_t)found,
                                        .seq = found_seq,
                                        .hash = nothing};
    text_init(&text, data, sizeof data);
    text_append_string(&text, "{\"v\":1");
    seal_append(&seal, &text);
    log_contents_take(contents, slice_first(text_slice(&text), text.len - 1));
}

static void files_are_in_the_order_in_which_they_were_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        static struct log_contents files[FILES];
        size_t order[FILES];
        size_t count = 0;
        memset(files, 0, sizeof files);
        for (; count < FILES && rows[i].ts[count] != NULL; count++) {
            (void)string_copy(files[count].ts, sizeof files[count].ts,
                              slice_of_string(rows[i].ts[count]));
            for (size_t k = 0; k < LINES && rows[i].lines[count][k] != NULL; k++)
                take_line(&files[count], rows[i].lines[count][k]);
        }
        assert_int_equal(count, strlen(rows[i].order));
        assert_true(log_order_find(files, count, order));
        for (size_t k = 0; k < count; k++) {
            if ((size_t)(rows[i].order[k] - '0') != order[k])
                fail_msg("row %zu: at %zu is file %zu", i, k, order[k]);
        }
    }
}

static void a_file_with_too_many_instances_is_read_as_far_as_there_is_room(void **state)
{
    (void)state;
    static struct log_contents contents;
    log_contents_take(&contents, SLICE_LITERAL("{\"v\":1}"));
    for (int i = 0; i < 3 * LOG_ORDER_INSTANCES; i++) {
        char form[16];
        (void)snprintf(form, sizeof form, "%c 3", 33 + i % 90);
        take_line(&contents, form);
    }
    assert_int_equal(contents.count, LOG_ORDER_INSTANCES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_in_the_order_in_which_they_were_written),
        cmocka_unit_test(a_file_with_too_many_instances_is_read_as_far_as_there_is_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
