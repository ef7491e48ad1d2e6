// Answers: the phrase and its bounds, the fields after it, and nothing that a client chose.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/http/answer.h"

#define ID           "7f3a9c0e12b44d5a"
#define NAME_32      "abcdefghijklmnopqrstuvwxyz.-_089"
#define LONGEST_RULE NAME_32 ".allow[18446744073709551615]"

static const uint16_t statuses[] = {400, 403, 404, 405, 408, 413, 417,
                                    429, 431, 502, 503, 504, 508};

static struct slice format(const struct answer *answer, char data[ANSWER_CAP])
{
    struct text text;
    text_init(&text, data, ANSWER_CAP);
    answer_format(answer, &text);
    assert_false(text.is_cut);
    return text_slice(&text);
}

// next_line takes a line with its CRLF off the front.
static struct slice next_line(struct slice *rest)
{
    const size_t lf = slice_find(*rest, '\n');
    assert_true(lf > 0 && lf < rest->len && rest->data[lf - 1] == '\r');
    const struct slice line = slice_first(*rest, lf - 1);
    *rest = slice_from(*rest, lf + 1);
    return line;
}

// field gives the value of the one field of this name; an empty slice when there is none.
static struct slice field(struct slice answer, const char *name)
{
    struct slice found = {0};
    struct slice rest = answer;
    (void)next_line(&rest);
    for (struct slice line = next_line(&rest); line.len > 0; line = next_line(&rest)) {
        const size_t colon = slice_find(line, ':');
        assert_true(colon < line.len && line.data[colon + 1] == ' ');
        if (!slice_equal(slice_first(line, colon), slice_of_string(name)))
            continue;
        assert_int_equal(found.len, 0); // stands once
        found = slice_from(line, colon + 2);
    }
    return found;
}

static struct slice body(struct slice answer)
{
    struct slice rest = answer;
    while (next_line(&rest).len > 0) {
    }
    return rest;
}

static struct slice phrase(struct slice answer)
{
    struct slice rest = answer;
    const struct slice line = next_line(&rest);
    assert_true(slice_starts_with(line, SLICE_LITERAL("HTTP/1.1 ")));
    return slice_from(line, strlen("HTTP/1.1 403 "));
}

static void assert_phrase(const struct answer *answer, const char *expected)
{
    char data[ANSWER_CAP];
    const struct slice got = phrase(format(answer, data));
    char text[128];
    assert_true(string_copy(text, sizeof text, got));
    assert_string_equal(text, expected);
}

static void the_phrase_names_rule_or_reason_and_the_id(void **state)
{
    (void)state;
    assert_phrase(&(struct answer){.status = 403,
                                   .reason = REASON_DENIED_BY_RULE,
                                   .rule = "billing",
                                   .client = "scrapers",
                                   .id = ID},
                  "Denied by rule billing (id " ID ")");
    assert_phrase(
        &(struct answer){.status = 403, .reason = REASON_NO_RULE, .client = "scrapers", .id = ID},
        "Denied: no_rule for scrapers (id " ID ")");
    assert_phrase(&(struct answer){.status = 403, .reason = REASON_NO_CLIENT, .id = ID},
                  "Denied: no_client (id " ID ")");
    assert_phrase(
        &(struct answer){
            .status = 403, .reason = REASON_NOT_AUTHORIZED, .rule = "eu.allow[0]", .id = ID},
        "Denied by the authorizer for rule eu.allow[0] (id " ID ")");
    assert_phrase(
        &(struct answer){
            .status = 503, .reason = REASON_AUTHORIZER_FAILED, .rule = "eu.allow[0]", .id = ID},
        "No answer of the authorizer for rule eu.allow[0] (id " ID ")");
    assert_phrase(
        &(struct answer){
            .status = 502, .reason = REASON_DNS_FAILED, .detail = "name_not_found", .id = ID},
        "Bad gateway: dns_failed, name_not_found (id " ID ")");
}

// all_answers calls `check` for every status and reason with the longest of everything, and the least.
static void all_answers(void (*check)(const struct answer *answer, struct slice text))
{
    static const char *const rules[] = {NULL, "a", LONGEST_RULE};
    static const char *const clients[] = {NULL, NAME_32};
    static const char *const details[] = {NULL, "the head did not arrive in time"};
    char data[ANSWER_CAP];
    for (size_t status = 0; status < sizeof statuses / sizeof *statuses; status++) {
        for (int reason = 0; reason < REASON_COUNT; reason++) {
            for (unsigned bits = 0; bits < 24; bits++) {
                const struct answer answer = {
                    .status = statuses[status],
                    .reason = (enum reason)reason,
                    .rule = rules[bits % 3],
                    .client = clients[bits / 3 % 2],
                    .detail = details[bits / 6 % 2],
                    .id = ID,
                    .is_persistent = bits / 12 == 1,
                };
                check(&answer, format(&answer, data));
            }
        }
    }
}

static void check_phrase(const struct answer *answer, struct slice text)
{
    const struct slice words = phrase(text);
    char status[16];
    (void)snprintf(status, sizeof status, "HTTP/1.1 %u ", answer->status);
    assert_true(slice_starts_with(text, slice_of_string(status)));
    assert_true(words.len <= ANSWER_REASON_PHRASE_MAX);
    assert_true(slice_ends_with(words, SLICE_LITERAL(" (id " ID ")")));
    for (size_t i = 0; i < words.len; i++)
        assert_true(words.data[i] >= 0x20 && words.data[i] < 0x7F);
}

static void no_phrase_is_longer_than_80_bytes_or_has_its_id_cut(void **state)
{
    (void)state;
    all_answers(check_phrase);
}

static void check_frame(const struct answer *answer, struct slice text)
{
    char len[24];
    (void)snprintf(len, sizeof len, "%zu", body(text).len);
    assert_true(slice_equal(field(text, "Content-Length"), slice_of_string(len)));
    assert_true(slice_equal(field(text, "X-Request-Id"), SLICE_LITERAL(ID)));
    assert_int_equal(field(text, "Transfer-Encoding").len, 0);
    const bool closes = slice_equal(field(text, "Connection"), SLICE_LITERAL("close"));
    assert_int_equal(closes, !answer->is_persistent);
    assert_int_equal(field(text, "Allow").len > 0, answer->status == 405);
    assert_true(slice_ends_with(body(text), SLICE_LITERAL(" (id " ID ")\n")));
}

static void length_equals_body_and_the_end_is_announced(void **state)
{
    (void)state;
    all_answers(check_frame);
}

static void help_stands_in_the_body_and_a_head_has_none(void **state)
{
    (void)state;
    struct answer answer = {
        .status = 400, .reason = REASON_BAD_REQUEST, .help = "Do this.", .id = ID};
    char data[ANSWER_CAP];
    const struct slice text = format(&answer, data);
    char len[24];
    (void)snprintf(len, sizeof len, "%zu", body(text).len);
    assert_true(slice_equal(field(text, "Content-Length"), slice_of_string(len)));
    assert_true(slice_ends_with(body(text), SLICE_LITERAL(" (id " ID ")\nDo this.\n")));
    answer.is_for_head = true;
    const struct slice head = format(&answer, data);
    assert_true(slice_equal(field(head, "Content-Length"), slice_of_string(len)));
    assert_int_equal(body(head).len, 0);
}

static void json_has_its_length(void **state)
{
    (void)state;
    struct answer answer = {.status = 200, .id = ID, .is_persistent = true};
    char data[ANSWER_CAP];
    struct text text;
    text_init(&text, data, sizeof data);
    answer_format_json(&answer, SLICE_LITERAL("{}"), &text);
    assert_true(slice_equal(field(text_slice(&text), "Content-Length"), SLICE_LITERAL("2")));
    assert_true(slice_equal(body(text_slice(&text)), SLICE_LITERAL("{}")));
    assert_int_equal(field(text_slice(&text), "Connection").len, 0);
    answer.is_for_head = true;
    text_init(&text, data, sizeof data);
    answer_format_json(&answer, SLICE_LITERAL("{}"), &text);
    assert_true(slice_equal(field(text_slice(&text), "Content-Length"), SLICE_LITERAL("2")));
    assert_int_equal(body(text_slice(&text)).len, 0);
}

// is_registered: the proxy error types of RFC 9209 2.3 that this proxy may use.
static bool is_registered(struct slice type)
{
    static const char *const types[] = {
        "dns_timeout",
        "dns_error",
        "destination_ip_prohibited",
        "connection_refused",
        "connection_timeout",
        "connection_terminated",
        "http_protocol_error",
        "http_request_error",
        "http_request_denied",
        "connection_limit_reached",
        "proxy_internal_error",
        "proxy_configuration_error",
        "proxy_loop_detected",
        "destination_unavailable",
        "tls_certificate_error",
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (slice_equal(type, slice_of_string(types[i])))
            return true;
    }
    return false;
}

static bool take(struct slice *rest, struct slice prefix)
{
    if (!slice_starts_with(*rest, prefix))
        return false;
    *rest = slice_from(*rest, prefix.len);
    return true;
}

// take_sf_string takes a string of RFC 8941 3.3.3 off the front.
static bool take_sf_string(struct slice *rest)
{
    if (!take(rest, SLICE_LITERAL("\"")))
        return false;
    while (rest->len > 0) {
        const uint8_t byte = rest->data[0];
        *rest = slice_from(*rest, 1);
        if (byte == '"')
            return true;
        if (byte < 0x20 || byte >= 0x7F)
            return false;
        if (byte == '\\' && !take(rest, SLICE_LITERAL("\"")) && !take(rest, SLICE_LITERAL("\\")))
            return false;
    }
    return false;
}

// check_proxy_status reads RFC 9209 2: a list with one member, a token with parameters.
static void check_proxy_status(const struct answer *answer, struct slice text)
{
    (void)answer;
    struct slice rest = field(text, "Proxy-Status");
    assert_true(take(&rest, SLICE_LITERAL("sallyport; error=")));
    const size_t semicolon = slice_find(rest, ';');
    assert_true(is_registered(slice_first(rest, semicolon)));
    rest = slice_from(rest, semicolon);
    assert_true(take(&rest, SLICE_LITERAL("; details=")));
    assert_true(take_sf_string(&rest));
    assert_int_equal(rest.len, 0);
}

static void proxy_status_is_a_structured_field(void **state)
{
    (void)state;
    all_answers(check_proxy_status);
}

static void members_of_those_further_on_stand_before_ours(void **state)
{
    (void)state;
    static const struct {
        struct answer answer;
        const char *expected;
    } rows[] = {
        {{.status = 200, .id = ID, .passed_on = "far"}, "far, sallyport"},
        {{.status = 200, .id = ID, .passed_on = ""}, "sallyport"},
        {{.status = 403,
          .reason = REASON_PARENT_REFUSED,
          .id = ID,
          .passed_on = "far; details=\"no\"",
          .received = 403},
         "far; details=\"no\", sallyport; error=http_request_denied; received-status=403; "
         "details=\"parent_refused\""},
        {{.status = 502, .reason = REASON_PARENT_REFUSED, .id = ID, .received = 407},
         "sallyport; error=destination_unavailable; received-status=407; "
         "details=\"parent_refused\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char data[ANSWER_CAP];
        const struct slice got = field(format(&rows[i].answer, data), "Proxy-Status");
        char text[256];
        assert_true(string_copy(text, sizeof text, got));
        assert_string_equal(text, rows[i].expected);
    }
}

static void the_longest_answer_of_a_parent_fits(void **state)
{
    (void)state;
    char members[257];
    memset(members, 'a', sizeof members - 1);
    members[sizeof members - 1] = '\0';
    const struct answer answer = {.status = 502,
                                  .reason = REASON_PARENT_BAD_ANSWER,
                                  .rule = LONGEST_RULE,
                                  .client = NAME_32,
                                  .detail = "a sentence about what is wrong with its answer",
                                  .help = "a sentence for people that says what they can do",
                                  .id = ID,
                                  .passed_on = members,
                                  .received = 599};
    char data[ANSWER_CAP];
    (void)format(&answer, data); // it is not cut
}

static void the_start_of_a_tunnel_has_neither_length_nor_body(void **state)
{
    (void)state;
    char data[ANSWER_CAP];
    const struct answer answer = {.status = 200, .id = ID, .rule = "r", .client = "c"};
    const struct slice text = format(&answer, data);
    assert_true(slice_starts_with(text, SLICE_LITERAL("HTTP/1.1 200 ")));
    assert_int_equal(field(text, "Content-Length").len, 0);
    assert_int_equal(field(text, "Transfer-Encoding").len, 0);
    assert_int_equal(field(text, "Connection").len, 0);
    assert_true(slice_equal(field(text, "Proxy-Status"), SLICE_LITERAL("sallyport")));
    assert_true(slice_equal(field(text, "X-Request-Id"), SLICE_LITERAL(ID)));
    assert_int_equal(body(text).len, 0);
}

static void plain_http_is_told_of_https(void **state)
{
    (void)state;
    char data[ANSWER_CAP];
    struct text text;
    text_init(&text, data, sizeof data);
    answer_plain_http(&text);
    assert_false(text.is_cut);
    const struct slice answer = text_slice(&text);
    assert_true(slice_starts_with(answer, SLICE_LITERAL("HTTP/1.1 400 ")));
    assert_true(phrase(answer).len <= ANSWER_REASON_PHRASE_MAX);
    assert_non_null(strstr(data, "https://"));
    char len[24];
    (void)snprintf(len, sizeof len, "%zu", body(answer).len);
    assert_true(slice_equal(field(answer, "Content-Length"), slice_of_string(len)));
    assert_true(slice_equal(field(answer, "Connection"), SLICE_LITERAL("close")));
    check_proxy_status(NULL, answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_phrase_names_rule_or_reason_and_the_id),
        cmocka_unit_test(no_phrase_is_longer_than_80_bytes_or_has_its_id_cut),
        cmocka_unit_test(length_equals_body_and_the_end_is_announced),
        cmocka_unit_test(help_stands_in_the_body_and_a_head_has_none),
        cmocka_unit_test(json_has_its_length),
        cmocka_unit_test(proxy_status_is_a_structured_field),
        cmocka_unit_test(members_of_those_further_on_stand_before_ours),
        cmocka_unit_test(the_longest_answer_of_a_parent_fits),
        cmocka_unit_test(the_start_of_a_tunnel_has_neither_length_nor_body),
        cmocka_unit_test(plain_http_is_told_of_https),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
