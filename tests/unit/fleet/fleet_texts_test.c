// The plain texts that stand sealed in a store: written and read again they are the same; anything else is refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

#include <stdlib.h>

#include "proxy/fleet/fleet_orders.h"
#include "proxy/fleet/fleet_word.h"
#include "proxy/fleet/members.h"
#include "proxy/fleet/ticket_set.h"

#define I1 "0123456789abcdef"
#define I2 "fedcba9876543210"

// A reader of one kind of text. It gives back what it has read as text, so that nothing is read that is not written so.
typedef enum err (*reader)(struct slice bytes, struct text *again, struct errinfo *info);

static enum err read_word(struct slice bytes, struct text *again, struct errinfo *info)
{
    char text[BLOCK_TEXT_CAP];
    struct fleet_word word;
    TRY(fleet_word_parse(bytes, text, &word, info));
    fleet_word_format(&word, again);
    return ERR_OK;
}

static enum err read_member(struct slice bytes, struct text *again, struct errinfo *info)
{
    struct member member;
    TRY(member_parse(bytes, &member, info));
    member_format(&member, again);
    return ERR_OK;
}

static enum err read_order(struct slice bytes, struct text *again, struct errinfo *info)
{
    struct fleet_order order;
    const enum err error = fleet_order_parse(bytes, &order, info);
    if (error == ERR_OK)
        fleet_order_format(&order, again);
    fleet_order_deinit(&order);
    return error;
}

static enum err read_answer(struct slice bytes, struct text *again, struct errinfo *info)
{
    struct fleet_order_answer answer;
    TRY(fleet_order_answer_parse(bytes, &answer, info));
    fleet_order_answer_format(&answer, again);
    return ERR_OK;
}

static enum err read_tickets(struct slice bytes, struct text *again, struct errinfo *info)
{
    struct ticket_set set;
    TRY(ticket_set_parse(bytes, &set, info));
    ticket_set_format(&set, again);
    return ERR_OK;
}

#define HEX64 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define WORD(block, op, version, uid, by)                                                          \
    "{\"v\":1,\"block\":\"" block "\",\"op\":\"" op "\",\"version\":" version                      \
    ",\"since\":1795311600,\"uid\":" uid ",\"by\":\"" by "\",\"after\":0,\"after_by\":\"\"}"
#define AFTER(after, after_by)                                                                            \
    "{\"v\":1,\"block\":\"client:a\",\"op\":\"unblock\",\"version\":7,\"since\":1,\"uid\":0,\"by\":\"" I1 \
    "\",\"after\":" after ",\"after_by\":\"" after_by "\"}"
#define ORDER(number, verb, argument, issued, ends, targets)                                       \
    "{\"v\":1,\"id\":\"" I1 "\",\"issuer\":\"" I2 "\",\"number\":" number                          \
    ",\"uid\":0,\"verb\":\"" verb "\",\"argument\":\"" argument "\",\"issued\":" issued            \
    ",\"ends\":" ends ",\"targets\":" targets "}"
#define MEMBER(host, state, pid)                                                                                                 \
    "{\"v\":1,\"instance\":\"" I1 "\",\"number\":3,\"pid\":" pid ",\"host\":\"" host                                             \
    "\",\"address\":\"[::]:8443\",\"version\":\"1.2.3\",\"config\":\"abc\",\"audit\":\"00ff00ff\",\"generation\":4,\"since\":5," \
    "\"now\":6,\"certificate_ends\":7,\"sessions\":8,\"tunnels\":9,\"blocks\":10,\"state\":\"" state                             \
    "\"}"

static const struct {
    reader read;
    const char *text;
} good[] = {
    {read_word, WORD("client:a", "block", "7", "0", I1)},
    {read_word, AFTER("6", I2)},
    {read_word, WORD("client:a", "unblock", "4503599627370496", "4294967295", "")},
    {read_word, WORD("serial:4f01 issuer:CN=Clients CA", "block", "1", "0", I2)},
    {read_member, MEMBER("edge-1.example.org", "serves", "1")},
    {read_member, MEMBER("", "drains", "0")},
    {read_member, MEMBER("a", "lame_duck", "7")},
    {read_member, MEMBER("x", "retired", "4194304")},
    {read_order, ORDER("1", "kill", "client:a", "1", "60001", "[\"" I1 "\"]")},
    {read_order, ORDER("9", "drain", "", "1", "1", "[\"" I1 "\",\"" I2 "\"]")},
    {read_answer, "{\"v\":1,\"instance\":\"" I1 "\",\"result\":\"ok\",\"message\":\"killed: 3\"}"},
    {read_answer, "{\"v\":1,\"instance\":\"" I1 "\",\"result\":\"failed\",\"message\":\"\"}"},
    {read_answer, "{\"v\":1,\"instance\":\"" I1 "\",\"result\":\"nobody\",\"message\":\"\"}"},
    {read_tickets, "{\"v\":1,\"number\":1,\"since\":2,\"next\":0,\"secrets\":[\"" HEX64 "\"]}"},
    {read_tickets,
     "{\"v\":1,\"number\":1,\"since\":2,\"next\":1,\"secrets\":[\"" HEX64 "\",\"" HEX64 "\"]}"},
};

static const struct {
    reader read;
    const char *text;
    const char *said;
} bad[] = {
    {read_word, "", "ends too early"},
    {read_word, "[]", "not an object"},
    {read_word, WORD("client:a", "block", "7", "0", I1) "x", "something follows"},
    {read_word, WORD("client:a", "block", "0", "0", I1), "`version` is out of range"},
    {read_word, WORD("client:a", "block", "-1", "0", I1), "`version` is out of range"},
    {read_word, WORD("client:a", "block", "4503599627370497", "0", I1),
     "`version` is out of range"},
    {read_word, WORD("client:a", "block", "7.0", "0", I1), "`version` is not a whole number"},
    {read_word, WORD("client:a", "Block", "7", "0", I1), "neither block nor unblock"},
    {read_word, WORD("client:a", "", "7", "0", I1), "neither block nor unblock"},
    {read_word, WORD("client:a", "block", "7", "4294967296", I1), "out of range"},
    {read_word, WORD("client:a", "block", "7", "0", "0123456789ABCDEF"), "no instance"},
    {read_word, WORD("client:a", "block", "7", "0", "0123"), "no instance"},
    {read_word, AFTER("7", I2), "`after` is not below `version`"},
    {read_word, AFTER("-1", I2), "`after` is not below `version`"},
    {read_word, AFTER("6", "0123"), "no instance"},
    {read_word, WORD("client:a b", "block", "7", "0", I1), "name of a client"},
    {read_word,
     WORD("sha256:"
          "AA",
          "block", "7", "0", I1),
     "64 hexadecimal"},
    {read_word, WORD("serial:004f01 issuer:CN=x", "block", "7", "0", I1), "one way"},
    {read_word,
     "{\"v\":2,\"block\":\"client:a\",\"op\":\"block\",\"version\":1,\"since\":1,\"uid\":0,\"by\":\"\",\"after\":0,\"after_by\":\"\"}",
     "`v` is not 1"},
    {read_word,
     "{\"v\":1,\"block\":\"client:a\",\"op\":\"block\",\"version\":1,\"since\":1,\"uid\":0}",
     "`by` is missing"},
    {read_word, "{\"v\":1,\"v\":1}", "twice"},
    {read_member, "{}", "`v` is missing"},
    {read_member, MEMBER("a b", "serves", "1"), "`host` has a byte"},
    {read_member, MEMBER("a\\u0001", "serves", "1"), "`host` has a byte"},
    {read_member,
     MEMBER("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "serves", "1"),
     "`host` is too long"},
    {read_member, MEMBER("a", "sleeps", "1"), "`state` is not known"},
    {read_member, MEMBER("a", "serves", "-1"), "`pid` is out of range"},
    {read_member, MEMBER("a", "serves", "\"1\""), "`pid` is not a whole number"},
    {read_order, ORDER("0", "kill", "client:a", "1", "2", "[\"" I1 "\"]"), "out of range"},
    {read_order, ORDER("1", "reload", "client:a", "1", "2", "[\"" I1 "\"]"), "`verb` is not known"},
    {read_order, ORDER("1", "kill", "a\\nb", "1", "2", "[\"" I1 "\"]"), "control character"},
    {read_order, ORDER("1", "kill", "a", "2", "1", "[\"" I1 "\"]"), "out of range"},
    {read_order, ORDER("1", "kill", "a", "-2", "1", "[\"" I1 "\"]"), "out of range"},
    {read_order, ORDER("1", "kill", "a", "1", "9223372036854775807", "[\"" I1 "\"]"),
     "out of range"},
    {read_order, ORDER("1", "kill", "a", "1", "2", "[]"), "`targets` has none"},
    {read_order, ORDER("1", "kill", "a", "1", "2", "[1]"), "not 16"},
    {read_order, ORDER("1", "kill", "a", "1", "2", "[\"all\"]"), "not 16"},
    {read_order, ORDER("1", "kill", "a", "1", "2", "{}"), "not a list"},
    {read_answer, "{\"v\":1,\"instance\":\"x\",\"result\":\"ok\",\"message\":\"\"}", "not 16"},
    {read_answer, "{\"v\":1,\"instance\":\"" I1 "\",\"result\":\"maybe\",\"message\":\"\"}",
     "`result` is not known"},
    {read_answer, "{\"v\":1,\"instance\":\"" I1 "\",\"result\":\"ok\",\"message\":\"a\\tb\"}",
     "control character"},
    {read_tickets, "{\"v\":1,\"number\":0,\"since\":2,\"next\":0,\"secrets\":[\"" HEX64 "\"]}",
     "out of range"},
    {read_tickets, "{\"v\":1,\"number\":1,\"since\":2,\"next\":2,\"secrets\":[\"" HEX64 "\"]}",
     "out of range"},
    {read_tickets, "{\"v\":1,\"number\":1,\"since\":2,\"next\":1,\"secrets\":[\"" HEX64 "\"]}",
     "without a second"},
    {read_tickets, "{\"v\":1,\"number\":1,\"since\":2,\"next\":0,\"secrets\":[]}", "has none"},
    {read_tickets, "{\"v\":1,\"number\":1,\"since\":2,\"next\":0,\"secrets\":[\"00\"]}", "not 64"},
    {read_tickets,
     "{\"v\":1,\"number\":1,\"since\":2,\"next\":0,\"secrets\":[\"" HEX64 "\",\"" HEX64
     "\",\"" HEX64 "\",\"" HEX64 "\"]}",
     "more than 3"},
};

static void what_is_good_is_read_and_written_again_alike(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        static char data[FLEET_WORD_MAX];
        struct text again;
        struct errinfo info;
        text_init(&again, data, sizeof data);
        if (good[i].read(slice_of_string(good[i].text), &again, &info) != ERR_OK)
            fail_msg("%s: %s", good[i].text, info.text);
        assert_string_equal(good[i].text, data);
    }
}

static void what_is_cut_anywhere_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        const struct slice whole = slice_of_string(good[i].text);
        for (size_t cut = 0; cut < whole.len; cut++) {
            static char data[FLEET_WORD_MAX];
            struct text again;
            struct errinfo info;
            text_init(&again, data, sizeof data);
            assert_int_equal(ERR_INPUT, good[i].read(slice_first(whole, cut), &again, &info));
        }
    }
}

static void what_is_wrong_is_refused_with_a_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        static char data[FLEET_WORD_MAX];
        struct text again;
        struct errinfo info = {0};
        text_init(&again, data, sizeof data);
        const enum err error = bad[i].read(slice_of_string(bad[i].text), &again, &info);
        if ((error != ERR_INPUT && error != ERR_LIMIT) || strstr(info.text, bad[i].said) == NULL)
            fail_msg("%s: %d %s", bad[i].text, (int)error, info.text);
    }
}

static void what_is_too_long_is_not_even_read(void **state)
{
    (void)state;
    static const struct {
        reader read;
        size_t max;
    } rows[] = {{read_word, FLEET_WORD_MAX},
                {read_member, MEMBER_TEXT_MAX},
                {read_order, FLEET_ORDER_TEXT_MAX},
                {read_answer, FLEET_ANSWER_TEXT_MAX},
                {read_tickets, TICKET_SET_TEXT_MAX}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct errinfo info;
        struct text again;
        char data[8];
        char *blanks = malloc(rows[i].max + 1);
        assert_non_null(blanks);
        memset(blanks, ' ', rows[i].max + 1);
        text_init(&again, data, sizeof data);
        assert_int_equal(ERR_LIMIT, rows[i].read(slice_of(blanks, rows[i].max + 1), &again, &info));
        assert_int_equal(ERR_INPUT, rows[i].read(slice_of(blanks, rows[i].max), &again, &info));
        free(blanks);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_good_is_read_and_written_again_alike),
        cmocka_unit_test(what_is_cut_anywhere_is_refused),
        cmocka_unit_test(what_is_wrong_is_refused_with_a_sentence),
        cmocka_unit_test(what_is_too_long_is_not_even_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
