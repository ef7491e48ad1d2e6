// The gate of a tunnel: what passes, what is held, what ends; in one piece and byte by byte.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/http/field.h"
#include "proxy/http/head.h"
#include "proxy/session/gate.h"
#include "tests/unit/auth/hello.h"

static uint8_t scratch[CLIENT_HELLO_MAX_LEN];
static struct hello sent;

static struct target asked(const char *authority)
{
    struct target target;
    assert_int_equal(ERR_OK, target_parse(slice_of_string(authority), &target));
    return target;
}

static struct gate strict(void)
{
    return (struct gate){.rules = {.tls = INNER_REQUIRE, .names = INNER_SAME}};
}

static enum gate_step look(struct gate *gate, size_t from, size_t to, bool has_end)
{
    const struct target target = asked("good.example:443");
    return gate_look(gate, slice_of(sent.bytes + from, to - from), has_end, &target, scratch);
}

static enum gate_step look_at_all(struct gate *gate)
{
    return look(gate, 0, sent.len, false);
}

// put_text sends bytes that are no TLS.
static void put_text(const char *text)
{
    hello_put(&sent, text, strlen(text));
}

static void put_record(unsigned type, const void *body, size_t len)
{
    hello_put_u8(&sent, type);
    hello_put_u16(&sent, 0x0303);
    hello_put_u16(&sent, (unsigned)len);
    hello_put(&sent, body, len);
}

static void put_hello_with_early_data(const char *name)
{
    static struct hello extensions;
    static struct hello message;
    extensions.len = 0;
    hello_put_name(&extensions, name);
    hello_put_extension(&extensions, 42, "", 0);
    hello_message(&message, &extensions);
    hello_records(&sent, &message, 16384);
}

static void begin(void)
{
    sent.len = 0;
}

static void the_name_that_was_asked_for_passes(void **state)
{
    (void)state;
    struct gate gate = strict();
    begin();
    hello_named(&sent, "good.example", 16384);
    assert_int_equal(GATE_PASSES, look_at_all(&gate));
    assert_int_equal(GATE_AFTER, gate.state);
    assert_int_equal(INNER_TLS, gate.seen.kind);
    assert_string_equal("good.example", gate.seen.hello.name.text);
}

static void nothing_passes_before_the_hello_is_whole(void **state)
{
    (void)state;
    struct gate gate = strict();
    begin();
    hello_named(&sent, "good.example", 3);
    for (size_t len = 0; len < sent.len; len++) {
        assert_int_equal(GATE_HOLDS, look(&gate, 0, len, false));
        assert_true(gate_holds_down(&gate));
    }
    assert_int_equal(GATE_PASSES, look_at_all(&gate));
    assert_false(gate_holds_down(&gate));
}

static void another_name_ends_the_tunnel(void **state)
{
    (void)state;
    struct gate gate = strict();
    begin();
    hello_named(&sent, "evil.example", 16384);
    assert_int_equal(GATE_JUDGES, look_at_all(&gate));
    assert_int_equal(INNER_END, gate.verdict.step);
    assert_int_equal(REASON_INNER_MISMATCH, gate.verdict.reason);
}

static void what_is_no_tls_ends_the_tunnel_at_its_first_byte(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        struct gate gate = strict();
        begin();
        hello_put_u8(&sent, byte);
        const uint8_t text[] = {(uint8_t)byte};
        const bool is_blank = byte == ' ' || (byte >= '\t' && byte <= '\r');
        const bool may_go_on = byte == 22 || is_blank || is_token(slice_of(text, 1));
        assert_int_equal(may_go_on ? GATE_HOLDS : GATE_JUDGES, look_at_all(&gate));
        if (!may_go_on)
            assert_int_equal(REASON_INNER_NOT_TLS, gate.verdict.reason);
    }
}

static void a_cut_hello_ends_the_tunnel(void **state)
{
    (void)state;
    begin();
    hello_named(&sent, "good.example", 16384);
    for (size_t len = 1; len < sent.len; len++) {
        struct gate gate = strict();
        assert_int_equal(GATE_JUDGES, look(&gate, 0, len, true));
        assert_int_equal(REASON_INNER_NOT_TLS, gate.verdict.reason);
    }
}

static void an_end_without_a_byte_passes(void **state)
{
    (void)state;
    struct gate gate = strict();
    begin();
    assert_int_equal(GATE_PASSES, look(&gate, 0, 0, true));
    assert_int_equal(INNER_NOTHING, gate.seen.kind);
}

static void the_second_hello_must_name_the_same(void **state)
{
    (void)state;
    struct gate gate = strict();
    begin();
    hello_named(&sent, "good.example", 16384);
    const size_t first_len = sent.len;
    assert_int_equal(GATE_PASSES, look(&gate, 0, first_len, false));
    put_record(20, "\1", 1);
    hello_named(&sent, "evil.example", 7);
    const size_t record_len = 6;
    size_t passed = first_len;
    for (size_t len = first_len + 1; len < sent.len; len++) {
        if (look(&gate, passed, len, false) == GATE_PASSES)
            passed = len;
    }
    assert_int_equal(first_len + record_len, passed); // of the second hello nothing
    assert_int_equal(GATE_JUDGES, look(&gate, passed, sent.len, false));
    assert_int_equal(REASON_INNER_MISMATCH, gate.verdict.reason);
}

static void a_second_hello_in_the_same_piece_is_judged_too(void **state)
{
    (void)state;
    struct gate gate = strict();
    begin();
    hello_named(&sent, "good.example", 16384);
    hello_named(&sent, "evil.example", 16384);
    assert_int_equal(GATE_JUDGES, look_at_all(&gate));
    assert_int_equal(REASON_INNER_MISMATCH, gate.verdict.reason);
}

static void early_data_before_the_second_hello_hides_nothing(void **state)
{
    (void)state;
    static const uint8_t data[1000];
    for (size_t step = 1; step < 1500; step += 37) {
        struct gate gate = strict();
        enum gate_step last = GATE_HOLDS;
        size_t passed = 0;
        begin();
        put_hello_with_early_data("good.example");
        put_record(23, data, sizeof data);
        put_record(23, data, 17);
        put_hello_with_early_data("evil.example");
        for (size_t to = step; last != GATE_JUDGES; to += step) {
            const size_t end = to < sent.len ? to : sent.len;
            last = look(&gate, passed, end, false);
            if (last == GATE_PASSES)
                passed = end;
            assert_true(last == GATE_JUDGES || end < sent.len);
        }
        assert_int_equal(REASON_INNER_MISMATCH, gate.verdict.reason);
        assert_true(passed < sent.len - 50); // no byte of the second hello has passed
    }
}

static void the_gate_opens_once_the_handshake_goes_on(void **state)
{
    (void)state;
    static const struct {
        unsigned type;
        const char *body;
    } cases[] = {{23, "encrypted"}, {22, "\x10key exchange"}, {22, "\x0b"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gate gate = strict();
        begin();
        hello_named(&sent, "good.example", 16384);
        put_record(20, "\1", 1);
        put_record(cases[i].type, cases[i].body, strlen(cases[i].body));
        assert_int_equal(GATE_PASSES, look_at_all(&gate));
        assert_int_equal(GATE_OPEN, gate.state);
    }
}

// Where a session of TLS 1.2 is resumed, the client's Finished follows the hello, encrypted. Go and BoringSSL begin it with
// a number, which is 0; OpenSSL with random bytes.
static void the_finished_of_a_resumed_session_opens_the_gate(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 256; first++) {
        uint8_t body[40] = {(uint8_t)first, first == 1 ? 4 : 0};
        struct gate gate = strict();
        enum gate_step step = GATE_HOLDS;
        begin();
        hello_named(&sent, "good.example", 16384);
        put_record(20, "\1", 1);
        const size_t begin_len = sent.len;
        put_record(22, body, sizeof body);
        for (size_t len = begin_len + 1; len <= sent.len && step == GATE_HOLDS; len++)
            step = look(&gate, 0, len, false);
        assert_int_equal(GATE_PASSES, step);
        assert_int_equal(GATE_OPEN, gate.state);
    }
}

static void a_second_hello_of_any_length_that_a_server_takes_is_no_finished(void **state)
{
    (void)state;
    for (size_t len = 4; len < 100; len++) {
        for (unsigned top = 0; top < 4; top++) {
            const uint8_t body[100] = {1, (uint8_t)top, 0xFF, 0xFF};
            struct gate gate = strict();
            begin();
            hello_named(&sent, "good.example", 16384);
            put_record(22, body, len);
            assert_int_equal(GATE_JUDGES, look_at_all(&gate));
        }
    }
}

static void an_empty_handshake_record_is_no_way_around(void **state)
{
    (void)state;
    struct gate gate = strict();
    begin();
    hello_named(&sent, "good.example", 16384);
    put_record(22, "", 0);
    hello_named(&sent, "evil.example", 16384);
    assert_int_equal(GATE_JUDGES, look_at_all(&gate));
    assert_int_equal(REASON_INNER_NOT_TLS, gate.verdict.reason);
}

static void a_request_in_the_clear_is_held_to_its_host(void **state)
{
    (void)state;
    static const struct {
        const char *head;
        enum gate_step step;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: good.example\r\n\r\n", GATE_PASSES},
        {"GET / HTTP/1.1\r\nHost: good.example:80\r\n\r\n", GATE_PASSES},
        {"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", GATE_JUDGES},
        {"GET / HTTP/1.1\r\nHost: good.example\r\nHost: evil.example\r\n\r\n", GATE_JUDGES},
        {"GET / HTTP/1.0\r\n\r\n", GATE_JUDGES},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", GATE_JUDGES},
        {"GET / HTTP/1.1\r\nHost: good.exam", GATE_HOLDS},
        {"G", GATE_HOLDS},
        {"GET", GATE_HOLDS},
        {"\r\n", GATE_HOLDS},
        {"get / HT", GATE_HOLDS},
        // What lenient servers read as a request too.
        {"get / HTTP/1.1\r\nHost: evil.example\r\n\r\n", GATE_JUDGES},
        {"X-Y_z!1 / HTTP/1.1\r\nHost: evil.example\r\n\r\n", GATE_JUDGES},
        {"\r\n\n \tGET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", GATE_JUDGES},
        {"\r\nGET / HTTP/1.1\r\nHost: good.example\r\n\r\n", GATE_PASSES},
        {"GET\t/\tHTTP/1.1\r\nHost: good.example\r\n\r\n", GATE_JUDGES},
        {"GET\v/\fHTTP/1.1\r\nHost: good.example\r\n\r\n", GATE_JUDGES},
        {"GET / http/1.1\r\nHost: good.example\r\n\r\n", GATE_JUDGES},
        {"GET /\r\n", GATE_JUDGES},
        // The URL of a request counts more than its Host.
        {"GET http://good.example/ HTTP/1.1\r\nHost: good.example\r\n\r\n", GATE_PASSES},
        {"GET http://evil.example/ HTTP/1.1\r\nHost: good.example\r\n\r\n", GATE_JUDGES},
        {"GET http://good.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n", GATE_JUDGES},
        {"GET https://good.example/ HTTP/1.1\r\nHost: good.example\r\n\r\n", GATE_JUDGES},
        {"CONNECT good.example:80 HTTP/1.1\r\nHost: good.example\r\n\r\n", GATE_JUDGES},
        {"OPTIONS * HTTP/1.1\r\nHost: good.example\r\n\r\n", GATE_PASSES},
        // No TLS, and no request: `any` lets it pass.
        {"SSH-2.0-OpenSSH_9.2\r\n", GATE_PASSES},
        {"SSH-2.0-OpenSSH_9.2 Debian\r\n", GATE_PASSES},
        {"EHLO good.example\r\n", GATE_PASSES},
        {"QUIT\r\n", GATE_PASSES},
        {"{ HTTP/1.1\r\n", GATE_PASSES},
        {"\xFF", GATE_PASSES},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gate gate = {.rules = {.names = INNER_SAME, .plain = INNER_PLAIN_CHECK}};
        begin();
        put_text(cases[i].head);
        assert_int_equal(cases[i].step, look_at_all(&gate));
        if (cases[i].step == GATE_JUDGES)
            assert_int_equal(REASON_INNER_PLAIN, gate.verdict.reason);
    }
}

static void the_begin_of_a_request_and_an_end_is_judged(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum gate_step step;
        enum inner_kind kind;
    } cases[] = {
        {"GET / HT", GATE_JUDGES, INNER_HTTP},
        {"GET / HTTP/1.1\r\nHost: good.example\r\n", GATE_JUDGES, INNER_HTTP},
        {"GET", GATE_PASSES, INNER_OTHER},
        {"POST /", GATE_PASSES, INNER_OTHER},
        {"\r\n", GATE_PASSES, INNER_OTHER},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gate gate = {.rules = {.plain = INNER_PLAIN_CHECK}};
        begin();
        put_text(cases[i].text);
        assert_int_equal(cases[i].step, look(&gate, 0, sent.len, true));
        assert_int_equal(cases[i].kind, gate.seen.kind);
        assert_int_equal(GATE_OPEN, gate.state);
    }
}

static void a_line_that_never_ends_is_a_bad_request(void **state)
{
    (void)state;
    static const char *const begins[] = {"", "GET "};
    static uint8_t letters[HEAD_MAX_LEN];
    memset(letters, 'A', sizeof letters);
    for (size_t i = 0; i < sizeof begins / sizeof begins[0]; i++) {
        struct gate gate = {.rules = {.plain = INNER_PLAIN_CHECK}};
        begin();
        put_text(begins[i]);
        hello_put(&sent, letters, HEAD_MAX_LEN - 1 - strlen(begins[i]));
        assert_int_equal(GATE_HOLDS, look_at_all(&gate));
        hello_put_u8(&sent, 'A');
        assert_int_equal(GATE_JUDGES, look_at_all(&gate));
        assert_int_equal(INNER_HTTP, gate.seen.kind);
    }
}

static void what_servers_may_skip_is_no_way_around(void **state)
{
    (void)state;
    static const unsigned types[] = {0, 19, 20, 21, 24, 77, 128, 255};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        for (size_t len = 0; len < 300; len += 299) {
            static const uint8_t body[300];
            struct gate gate = strict();
            begin();
            hello_named(&sent, "good.example", 16384);
            put_record(types[i], body, len);
            put_record(types[i], body, len);
            assert_int_equal(GATE_PASSES, look_at_all(&gate));
            assert_int_equal(GATE_AFTER, gate.state);
            begin();
            hello_named(&sent, "evil.example", 16384);
            assert_int_equal(GATE_JUDGES, look_at_all(&gate));
            assert_int_equal(REASON_INNER_MISMATCH, gate.verdict.reason);
        }
    }
}

static void a_hello_request_is_no_way_around(void **state)
{
    (void)state;
    struct gate gate = strict();
    begin();
    hello_named(&sent, "good.example", 16384);
    put_record(22, "\0\0\0\0", 4);
    assert_int_equal(GATE_JUDGES, look_at_all(&gate));
    assert_int_equal(REASON_INNER_NOT_TLS, gate.verdict.reason);
}

static void a_request_in_the_clear_is_no_tls(void **state)
{
    (void)state;
    struct gate gate = strict();
    begin();
    put_text("GET / HTTP/1.1\r\nHost: good.example\r\n\r\n");
    assert_int_equal(GATE_JUDGES, look_at_all(&gate));
    assert_int_equal(REASON_INNER_NOT_TLS, gate.verdict.reason);
}

static void an_observing_gate_lets_everything_pass_and_keeps_what_it_saw(void **state)
{
    (void)state;
    struct gate gate = {.rules = {.tls = INNER_OBSERVE}};
    begin();
    hello_named(&sent, "evil.example", 16384);
    assert_int_equal(GATE_PASSES, look_at_all(&gate));
    assert_int_equal(GATE_OPEN, gate.state);
    assert_string_equal("evil.example", gate.seen.hello.name.text);
}

static void after_a_yes_the_same_bytes_are_looked_at_for_a_second_hello(void **state)
{
    (void)state;
    struct gate gate = {.rules = {.tls = INNER_REQUIRE, .names = INNER_LISTED}};
    begin();
    hello_named(&sent, "other.example", 16384);
    hello_named(&sent, "evil.example", 16384);
    assert_int_equal(GATE_JUDGES, look_at_all(&gate));
    assert_int_equal(INNER_ASK_POLICY, gate.verdict.step);
    assert_int_equal(GATE_JUDGES, look_at_all(&gate));
    assert_int_equal(INNER_END, gate.verdict.step);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_name_that_was_asked_for_passes),
        cmocka_unit_test(nothing_passes_before_the_hello_is_whole),
        cmocka_unit_test(another_name_ends_the_tunnel),
        cmocka_unit_test(what_is_no_tls_ends_the_tunnel_at_its_first_byte),
        cmocka_unit_test(a_cut_hello_ends_the_tunnel),
        cmocka_unit_test(an_end_without_a_byte_passes),
        cmocka_unit_test(the_second_hello_must_name_the_same),
        cmocka_unit_test(a_second_hello_in_the_same_piece_is_judged_too),
        cmocka_unit_test(early_data_before_the_second_hello_hides_nothing),
        cmocka_unit_test(the_gate_opens_once_the_handshake_goes_on),
        cmocka_unit_test(the_finished_of_a_resumed_session_opens_the_gate),
        cmocka_unit_test(a_second_hello_of_any_length_that_a_server_takes_is_no_finished),
        cmocka_unit_test(an_empty_handshake_record_is_no_way_around),
        cmocka_unit_test(a_request_in_the_clear_is_held_to_its_host),
        cmocka_unit_test(the_begin_of_a_request_and_an_end_is_judged),
        cmocka_unit_test(a_line_that_never_ends_is_a_bad_request),
        cmocka_unit_test(what_servers_may_skip_is_no_way_around),
        cmocka_unit_test(a_hello_request_is_no_way_around),
        cmocka_unit_test(a_request_in_the_clear_is_no_tls),
        cmocka_unit_test(an_observing_gate_lets_everything_pass_and_keeps_what_it_saw),
        cmocka_unit_test(after_a_yes_the_same_bytes_are_looked_at_for_a_second_hello),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
