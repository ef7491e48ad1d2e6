// Who may say whose request it is, and in which order that is found out.
#include "auth/speaker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/name_template.h"
#include "tests/unit/auth/identity_maker.h"

static const struct ip_addr source = {.family = IP_V4, .bytes = {192, 0, 2, 1}};

static void the_first_thing_that_is_wrong_is_the_reason(void **state)
{
    (void)state;
    const struct schedule times = {.from_s = 100, .until_s = 200};
    struct match_entry any = {.any = true};
    struct name_template template;
    struct errinfo info;
    assert_int_equal(name_template_parse(SLICE_LITERAL("edge-{uri.path[7]}"), NAME_ALPHABET_ACCOUNT,
                                         &template, &info),
                     ERR_OK);
    const struct client guest = {.name = "guest"};
    const struct client other = {.name = "other", .speaks_for = "staff"};
    const struct {
        struct client speaker;
        struct spoken spoken;
        int64_t now_s;
        enum action action;
        enum reason reason;
        bool is_ignored;
        int64_t changes_s;
    } rows[] = {
        {{.speaks_for = "staff"},
         {.client = &guest},
         150,
         ACTION_ALLOW,
         REASON_NONE,
         false,
         INT64_MAX},
        {{.speaks_for = "staff"},
         {.client = NULL},
         150,
         ACTION_ALLOW,
         REASON_NONE,
         false,
         INT64_MAX},
        {{.speaks_for = "staff", .schedule = &times},
         {.client = &guest},
         150,
         ACTION_ALLOW,
         REASON_NONE,
         false,
         200},
        {{.speaks_for = "staff", .schedule = &times},
         {.client = &guest},
         50,
         ACTION_DENY,
         REASON_NOT_VALID_NOW,
         false,
         100},
        {{.speaks_for = "staff", .schedule = &times},
         {.refusal = REASON_EXPIRED},
         50,
         ACTION_DENY,
         REASON_EXPIRED,
         false,
         INT64_MAX},
        {{.speaks_for = "staff"},
         {.client = &other},
         150,
         ACTION_DENY,
         REASON_NOT_SPOKEN_FOR,
         false,
         INT64_MAX},
        {{.speaks_for = NULL},
         {.refusal = REASON_EXPIRED},
         150,
         ACTION_ERROR,
         REASON_BAD_REQUEST,
         false,
         INT64_MAX},
        {{.speaks_for = NULL},
         {.client = &other, .is_plain = true},
         150,
         ACTION_ALLOW,
         REASON_NONE,
         true,
         INT64_MAX},
        {{.name_template = &template},
         {.client = &guest, .is_plain = true},
         150,
         ACTION_DENY,
         REASON_BAD_ACCOUNT,
         false,
         INT64_MAX},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct client client = rows[i].speaker;
        struct speaker speaker;
        struct policy *policy = policy_create();
        struct identity *identity = identity_make("uri=spiffe://example.org/edge trust=edges");
        assert_non_null(policy);
        client.name = "edge";
        client.matches = &any;
        client.match_count = 1;
        policy->clients = &client;
        policy->client_count = 1;
        assert_int_equal(policy_seal(policy), ERR_OK);
        speaker_decide(policy, identity, &rows[i].spoken, &source, rows[i].now_s, &speaker);
        assert_ptr_equal(speaker.client, &client);
        assert_int_equal(speaker.decision.action, rows[i].action);
        assert_int_equal(speaker.decision.reason, rows[i].reason);
        assert_int_equal(speaker.decision.changes_s, rows[i].changes_s);
        assert_int_equal(speaker.is_ignored, rows[i].is_ignored);
        identity_destroy(identity);
        policy_destroy(policy);
    }
}

static void one_whom_no_entry_fits_speaks_for_nobody(void **state)
{
    (void)state;
    struct speaker speaker;
    struct policy *policy = policy_create();
    const struct spoken spoken = {.client = NULL};
    assert_non_null(policy);
    assert_int_equal(policy_seal(policy), ERR_OK);
    speaker_decide(policy, NULL, &spoken, &source, 0, &speaker);
    assert_null(speaker.client);
    assert_int_equal(speaker.decision.reason, REASON_BAD_REQUEST);
    policy_destroy(policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_thing_that_is_wrong_is_the_reason),
        cmocka_unit_test(one_whom_no_entry_fits_speaks_for_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
