// Verdicts: what each maker sets and leaves alone, and that a verdict owns the names in it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "proxy/session/verdict.h"

static void a_decision_becomes_a_verdict_and_is_given_back(void **state)
{
    (void)state;
    static const struct {
        struct decision decision;
        enum verdict_kind kind;
    } rows[] = {
        {{ACTION_ALLOW, REASON_NONE, NULL, POLICY_ENFORCE, false, NULL, NULL, 0}, VERDICT_GO},
        {{ACTION_ALLOW, REASON_RULE, "web", POLICY_REPORT, false, NULL, NULL, 0}, VERDICT_GO},
        {{ACTION_ALLOW, REASON_NO_RULE, NULL, POLICY_REPORT, true, NULL, NULL, 0}, VERDICT_GO},
        {{ACTION_DENY, REASON_NO_CLIENT, NULL, POLICY_ENFORCE, false, NULL, NULL, 0},
         VERDICT_REFUSE},
        {{ACTION_DENY, REASON_DENIED_BY_RULE, "deny[0]", POLICY_OPEN, false, NULL, NULL, 0},
         VERDICT_REFUSE},
        {{ACTION_ERROR, REASON_DNS_FAILED, NULL, POLICY_OPEN, false, NULL, NULL, 0},
         VERDICT_REFUSE},
        {{ACTION_ERROR, REASON_EGRESS_UNAVAILABLE, NULL, POLICY_REPORT, false, NULL, NULL, 0},
         VERDICT_REFUSE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct decision *asked = &rows[i].decision;
        const struct verdict verdict = verdict_of_decision(asked, "0123456789abcdef", 418);
        assert_int_equal(verdict.kind, rows[i].kind);
        assert_int_equal(verdict.status, 418);
        assert_string_equal(verdict.config, "0123456789abcdef");
        assert_string_equal(verdict.rule, asked->rule == NULL ? "" : asked->rule);
        assert_false(verdict.ends_connection || verdict.is_of_whole_proxy);
        assert_null(verdict.detail);
        assert_null(verdict.help);
        const struct decision given = verdict_decision(&verdict);
        assert_int_equal(given.action, asked->action);
        assert_int_equal(given.reason, asked->reason);
        assert_int_equal(given.mode, asked->mode);
        assert_int_equal(given.would_deny, asked->would_deny);
        if (asked->rule == NULL)
            assert_null(given.rule);
        else
            assert_ptr_equal(given.rule, verdict.rule);
    }
}

static void the_longest_name_fits_and_stays_when_its_memory_is_written_again(void **state)
{
    (void)state;
    static const char longest[] = "agent-{uri.path[2]}.{dns[0]}.{cn}-abcdefghijklmnopqrstuvwxyz0123"
                                  ".allow[18446744073709551615]";
    assert_int_equal(sizeof longest, VERDICT_RULE_CAP);
    char rule[sizeof longest];
    char config[VERDICT_CONFIG_CAP];
    assert_true(string_copy(rule, sizeof rule, slice_of_string(longest)));
    assert_true(string_copy(config, sizeof config, SLICE_LITERAL("fedcba9876543210")));
    const struct decision decision = {
        .action = ACTION_DENY, .reason = REASON_DENIED_BY_RULE, .rule = rule};
    const struct verdict verdict = verdict_of_decision(&decision, config, 403);
    memset(rule, 'x', sizeof rule);
    memset(config, 'x', sizeof config);
    assert_string_equal(verdict.rule, longest);
    assert_string_equal(verdict.config, "fedcba9876543210");
    const struct verdict copy = verdict;
    assert_ptr_equal(verdict_decision(&copy).rule, copy.rule);
}

// assert_no_policy: no policy decided this.
static void assert_no_policy(const struct verdict *verdict)
{
    assert_int_equal(verdict->action, ACTION_ERROR);
    assert_int_equal(verdict->mode, POLICY_ENFORCE);
    assert_false(verdict->would_deny || verdict->ends_connection);
    assert_string_equal(verdict->rule, "");
    assert_string_equal(verdict->config, "");
    assert_null(verdict_decision(verdict).rule);
}

static void errors_have_the_kind_status_and_words_that_they_were_given(void **state)
{
    (void)state;
    const struct verdict error = verdict_error(503, REASON_DRAINING, "words");
    const struct verdict silent = verdict_error(502, REASON_DNS_FAILED, NULL);
    const struct verdict bad = verdict_error(400, REASON_BAD_TARGET, "words");
    const struct verdict late = verdict_late(504, REASON_TIMEOUT, "words");
    const struct {
        const struct verdict *verdict;
        enum verdict_kind kind;
        uint16_t status;
        enum reason reason;
        const char *detail;
        const char *help;
    } rows[] = {
        {&error, VERDICT_REFUSE, 503, REASON_DRAINING, "words", NULL},
        {&silent, VERDICT_REFUSE, 502, REASON_DNS_FAILED, NULL, NULL},
        {&bad, VERDICT_REFUSE, 400, REASON_BAD_TARGET, "words", NULL},
        {&late, VERDICT_REFUSE_LATE, 504, REASON_TIMEOUT, "words", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct verdict *verdict = rows[i].verdict;
        assert_no_policy(verdict);
        assert_int_equal(verdict->kind, rows[i].kind);
        assert_int_equal(verdict->status, rows[i].status);
        assert_int_equal(verdict->reason, rows[i].reason);
        assert_int_equal(verdict->retry_after_s, 0);
        assert_false(verdict->is_of_whole_proxy);
        assert_true(rows[i].detail == NULL ? verdict->detail == NULL
                                           : strcmp(verdict->detail, rows[i].detail) == 0);
        assert_true(rows[i].help == NULL ? verdict->help == NULL
                                         : strcmp(verdict->help, rows[i].help) == 0);
    }
}

static void a_limit_says_when_to_ask_again_and_whose_it_is(void **state)
{
    (void)state;
    static const struct limit_refusal rows[] = {
        {REASON_LIMIT_TUNNELS, 1, false, NULL},
        {REASON_LIMIT_NEW_TUNNELS, UINT32_MAX, false, NULL},
        {REASON_LIMIT_PROXY_TUNNELS, 7, true, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct verdict verdict = verdict_limited(&rows[i]);
        assert_no_policy(&verdict);
        assert_int_equal(verdict.kind, VERDICT_REFUSE);
        assert_int_equal(verdict.status, 429);
        assert_int_equal(verdict.reason, rows[i].reason);
        assert_int_equal(verdict.retry_after_s, rows[i].retry_after_s);
        assert_int_equal(verdict.is_of_whole_proxy, rows[i].is_of_whole_proxy);
        assert_null(verdict.detail);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_decision_becomes_a_verdict_and_is_given_back),
        cmocka_unit_test(the_longest_name_fits_and_stays_when_its_memory_is_written_again),
        cmocka_unit_test(errors_have_the_kind_status_and_words_that_they_were_given),
        cmocka_unit_test(a_limit_says_when_to_ask_again_and_whose_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
