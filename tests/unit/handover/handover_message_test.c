// What is written is read, and nothing else is.
#include "proxy/handover/handover_message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint8_t written[HANDOVER_MESSAGE_MAX];

static size_t format(const struct handover_message *message)
{
    const size_t len = handover_message_format(message, written);
    assert_true(len > 0);
    return len;
}

static struct handover_message parse(size_t len)
{
    struct handover_message out;
    struct errinfo info;
    assert_int_equal(handover_message_parse(slice_of(written, len), &out, &info), ERR_OK);
    return out;
}

static void assert_refused(size_t len)
{
    struct handover_message out;
    struct errinfo info = {.text = ""};
    assert_int_equal(handover_message_parse(slice_of(written, len), &out, &info), ERR_INPUT);
    assert_true(info.text[0] != '\0');
}

static struct handover_message listener(void)
{
    return (struct handover_message){
        .kind = HANDOVER_LISTENER,
        .name = SLICE_LITERAL("main"),
        .configured = {.address = {.family = IP_V6}},
        .bound = {.address = {.family = IP_V4, .bytes = {127, 0, 0, 1}}, .port = 8443},
    };
}

static void every_kind_is_read_as_it_was_written(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < HANDOVER_KIND_COUNT; kind++) {
        struct handover_message message = listener();
        message.kind = (enum handover_kind)kind;
        message.number = UINT64_MAX - 5;
        message.format = HANDOVER_FORMAT;
        message.control = SLICE_LITERAL("/run/control.sock");
        message.state = SLICE_LITERAL("/var/state.json");
        message.text = SLICE_LITERAL("why");
        message.bytes = SLICE_LITERAL("a\0b");
        const size_t len = format(&message);
        uint8_t before[HANDOVER_MESSAGE_MAX];
        memcpy(before, written, len);
        const struct handover_message again = parse(len);
        assert_int_equal(again.kind, kind);
        assert_int_equal(format(&again), len);
        assert_memory_equal(before, written, len);
    }
}

static void a_hello_has_its_format_and_paths(void **state)
{
    (void)state;
    const struct handover_message hello = {.kind = HANDOVER_HELLO,
                                           .format = 7,
                                           .number = 4711,
                                           .control = SLICE_LITERAL(""),
                                           .state = SLICE_LITERAL("/x")};
    const struct handover_message out = parse(format(&hello));
    assert_int_equal(out.format, 7);
    assert_int_equal(out.number, 4711);
    assert_int_equal(out.control.len, 0);
    assert_true(slice_equal(out.state, SLICE_LITERAL("/x")));
}

static void a_listener_has_both_places(void **state)
{
    (void)state;
    const struct handover_message message = listener();
    const struct handover_message out = parse(format(&message));
    assert_true(slice_equal(out.name, SLICE_LITERAL("main")));
    assert_true(ip_addr_equal(&out.configured.address, &message.configured.address));
    assert_true(ip_addr_equal(&out.bound.address, &message.bound.address));
    assert_int_equal(out.configured.port, 0);
    assert_int_equal(out.bound.port, 8443);
}

static void what_is_cut_or_longer_is_refused(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < HANDOVER_KIND_COUNT; kind++) {
        struct handover_message message = listener();
        message.kind = (enum handover_kind)kind;
        message.text = SLICE_LITERAL("why");
        message.bytes = SLICE_LITERAL("bytes");
        const size_t len = format(&message);
        for (size_t cut = 0; cut < len; cut++)
            assert_refused(cut);
        written[len] = 0;
        assert_refused(len + 1);
    }
}

static void an_unknown_kind_is_refused(void **state)
{
    (void)state;
    for (size_t kind = HANDOVER_KIND_COUNT; kind <= UINT8_MAX; kind++) {
        written[0] = (uint8_t)kind;
        assert_refused(1);
    }
}

static void a_text_with_a_nul_is_refused(void **state)
{
    (void)state;
    struct handover_message message = listener();
    message.name = SLICE_LITERAL("a\0b");
    assert_refused(format(&message));
    message.name = SLICE_LITERAL("");
    assert_refused(format(&message));
    message = (struct handover_message){.kind = HANDOVER_FAILED, .text = SLICE_LITERAL("\0")};
    assert_refused(format(&message));
}

static void a_place_of_no_family_or_port_is_refused(void **state)
{
    (void)state;
    struct handover_message message = listener();
    message.bound.port = 0;
    assert_refused(format(&message));
    message = listener();
    const size_t len = format(&message);
    const size_t family = 1 + 2 + strlen("main"); // of the configured place: IPv6
    written[family] = 5;
    assert_refused(len);
    written[family] = 4; // an IPv4 address of 16 bytes
    assert_refused(len);
}

static void what_is_too_long_is_not_written(void **state)
{
    (void)state;
    static uint8_t bytes[HANDOVER_BYTES_MAX + 1];
    struct handover_message message = {.kind = HANDOVER_BLOCKS, .bytes = {bytes, sizeof bytes}};
    assert_int_equal(handover_message_format(&message, written), 0);
    message.bytes.len--;
    assert_int_equal(parse(format(&message)).bytes.len, HANDOVER_BYTES_MAX);
    message = listener();
    message.name = slice_of(bytes, HANDOVER_NAME_MAX + 1);
    assert_int_equal(handover_message_format(&message, written), 0);
}

static void sockets_are_beside_what_needs_them(void **state)
{
    (void)state;
    bool is_required = false;
    assert_int_equal(handover_message_fds(HANDOVER_LISTENER, &is_required), HANDOVER_FDS_MAX);
    assert_true(is_required);
    assert_int_equal(handover_message_fds(HANDOVER_CONTROL, &is_required), 1);
    assert_true(is_required);
    assert_int_equal(handover_message_fds(HANDOVER_BLOCKS, &is_required), 0);
    assert_false(is_required);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_read_as_it_was_written),
        cmocka_unit_test(a_hello_has_its_format_and_paths),
        cmocka_unit_test(a_listener_has_both_places),
        cmocka_unit_test(what_is_cut_or_longer_is_refused),
        cmocka_unit_test(an_unknown_kind_is_refused),
        cmocka_unit_test(a_text_with_a_nul_is_refused),
        cmocka_unit_test(a_place_of_no_family_or_port_is_refused),
        cmocka_unit_test(what_is_too_long_is_not_written),
        cmocka_unit_test(sockets_are_beside_what_needs_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
