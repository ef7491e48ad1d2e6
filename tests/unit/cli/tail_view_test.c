// Records as lines for people, and which of them are wanted.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
// cmocka wants the four above first
#include <cmocka.h>

#include "proxy/cli/tail_view.h"

#define HEAD "{\"v\":1,\"ts\":\"2026-11-22T05:37:12.854Z\",\"event\":"

// The members that are looked at, of real records.
static const char *const records[] = {
    HEAD
    "\"decision\",\"id\":\"00000000000000a1\",\"client\":{\"name\":\"scrapers\"},"
    "\"request\":{\"method\":\"CONNECT\",\"host\":\"api.example.com\",\"port\":443},"
    "\"decision\":{\"action\":\"allow\",\"would_deny\":false,\"reason\":\"rule\",\"rule\":\"search\"}}",
    HEAD "\"close\",\"id\":\"00000000000000a1\",\"bytes\":{\"up\":722,\"down\":1641},"
         "\"ms\":{\"total\":65000},\"reason\":\"client_closed\"}",
    HEAD
    "\"decision\",\"id\":\"00000000000000a2\",\"client\":{\"name\":\"agent-7\","
    "\"entry\":\"agent-{cn}\"},"
    "\"request\":{\"method\":\"GET\",\"host\":\"b.test\",\"port\":80},"
    "\"decision\":{\"action\":\"deny\",\"would_deny\":false,\"reason\":\"no_rule\",\"rule\":null}}",
    HEAD
    "\"decision\",\"id\":\"00000000000000a3\",\"client\":{\"name\":null},"
    "\"request\":{\"method\":null,\"host\":null,\"port\":null},"
    "\"decision\":{\"action\":\"error\",\"would_deny\":false,\"reason\":\"bad_request\",\"rule\":null}}",
    HEAD
    "\"decision\",\"id\":\"00000000000000a4\",\"client\":{\"name\":\"scrapers\"},"
    "\"request\":{\"method\":\"CONNECT\",\"host\":\"c.test\",\"port\":443},"
    "\"decision\":{\"action\":\"allow\",\"would_deny\":true,\"reason\":\"no_rule\",\"rule\":null}}",
    HEAD
    "\"close\",\"id\":\"00000000000000ff\",\"bytes\":{\"up\":0,\"down\":0},\"ms\":{\"total\":1},"
    "\"reason\":\"idle\"}",
    HEAD "\"handshake_refused\",\"id\":\"00000000000000a5\",\"client\":{\"address\":\"192.0.2.7\"},"
         "\"reason\":\"expired\",\"detail\":\"it has expired\",\"count\":3,"
         "\"presented\":{\"subject\":\"CN=a\\u001b[2Jb\"}}",
    HEAD "\"requests_refused\",\"client\":\"scrapers\",\"source\":\"127.0.0.1\","
         "\"reason\":\"no_rule\",\"count\":1840}",
    HEAD "\"admin\",\"command\":\"block\",\"argument\":\"client:scrapers\",\"by\":{\"uid\":0},"
         "\"result\":\"ok\",\"detail\":\"blocked\"}",
    HEAD
    "\"admin\",\"command\":\"block\",\"argument\":\"client:scrapers\","
    "\"by\":{\"uid\":0,\"instance\":\"80271bc3aa1ee28a\"},\"result\":\"ok\",\"detail\":\"given\"}",
    HEAD "\"admin\",\"command\":\"block\",\"argument\":null,\"by\":null,\"count\":30,"
         "\"result\":\"ok\",\"detail\":\"more\"}",
    HEAD "\"records_lost\",\"count\":476}",
    HEAD "\"of_tomorrow\"}",
};
enum { COUNT = sizeof records / sizeof *records };

static const char *const lines[COUNT] = {
    "05:37:12 allow    scrapers         api.example.com:443 rule search",
    "05:37:12 close    scrapers         api.example.com:443 client_closed up 722 B, down 1.6 KiB, 1m05s",
    "05:37:12 deny     agent-7          GET b.test:80 no_rule",
    "05:37:12 error    -                - bad_request",
    "05:37:12 allow    scrapers         c.test:443 no_rule (would be denied)",
    "05:37:12 close    -                00000000000000ff idle up 0 B, down 0 B, 0s",
    "05:37:12 refused  192.0.2.7        expired x 3 CN=a\\x1b[2Jb it has expired",
    "05:37:12 refused  scrapers         no_rule x 1840 127.0.0.1",
    "05:37:12 admin    uid 0            block client:scrapers ok blocked",
    "05:37:12 admin    uid 0@80271bc3   block client:scrapers ok given",
    "05:37:12 admin    others           block x 30 ok more",
    "05:37:12 lost     476 records could not be written",
    "05:37:12 of_tomorrow",
};

// watched gives which records pass a filter, as a word of `1` and `.`.
static const char *watched(struct tail_filter filter)
{
    static char passed[COUNT + 1];
    struct tail_view *view = tail_view_create(&filter);
    for (size_t i = 0; i < COUNT; i++) {
        struct history_entry entry;
        struct errinfo info;
        assert_int_equal(ERR_OK, history_entry_read(slice_of_string(records[i]), &entry, &info));
        passed[i] = tail_view_wants(view, &entry) ? '1' : '.';
        history_entry_deinit(&entry);
    }
    tail_view_destroy(view);
    return passed;
}

static void each_record_is_one_line(void **state)
{
    (void)state;
    const struct tail_filter all = {0};
    struct tail_view *view = tail_view_create(&all);
    for (size_t i = 0; i < COUNT; i++) {
        char memory[2048];
        struct text text;
        struct history_entry entry;
        struct errinfo info;
        struct painter painter = {.text = &text};
        text_init(&text, memory, sizeof memory);
        assert_int_equal(ERR_OK, history_entry_read(slice_of_string(records[i]), &entry, &info));
        assert_true(tail_view_wants(view, &entry));
        tail_view_paint(view, &entry, &painter);
        assert_string_equal(lines[i], memory);
        for (painter.columns = 1; painter.columns < 120; painter.columns++) {
            text_init(&text, memory, sizeof memory);
            painter.used = 0;
            tail_view_paint(view, &entry, &painter);
            assert_true(text.len <= painter.columns);
        }
        history_entry_deinit(&entry);
    }
    tail_view_destroy(view);
}

static void filters_let_through_what_they_name(void **state)
{
    (void)state;
    assert_string_equal("1111111111111", watched((struct tail_filter){0}));
    assert_string_equal("11..1..1.....", watched((struct tail_filter){.client = "scrapers"}));
    assert_string_equal("..1..........", watched((struct tail_filter){.client = "agent-7"}));
    assert_string_equal("..1..........", watched((struct tail_filter){.client = "agent-{cn}"}));
    assert_string_equal(".............", watched((struct tail_filter){.client = "scraper"}));
    assert_string_equal("..1.1..1.....", watched((struct tail_filter){.reason = "no_rule"}));
    assert_string_equal(".1...........", watched((struct tail_filter){.reason = "client_closed"}));
    assert_string_equal("......1......", watched((struct tail_filter){.reason = "expired"}));
    assert_string_equal("..1...11.....", watched((struct tail_filter){.is_denied = true}));
    assert_string_equal(".......1.....",
                        watched((struct tail_filter){
                            .client = "scrapers", .reason = "no_rule", .is_denied = true}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_record_is_one_line),
        cmocka_unit_test(filters_let_through_what_they_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
