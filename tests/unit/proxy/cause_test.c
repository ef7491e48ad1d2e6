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
        {116, CAUSE_NO_CERTIFICATE},    {45, CAUSE_EXPIRED},     {44, CAUSE_REVOKED},
        {48, CAUSE_UNKNOWN_CA},         {42, CAUSE_REFUSED},     {43, CAUSE_REFUSED},
        {46, CAUSE_REVOCATION_UNKNOWN}, {49, CAUSE_BLOCKED},     {70, CAUSE_PROTOCOL},
        {40, CAUSE_PROTOCOL},           {80, CAUSE_UNAVAILABLE}, {255, CAUSE_PROTOCOL},
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

// Of every reason the cause and the side, as a person reads them. A new reason fails here until somebody has thought about it.
static void every_reason_of_an_answer_leads_to_the_side_that_can_mend_it(void **state)
{
    (void)state;
    static const struct {
        enum reason reason;
        const char *cause;
        const char *side;
    } rows[] = {
        {REASON_NO_CERTIFICATE, "no_certificate", "client"},
        {REASON_EXPIRED, "expired", "client"},
        {REASON_NOT_YET_VALID, "not_yet_valid", "client"},
        {REASON_UNKNOWN_CA, "unknown_ca", "client"},
        {REASON_MISSING_INTERMEDIATE, "missing_intermediate", "client"},
        {REASON_BAD_PURPOSE, "bad_purpose", "client"},
        {REASON_WEAK_KEY, "weak_key", "client"},
        {REASON_WRONG_TRUST_DOMAIN, "wrong_trust_domain", "client"},
        {REASON_REVOKED, "revoked", "client"},
        {REASON_BAD_SIGNATURE, "refused", "client"},
        {REASON_BAD_CERTIFICATE, "refused", "client"},
        {REASON_TOO_LONG_LIVED, "refused", "client"},
        {REASON_CHAIN_TOO_LONG, "refused", "client"},
        {REASON_NAME_CONSTRAINT, "refused", "client"},
        {REASON_DENIED_CERTIFICATE, "refused", "client"},
        {REASON_WORK_LIMIT, "refused", "client"},
        {REASON_CRL_MISSING, "revocation_unknown", "proxy"},
        {REASON_CRL_EXPIRED, "revocation_unknown", "proxy"},
        {REASON_OCSP_UNKNOWN, "revocation_unknown", "proxy"},
        {REASON_OCSP_UNAVAILABLE, "revocation_unknown", "proxy"},
        {REASON_BLOCKED, "blocked", "policy"},
        {REASON_NO_CLIENT, "denied", "policy"},
        {REASON_BAD_ACCOUNT, "denied", "policy"},
        {REASON_NOT_SPOKEN_FOR, "denied", "policy"},
        {REASON_SOURCE_NOT_ALLOWED, "denied", "policy"},
        {REASON_NOT_VALID_NOW, "denied", "policy"},
        {REASON_OUTSIDE_HOURS, "denied", "policy"},
        {REASON_NO_RULE, "denied", "policy"},
        {REASON_DENIED_BY_RULE, "denied", "policy"},
        {REASON_SPECIAL_RANGE, "denied", "policy"},
        {REASON_METADATA, "denied", "policy"},
        {REASON_OWN_LISTENER, "denied", "policy"},
        {REASON_POLICY_CHANGED, "denied", "policy"},
        {REASON_NOT_AUTHORIZED, "not_authorized", "policy"},
        {REASON_LIMIT_ACCOUNTS, "over_limit", "policy"},
        {REASON_LIMIT_TUNNELS, "over_limit", "policy"},
        {REASON_LIMIT_NEW_TUNNELS, "over_limit", "policy"},
        {REASON_LIMIT_REQUESTS, "over_limit", "policy"},
        {REASON_LIMIT_STREAMS, "over_limit", "policy"},
        {REASON_LIMIT_QUESTIONS, "over_limit", "policy"},
        {REASON_BAD_REQUEST, "bad_target", "client"},
        {REASON_BAD_TARGET, "bad_target", "client"},
        {REASON_NOT_FOUND, "bad_target", "client"},
        {REASON_IDENTITY_UNTOLD, "identity_untold", "client"},
        {REASON_DNS_FAILED, "proxy_dns_failed", "proxy"},
        {REASON_CONNECT_FAILED, "target_failed", "target"},
        {REASON_TIMEOUT, "target_failed", "target"},
        {REASON_BAD_RESPONSE, "target_failed", "target"},
        {REASON_UPSTREAM_CLOSED, "target_failed", "target"},
        {REASON_UPSTREAM_RESET, "target_failed", "target"},
        {REASON_UPSTREAM_TRUNCATED, "target_failed", "target"},
        {REASON_EGRESS_UNAVAILABLE, "no_egress", "proxy"},
        {REASON_PARENT_UNREACHABLE, "parent_failed", "proxy"},
        {REASON_PARENT_UNTRUSTED, "parent_failed", "proxy"},
        {REASON_PARENT_BAD_ANSWER, "parent_failed", "proxy"},
        {REASON_PARENT_REFUSED, "parent_refused", "proxy"},
        {REASON_AUTHORIZER_FAILED, "authorizer_failed", "proxy"},
        {REASON_LOOP, "loop", "proxy"},
        {REASON_AUDIT_FULL, "unavailable", "proxy"},
        {REASON_STORE_LOST, "store_lost", "proxy"},
        {REASON_DRAINING, "unavailable", "proxy"},
        {REASON_LIMIT_PROXY_TUNNELS, "unavailable", "proxy"},
        {REASON_LIMIT_SESSIONS, "unavailable", "proxy"},
        {REASON_LIMIT_MEMORY, "unavailable", "proxy"},
        {REASON_NO_MEMORY, "unavailable", "proxy"},
        {REASON_DRAINED, "unavailable", "proxy"},
        {REASON_KILLED, "unavailable", "proxy"},
        {REASON_NONE, "unexplained", "proxy"},
        {REASON_CLIENT_ABORTED, "unexplained", "proxy"},
        {REASON_PLAIN_HTTP, "unexplained", "proxy"},
        {REASON_PROTOCOL, "unexplained", "proxy"},
        {REASON_PROXY_HEADER_BAD, "unexplained", "proxy"},
        {REASON_PROXY_HEADER_TIMEOUT, "unexplained", "proxy"},
        {REASON_RULE, "unexplained", "proxy"},
        {REASON_WHOAMI, "unexplained", "proxy"},
        {REASON_LIMIT_FAILED_HANDSHAKES, "unexplained", "proxy"},
        {REASON_LIMIT_HALF_OPEN, "unexplained", "proxy"},
        {REASON_LIMIT_PROXY_HEADERS, "unexplained", "proxy"},
        {REASON_COMPLETED, "unexplained", "proxy"},
        {REASON_CLIENT_CLOSED, "unexplained", "proxy"},
        {REASON_CLIENT_RESET, "unexplained", "proxy"},
        {REASON_CLIENT_TRUNCATED, "unexplained", "proxy"},
        {REASON_IDLE, "unexplained", "proxy"},
        {REASON_AGE, "unexplained", "proxy"},
        {REASON_REFUSED, "unexplained", "proxy"},
        {REASON_INNER_PLAIN, "unexplained", "proxy"},
        {REASON_INNER_MISMATCH, "unexplained", "proxy"},
        {REASON_INNER_NOT_TLS, "unexplained", "proxy"},
        {REASON_INNER_NO_NAME, "unexplained", "proxy"},
        {REASON_INNER_ECH, "unexplained", "proxy"},
        {REASON_INNER_TOO_LARGE, "unexplained", "proxy"},
        {REASON_INNER_TIMEOUT, "unexplained", "proxy"},
        {REASON_H2_FLOOD, "unexplained", "proxy"},
    };
    bool is_known[REASON_COUNT] = {false};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct cause_info *info =
            cause_info(cause_of_answer(rows[i].reason, (struct slice){0}));
        assert_string_equal(info->name, rows[i].cause);
        assert_string_equal(cause_side_name(info->side), rows[i].side);
        is_known[rows[i].reason] = true;
    }
    for (int i = 0; i < REASON_COUNT; i++)
        assert_true(is_known[i]);
}

static void the_word_after_the_reason_tells_whose_fault_it_is(void **state)
{
    (void)state;
    static const struct {
        enum reason reason;
        const char *detail;
        enum cause cause;
    } rows[] = {
        {REASON_DNS_FAILED, "name_not_found", CAUSE_TARGET_NOT_FOUND},
        {REASON_DNS_FAILED, "no_address", CAUSE_TARGET_NOT_FOUND},
        {REASON_DNS_FAILED, "dns_error", CAUSE_PROXY_DNS_FAILED},
        {REASON_DNS_FAILED, "dns_timeout", CAUSE_PROXY_DNS_FAILED},
        {REASON_DNS_FAILED, "name_not_found_at_all", CAUSE_PROXY_DNS_FAILED},
        {REASON_CONNECT_FAILED, "connection refused", CAUSE_TARGET_FAILED},
        {REASON_CONNECT_FAILED, "out of descriptors", CAUSE_UNAVAILABLE},
        {REASON_CONNECT_FAILED, "no egress address", CAUSE_NO_EGRESS},
        {REASON_CONNECT_FAILED, "no egress address; more", CAUSE_NO_EGRESS},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(cause_of_answer(rows[i].reason, slice_of_string(rows[i].detail)),
                         rows[i].cause);
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
        cmocka_unit_test(every_reason_of_an_answer_leads_to_the_side_that_can_mend_it),
        cmocka_unit_test(the_word_after_the_reason_tells_whose_fault_it_is),
        cmocka_unit_test(every_failure_fits_a_status_line_of_80_bytes_and_one_buffer),
        cmocka_unit_test(a_pac_file_has_no_body_for_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
