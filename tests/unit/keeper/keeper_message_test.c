// What is written is read, and nothing else is.
#include "proxy/keeper/keeper_message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint8_t written[KEEPER_MESSAGE_LEN + 1];

static enum err parse(size_t len, struct keeper_message *out)
{
    struct errinfo info = {.text = ""};
    const enum err error = keeper_message_parse(slice_of(written, len), out, &info);
    assert_true(error == ERR_OK || (error == ERR_INPUT && info.text[0] != '\0'));
    return error;
}

static void write_message(enum keeper_kind kind, const char *text)
{
    struct keeper_message message = {.kind = kind, .pid = 4711, .number = INT64_MAX};
    assert_true(string_copy(message.text, sizeof message.text, slice_of_string(text)));
    keeper_message_format(&message, written);
}

static void every_kind_is_read_as_it_was_written(void **state)
{
    (void)state;
    for (int kind = 0; kind < KEEPER_KIND_COUNT; kind++) {
        struct keeper_message out;
        write_message((enum keeper_kind)kind, "READY=1");
        assert_int_equal(parse(KEEPER_MESSAGE_LEN, &out), ERR_OK);
        assert_int_equal(out.kind, kind);
        assert_int_equal(out.pid, 4711);
        assert_int_equal(out.number, INT64_MAX);
        assert_string_equal(out.text, "READY=1");
    }
}

static void a_text_may_fill_its_room(void **state)
{
    (void)state;
    char text[KEEPER_TEXT_CAP];
    struct keeper_message out;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    write_message(KEEPER_NOT_STARTED, text);
    assert_int_equal(parse(KEEPER_MESSAGE_LEN, &out), ERR_OK);
    assert_string_equal(out.text, text);
}

static void what_is_no_message_is_refused(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint8_t byte;
    } faults[] = {
        {0, 2},                          // another format
        {1, KEEPER_KIND_COUNT},          // a kind that nobody knows
        {2, 1},                          // something where nothing is
        {7, 1},                          // likewise
        {8, 0x80},                       // a negative pid
        {16, 0xFF},                      // a negative number
        {KEEPER_MESSAGE_LEN - 1, 'x'},   // something after the text
        {KEEPER_MESSAGE_LEN - 100, 'x'}, // likewise
    };
    struct keeper_message out;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        write_message(KEEPER_SIGNAL, "text");
        assert_int_equal(parse(KEEPER_MESSAGE_LEN, &out), ERR_OK);
        written[faults[i].at] = faults[i].byte;
        assert_int_equal(parse(KEEPER_MESSAGE_LEN, &out), ERR_INPUT);
    }
    write_message(KEEPER_SIGNAL, "");
    assert_int_equal(parse(KEEPER_MESSAGE_LEN - 1, &out), ERR_INPUT);
    assert_int_equal(parse(KEEPER_MESSAGE_LEN + 1, &out), ERR_INPUT);
    assert_int_equal(parse(0, &out), ERR_INPUT);
}

static void a_text_without_its_end_is_refused(void **state)
{
    (void)state;
    struct keeper_message out;
    write_message(KEEPER_NOT_STARTED, "");
    memset(written + KEEPER_MESSAGE_LEN - KEEPER_TEXT_CAP, 'x', KEEPER_TEXT_CAP);
    assert_int_equal(parse(KEEPER_MESSAGE_LEN, &out), ERR_INPUT);
}

static void the_service_manager_is_told_nothing_else(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum err error;
    } notices[] = {
        {"READY=1", ERR_OK},
        {"STOPPING=1", ERR_OK},
        {"WATCHDOG=1", ERR_OK},
        {"RELOADING=1\nMONOTONIC_USEC=123456", ERR_OK},
        {"", ERR_INPUT},
        {"MAINPID=1", ERR_INPUT},
        {"READY=1\nMAINPID=1", ERR_INPUT},
        {"READY=0", ERR_INPUT},
        {"WATCHDOG=trigger", ERR_INPUT},
        {"FDSTORE=1", ERR_INPUT},
        {"EXTEND_TIMEOUT_USEC=1", ERR_INPUT},
        {"RELOADING=1", ERR_INPUT},
        {"RELOADING=1\nMONOTONIC_USEC=", ERR_INPUT},
        {"RELOADING=1\nMONOTONIC_USEC=1\nMAINPID=1", ERR_INPUT},
    };
    struct keeper_message out;
    for (size_t i = 0; i < sizeof notices / sizeof *notices; i++) {
        write_message(KEEPER_NOTIFY, notices[i].text);
        assert_int_equal(parse(KEEPER_MESSAGE_LEN, &out), notices[i].error);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_read_as_it_was_written),
        cmocka_unit_test(a_text_may_fill_its_room),
        cmocka_unit_test(what_is_no_message_is_refused),
        cmocka_unit_test(a_text_without_its_end_is_refused),
        cmocka_unit_test(the_service_manager_is_told_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
