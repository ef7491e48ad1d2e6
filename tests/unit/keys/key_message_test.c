// What is written is read, and nothing else is.
#include "proxy/keys/key_message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static size_t write_message(const struct key_message *message, uint8_t *out)
{
    const size_t len = key_message_head(message, out);
    assert_true(bytes_copy(out + len, KEY_MESSAGE_MAX - len, message->bytes));
    return len + message->bytes.len;
}

static struct key_message sample(int kind)
{
    const bool has_path = kind == KEY_OPEN || kind == KEY_ALLOW;
    struct key_message message = {.kind = (enum key_kind_of_message)kind,
                                  .number = 0x123456789abcdef0,
                                  .what = 1,
                                  .algorithm = 0x0403,
                                  .cpu = 7,
                                  .instance = 0xdeadbeef,
                                  .size = UINT64_MAX,
                                  .is_end = true};
    memset(message.name, 1, sizeof message.name);
    memset(message.root, 2, sizeof message.root);
    memset(message.digest, 3, sizeof message.digest);
    message.landlock = 7;
    message.has_filter = true;
    if (kind != KEY_CLOSE && kind != KEY_CHECKPOINT && kind != KEY_SEAL && kind != KEY_LINE &&
        kind != KEY_ANSWER_DONE)
        message.bytes = slice_of_string(has_path ? "/etc/x.key" : "eight by");
    return message;
}

static void every_kind_is_read_as_it_was_written(void **state)
{
    (void)state;
    uint8_t *data = malloc(KEY_MESSAGE_MAX);
    assert_non_null(data);
    for (int kind = 0; kind < KEY_MESSAGE_KIND_COUNT; kind++) {
        const struct key_message message = sample(kind);
        struct key_message out;
        size_t len = 0;
        const size_t written = write_message(&message, data);
        for (size_t cut = 0; cut < written; cut++)
            assert_int_equal(key_message_parse(slice_of(data, cut), &out, &len), KEY_PARSE_MORE);
        assert_int_equal(key_message_parse(slice_of(data, written), &out, &len), KEY_PARSE_GOOD);
        assert_int_equal(len, written);
        assert_int_equal(out.kind, kind);
        assert_true(out.number == message.number);
        assert_true(slice_equal(out.bytes, message.bytes));
    }
    free(data);
}

static void what_is_malformed_is_bad(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } cases[] = {
        {"\0\0\0\x8", 4},                                           // shorter than any
        {"\xff\xff\xff\xff", 4},                                    // longer than any
        {"\0\0\0\x9\x0f", 5},                                       // an unknown kind, already
        {"\0\0\0\x0a\x06\0\0\0\0\0\0\0\x1x", 14},                   // SEAL with something
        {"\0\0\0\x0d\x00\0\0\0\0\0\0\0\x1\0key", 17},               // a path that is relative
        {"\0\0\0\x0d\x00\0\0\0\0\0\0\0\x1\x9/ke", 17},              // a use that nobody knows
        {"\0\0\0\x0d\x00\0\0\0\0\0\0\0\x1\0/\0e", 17},              // a path with a NUL
        {"\0\0\0\x0b\x05\0\0\0\0\0\0\0\x1\0\1", 15},                // half a group
        {"\0\0\0\x0d\x05\0\0\0\0\0\0\0\x1\xff\xff\xff\xff", 17},    // what stands for no group
        {"\0\0\0\x09\x05\0\0\0\0\0\0\0\x1", 13},                    // no group
        {"\0\0\0\x13\x0e\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\5\7\2", 23}, // neither a filter nor none
        {"\0\0\0\x0a\x01\0\0\0\0\0\0\0\x1k", 14},                   // a key's name cut off
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct key_message out;
        size_t len = 0;
        assert_int_equal(key_message_parse(slice_of(cases[i].bytes, cases[i].len), &out, &len),
                         KEY_PARSE_BAD);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_read_as_it_was_written),
        cmocka_unit_test(what_is_malformed_is_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
