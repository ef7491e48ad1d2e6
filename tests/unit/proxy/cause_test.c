// cause and reply: every row is whole, alerts and verdicts lead to the right one, and an answer fits its bounds.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/sidecar/reply.h"

#define NOW INT64_C(1800000000)

static const struct own_certificate good = {
    .is_shown = true, .is_for_clients = true, .not_before_s = NOW - 10, .not_after_s = NOW + 10};

static void every_cause_says_what_it_is_whose_matter_and_what_to_do(void **state)
{
    (void)state;
    for (int i = CAUSE_NONE + 1; i < CAUSE_COUNT; i++) {
        const enum cause cause = (enum cause)i;
        assert_true(cause_info(cause)->name[0] != '\0' && cause_info(cause)->advice[0] != '\0');
        assert_true(cause_info(cause)->side != SIDE_NOBODY &&
                    cause_info(cause)->proxy_status[0] != '\0');
        assert_true(cause_side_name(cause_info(cause)->side)[0] != '\0');
        assert_in_range(cause_info(cause)->status, 400, 504);
        for (int other = CAUSE_NONE; other < i; other++)
            assert_string_not_equal(cause_info(cause)->name, cause_info((enum cause)other)->name);
    }
}

static void alerts_lead_to_causes(void **state)
{
    (void)state;
    static const struct {
        uint8_t alert;
        enum cause cause;
    } rows[] = {
        {116, CAUSE_NO_CERTIFICATE}, {45, CAUSE_EXPIRED},   {44, CAUSE_REVOKED},
        {48, CAUSE_UNKNOWN_CA},      {42, CAUSE_REFUSED},   {43, CAUSE_REFUSED},
        {46, CAUSE_REFUSED},         {70, CAUSE_PROTOCOL},  {40, CAUSE_PROTOCOL},
        {80, CAUSE_UNAVAILABLE},     {255, CAUSE_PROTOCOL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(cause_of_alert(rows[i].alert, &good, NOW), rows[i].cause);
}

static void only_who_is_not_there_is_passed_over(void **state)
{
    (void)state;
    static const enum cause absent[] = {CAUSE_DNS_NOT_FOUND,      CAUSE_DNS_FAILED,
                                        CAUSE_CONNECTION_REFUSED, CAUSE_CONNECTION_TIMEOUT,
                                        CAUSE_HANDSHAKE_TIMEOUT,  CAUSE_CLOSED};
    size_t found = 0;
    for (int i = CAUSE_NONE; i < CAUSE_COUNT; i++)
        found += cause_is_absence((enum cause)i) ? 1 : 0;
    assert_int_equal(found, sizeof absent / sizeof *absent);
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
        assert_true(cause_is_absence(absent[i]));
}

static void what_we_know_of_our_own_certificate_sharpens_an_alert(void **state)
{
    (void)state;
    const struct own_certificate none = {0};
    struct own_certificate early = good;
    struct own_certificate server = good;
    early.not_before_s = NOW + 1;
    server.is_for_clients = false;
    assert_int_equal(cause_of_alert(45, &early, NOW), CAUSE_NOT_YET_VALID);
    assert_int_equal(cause_of_alert(43, &server, NOW), CAUSE_BAD_PURPOSE);
    assert_int_equal(cause_of_alert(40, &none, NOW), CAUSE_NO_CERTIFICATE); // TLS 1.2
}

static void verdicts_on_the_proxy_lead_to_causes_of_the_proxy(void **state)
{
    (void)state;
    assert_int_equal(cause_of_verdict(REASON_UNKNOWN_CA), CAUSE_PROXY_UNKNOWN_CA);
    assert_int_equal(cause_of_verdict(REASON_EXPIRED), CAUSE_PROXY_EXPIRED);
    assert_int_equal(cause_of_verdict(REASON_REVOKED), CAUSE_PROXY_BAD_CERTIFICATE);
    for (int i = 0; i < REASON_COUNT; i++)
        assert_int_equal(cause_info(cause_of_verdict((enum reason)i))->side, SIDE_PROXY);
}

static void what_the_proxy_refuses_has_the_word_of_its_reason(void **state)
{
    (void)state;
    for (int i = REASON_NO_CERTIFICATE; i <= REASON_BLOCKED; i++) {
        const enum cause cause = cause_of_refusal((enum reason)i);
        assert_int_equal(cause_info(cause)->side, SIDE_CLIENT);
        assert_int_equal(cause_info(cause)->step, EXAM_ACCEPTED);
        if (cause != CAUSE_REFUSED)
            assert_string_equal(cause_info(cause)->name, reason_name((enum reason)i));
    }
    assert_int_equal(cause_of_refusal(REASON_WEAK_KEY), CAUSE_WEAK_KEY);
    assert_int_equal(cause_of_refusal(REASON_CRL_MISSING), CAUSE_REFUSED);
}

static void every_failure_fits_a_status_line_of_80_bytes_and_one_buffer(void **state)
{
    (void)state;
    for (int i = CAUSE_NONE + 1; i < CAUSE_COUNT; i++) {
        char data[REPLY_CAP];
        struct text text;
        text_init(&text, data, sizeof data);
        reply_failure((enum cause)i, "certificate_expired", 45, &text);
        assert_false(text.is_cut);
        const size_t line = slice_find(text_slice(&text), '\r');
        assert_in_range(line, 20, sizeof "HTTP/1.1 502 " - 1 + 80);
        assert_non_null(strstr(data, cause_info((enum cause)i)->phrase));
        assert_non_null(strstr(data, "; alert-id=45; alert-message=\"certificate_expired\""));
        assert_non_null(strstr(data, "\r\nConnection: close\r\n"));
        // The body is as long as it says.
        const char *body = strstr(data, "\r\n\r\n") + 4;
        char length[64];
        (void)snprintf(length, sizeof length, "\r\nContent-Length: %zu\r\n", strlen(body));
        assert_non_null(strstr(data, length));
    }
}

static void a_pac_file_has_no_body_for_head(void **state)
{
    (void)state;
    char with[REPLY_CAP];
    char without[REPLY_CAP];
    struct text text;
    text_init(&text, with, sizeof with);
    reply_pac("127.0.0.1:3128", true, &text);
    text_init(&text, without, sizeof without);
    reply_pac("127.0.0.1:3128", false, &text);
    assert_non_null(strstr(with, "return \"PROXY 127.0.0.1:3128\";"));
    assert_null(strstr(with, "DIRECT\"; PROXY"));
    assert_string_equal(strstr(without, "\r\n\r\n"), "\r\n\r\n");
    assert_memory_equal(with, without, strlen(without));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cause_says_what_it_is_whose_matter_and_what_to_do),
        cmocka_unit_test(alerts_lead_to_causes),
        cmocka_unit_test(only_who_is_not_there_is_passed_over),
        cmocka_unit_test(what_we_know_of_our_own_certificate_sharpens_an_alert),
        cmocka_unit_test(verdicts_on_the_proxy_lead_to_causes_of_the_proxy),
        cmocka_unit_test(what_the_proxy_refuses_has_the_word_of_its_reason),
        cmocka_unit_test(every_failure_fits_a_status_line_of_80_bytes_and_one_buffer),
        cmocka_unit_test(a_pac_file_has_no_body_for_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
