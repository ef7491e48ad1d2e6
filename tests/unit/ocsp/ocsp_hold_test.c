// What a client's chain holds in the book: asked for as soon as there is room.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

#include <string.h>

#include "auth/chain_record.h"
#include "auth/ocsp_settings.h"
#include "proxy/clock/clock.h"
#include "proxy/ocsp/ocsp_book.h"
#include "proxy/session/ocsp_hold.h"
#include "tests/unit/cert/forge.h"

enum { NOW_MS = 5000000 };

static void on_work(void *arg)
{
    (void)arg;
}

// bench is a client below a CA, whose responder a profile names.
struct bench {
    struct ocsp_book *book;
    struct ocsp_settings *settings;
    struct trust *trust;
    struct trust_verdict verdict;
    struct ocsp_hold *hold;
    struct blocklist *blocks; // owned; NULL: none
    const struct forged *root;
};

// The certificate of a delegate that the profile denies.
static const struct ocsp_delegate denied = {.is_there = true, .serial_len = 1, .serial = {7}};
static const struct ocsp_delegate allowed = {
    .is_there = true, .serial_len = 1, .serial = {8}, .sha256 = {8}};

static void set_up(struct bench *bench, void **state)
{
    struct errinfo info;
    const struct trust_options options = {.name = "bench", .max_depth = 3};
    const struct forged *root = forge(*state, &(struct forge_plan){.cn = "Root", .is_ca = true});
    const struct forged *leaf = forge(*state, &(struct forge_plan){.cn = "a", .issuer = root});
    *bench = (struct bench){.book = ocsp_book_create(on_work, NULL),
                            .settings = ocsp_settings_create(0)};
    assert_true(bench->book != NULL && bench->settings != NULL);
    bench->root = root;
    bench->settings->mode = OCSP_REQUIRE;
    bench->settings->has_responder = true;
    bench->settings->timeout_ms = 1000;
    assert_int_equal(
        http_url_parse(SLICE_LITERAL("http://asked.test/"), &bench->settings->responder, &info),
        ERR_OK);
    assert_int_equal(trust_create(&options, &bench->trust), ERR_OK);
    trust_set_ocsp(bench->trust, bench->settings);
    assert_int_equal(
        trust_add_ca(bench->trust, forge_pem(*state, (const struct forged *[]){root, NULL}), &info),
        ERR_OK);
    assert_int_equal(trust_deny_sha256(bench->trust, denied.sha256), ERR_OK);
    assert_int_equal(trust_finish(bench->trust, FORGE_NOW_S, &info), ERR_OK);
    assert_int_equal(trust_verify(bench->trust,
                                  forge_chain(*state, (const struct forged *[]){leaf, root, NULL}),
                                  FORGE_NOW_S, &bench->verdict),
                     ERR_OK);
}

static void tear_down(struct bench *bench)
{
    ocsp_hold_destroy(bench->hold);
    blocklist_unref(bench->blocks);
    identity_destroy(bench->verdict.identity);
    trust_destroy(bench->trust);
    ocsp_settings_unref(bench->settings);
    ocsp_book_destroy(bench->book);
}

static struct ocsp_verdict judge(struct bench *bench)
{
    return ocsp_hold_judge(&bench->hold, bench->book, bench->verdict.identity,
                           &(struct ocsp_hearer){bench->trust, bench->blocks}, NOW_MS);
}

// hold_other holds an entry of the client's issuer at another responder.
static struct ocsp_entry *hold_other(struct bench *bench, unsigned number)
{
    char text[64];
    struct errinfo info;
    struct http_url url;
    const struct chain_record *record = bench->verdict.identity->record;
    const struct chain_link *link = &record->links[0];
    (void)snprintf(text, sizeof text, "http://other.test/%u/", number);
    assert_int_equal(http_url_parse(slice_of_string(text), &url, &info), ERR_OK);
    const struct ocsp_query query = {.authority = link->authority,
                                     .anchor = record->links[record->count - 1].sha256,
                                     .subject = {.issuer_name = link->issuer_name,
                                                 .issuer_key = record->links[1].key,
                                                 .serial = SLICE_LITERAL("1")},
                                     .url = &url,
                                     .timeout_ms = 1000};
    struct ocsp_entry *entry = ocsp_book_hold(bench->book, &query);
    assert_non_null(entry);
    return entry;
}

static void who_found_no_room_is_asked_about_once_there_is_some(void **state)
{
    struct bench bench;
    struct ocsp_entry *others[OCSP_BOOK_URLS];
    struct ocsp_task task;
    set_up(&bench, state);
    for (unsigned i = 0; i < OCSP_BOOK_URLS; i++)
        others[i] = hold_other(&bench, i);
    const struct ocsp_verdict crowded = judge(&bench);
    assert_int_equal(crowded.reason, REASON_OCSP_UNAVAILABLE);
    assert_non_null(strstr(crowded.detail, "no room"));
    assert_false(crowded.waits);
    for (unsigned i = 0; i < OCSP_BOOK_URLS; i++)
        ocsp_book_release(bench.book, others[i]);
    assert_true(judge(&bench).waits);
    assert_true(ocsp_book_take(bench.book, NOW_MS, &task));
    assert_string_equal(task.url->text, "http://asked.test/");
    const int64_t now_s = wall_clock_ms() / 1000;
    const struct ocsp_result good = {.answer = {.status = OCSP_GOOD,
                                                .this_update_s = now_s,
                                                .next_update_s = now_s + 100,
                                                .is_dated = true}};
    assert_false(ocsp_book_settle(bench.book, &task, &good, now_s, NOW_MS));
    assert_int_equal(judge(&bench).reason, REASON_NONE);
    tear_down(&bench);
}

// answer_client has the responder of the profile say something of the client, `age_s` seconds before now.
static void answer_client(struct bench *bench, enum ocsp_status status, int64_t age_s,
                          const struct ocsp_delegate *signer)
{
    const struct chain_record *record = bench->verdict.identity->record;
    const struct chain_link *link = &record->links[0];
    const int64_t now_s = wall_clock_ms() / 1000;
    const struct ocsp_query query = {
        .authority = link->authority,
        .anchor = record->links[record->count - 1].sha256,
        .subject = {.issuer_name = link->issuer_name,
                    .issuer_key = record->links[1].key,
                    .serial = slice_of(link->serial, link->serial_len)},
        .url = &bench->settings->responder,
        .timeout_ms = 1000};
    const struct ocsp_result result = {.answer = {.status = status,
                                                  .this_update_s = now_s - age_s,
                                                  .next_update_s = now_s + 1000,
                                                  .is_dated = true,
                                                  .delegate = *signer}};
    struct ocsp_task task;
    struct ocsp_entry *entry = ocsp_book_hold(bench->book, &query);
    assert_non_null(entry);
    ocsp_book_ask(bench->book, entry);
    assert_true(ocsp_book_take(bench->book, NOW_MS, &task));
    (void)ocsp_book_settle(bench->book, &task, &result, now_s, NOW_MS);
    ocsp_book_release(bench->book, entry);
}

// block blocks a certificate as an operator does.
static void block(struct bench *bench, const char *text)
{
    char canonical[BLOCK_TEXT_CAP];
    struct block one;
    struct errinfo info;
    blocklist_unref(bench->blocks);
    bench->blocks = NULL;
    assert_int_equal(block_parse(slice_of_string(text), canonical, &one, &info), ERR_OK);
    assert_int_equal(blocklist_create(&one, 1, &bench->blocks), ERR_OK);
}

static void a_good_of_a_blocked_delegate_is_no_answer(void **state)
{
    static const char *const blocks[] = {
        "sha256:0800000000000000000000000000000000000000000000000000000000000000",
        "serial:08 issuer:CN=Root"};
    static const struct ocsp_delegate issuer = {0};
    for (size_t i = 0; i < 2; i++) {
        struct bench bench;
        set_up(&bench, state);
        answer_client(&bench, OCSP_REVOKED, 90, &issuer);
        assert_int_equal(judge(&bench).reason, REASON_REVOKED);
        answer_client(&bench, OCSP_GOOD, 80, &allowed);
        assert_int_equal(judge(&bench).reason, REASON_NONE);
        block(&bench, "serial:09 issuer:CN=Root");
        assert_int_equal(judge(&bench).reason, REASON_NONE);
        block(&bench, blocks[i]);
        assert_int_equal(judge(&bench).reason, REASON_REVOKED);
        tear_down(&bench);
    }
}

static void a_good_of_a_denied_delegate_takes_no_revocation_back(void **state)
{
    static const struct ocsp_delegate issuer = {0};
    struct bench bench;
    set_up(&bench, state);
    answer_client(&bench, OCSP_REVOKED, 90, &issuer);
    assert_int_equal(judge(&bench).reason, REASON_REVOKED);
    answer_client(&bench, OCSP_GOOD, 80, &denied);
    assert_int_equal(judge(&bench).reason, REASON_REVOKED);
    assert_false(ocsp_hold_is_good(bench.book, bench.verdict.identity,
                                   &(struct ocsp_hearer){bench.trust, NULL}, NOW_MS));
    // Nor together with one who does not know the certificate.
    answer_client(&bench, OCSP_UNKNOWN, 70, &issuer);
    assert_int_equal(judge(&bench).reason, REASON_REVOKED);
    answer_client(&bench, OCSP_GOOD, 60, &allowed);
    assert_int_equal(judge(&bench).reason, REASON_NONE);
    assert_true(ocsp_hold_is_good(bench.book, bench.verdict.identity,
                                  &(struct ocsp_hearer){bench.trust, NULL}, NOW_MS));
    // What was taken back by one who is denied afterwards counts again; by the issuer itself never.
    answer_client(&bench, OCSP_GOOD, 50, &denied);
    assert_int_equal(judge(&bench).reason, REASON_REVOKED);
    answer_client(&bench, OCSP_GOOD, 40, &issuer);
    assert_int_equal(judge(&bench).reason, REASON_NONE);
    answer_client(&bench, OCSP_GOOD, 30, &denied);
    const struct ocsp_verdict doubted = judge(&bench);
    assert_int_equal(doubted.reason, REASON_OCSP_UNAVAILABLE);
    assert_string_equal(doubted.why->name, "denied_signer");
    tear_down(&bench);
}

static void nor_does_one_that_is_over_where_nobody_answers(void **state)
{
    static const struct ocsp_delegate issuer = {0};
    struct bench bench;
    set_up(&bench, state);
    bench.settings->mode = OCSP_SOFT;
    answer_client(&bench, OCSP_REVOKED, 3000, &issuer);
    const struct ocsp_result over = {.answer = {.status = OCSP_GOOD,
                                                .this_update_s = wall_clock_ms() / 1000 - 2000,
                                                .next_update_s = wall_clock_ms() / 1000 - 1000,
                                                .is_dated = true,
                                                .delegate = denied}};
    struct ocsp_task task;
    assert_int_equal(judge(&bench).reason, REASON_REVOKED);
    assert_true(ocsp_book_tick(bench.book, wall_clock_ms() / 1000 + 2000, NOW_MS + 4000000));
    assert_true(ocsp_book_take(bench.book, NOW_MS, &task));
    (void)ocsp_book_settle(bench.book, &task, &over, wall_clock_ms() / 1000, NOW_MS);
    assert_int_equal(judge(&bench).reason, REASON_REVOKED);
    tear_down(&bench);
}

static void who_is_refused_and_comes_again_has_the_responder_asked(void **state)
{
    static const struct ocsp_delegate issuer = {0};
    static const enum ocsp_status refusing[] = {OCSP_UNKNOWN, OCSP_REVOKED};
    struct ocsp_task task;
    struct bench bench;
    set_up(&bench, state);
    for (size_t i = 0; i < 2; i++) {
        const int64_t later_ms = NOW_MS + OCSP_BOOK_REFUSED_AGAIN_MS;
        answer_client(&bench, refusing[i], i == 0 ? 90 : 80, &issuer);
        assert_false(judge(&bench).waits);
        assert_false(ocsp_book_take(bench.book, NOW_MS, &task));
        const struct ocsp_verdict again =
            ocsp_hold_judge(&bench.hold, bench.book, bench.verdict.identity,
                            &(struct ocsp_hearer){bench.trust, NULL}, later_ms);
        assert_int_equal(again.reason, i == 0 ? REASON_OCSP_UNKNOWN : REASON_REVOKED);
        assert_false(again.waits);
        assert_true(ocsp_book_take(bench.book, later_ms, &task));
        const struct ocsp_result silence = {.fault = OCSP_FAULT_TIMEOUT};
        (void)ocsp_book_settle(bench.book, &task, &silence, wall_clock_ms() / 1000, later_ms);
    }
    tear_down(&bench);
}

// verify_by has the client come by another path to the same anchor.
static void verify_by(struct bench *bench, void **state, const struct forged *const *path)
{
    identity_destroy(bench->verdict.identity);
    bench->verdict.identity = NULL;
    assert_int_equal(
        trust_verify(bench->trust, forge_chain(*state, path), FORGE_NOW_S, &bench->verdict),
        ERR_OK);
    assert_non_null(bench->verdict.identity);
}

static void the_same_client_by_another_path_is_another_chain(void **state)
{
    struct bench bench;
    set_up(&bench, state);
    const struct forged *root = bench.root;
    const struct forged *top =
        forge(*state, &(struct forge_plan){.cn = "Top", .is_ca = true, .issuer = root});
    const struct forged *below =
        forge(*state, &(struct forge_plan){.cn = "Below", .is_ca = true, .issuer = top});
    const struct forged *again =
        forge(*state,
              &(struct forge_plan){.cn = "Below", .is_ca = true, .issuer = root, .key_of = below});
    const struct forged *third =
        forge(*state,
              &(struct forge_plan){.cn = "Below", .is_ca = true, .issuer = root, .key_of = below});
    const struct forged *leaf = forge(*state, &(struct forge_plan){.cn = "a", .issuer = below});
    verify_by(&bench, state, (const struct forged *[]){leaf, below, top, root, NULL});
    (void)judge(&bench);
    assert_int_equal(ocsp_hold_count(bench.hold), 3);
    verify_by(&bench, state, (const struct forged *[]){leaf, again, root, NULL});
    (void)judge(&bench);
    assert_int_equal(ocsp_hold_count(bench.hold), 2);
    // Of the same length: the other CA certificate is asked about.
    struct ocsp_task task;
    bool is_asked = false;
    verify_by(&bench, state, (const struct forged *[]){leaf, third, root, NULL});
    (void)judge(&bench);
    const struct chain_link *link = &bench.verdict.identity->record->links[1];
    while (ocsp_book_take(bench.book, NOW_MS, &task)) {
        const struct ocsp_result silence = {.fault = OCSP_FAULT_TIMEOUT};
        is_asked |= slice_equal(task.subject.serial, slice_of(link->serial, link->serial_len));
        (void)ocsp_book_settle(bench.book, &task, &silence, wall_clock_ms() / 1000, NOW_MS);
    }
    assert_true(is_asked);
    tear_down(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_same_client_by_another_path_is_another_chain,
                                        workshop_create, workshop_destroy),
        cmocka_unit_test_setup_teardown(who_found_no_room_is_asked_about_once_there_is_some,
                                        workshop_create, workshop_destroy),
        cmocka_unit_test_setup_teardown(a_good_of_a_blocked_delegate_is_no_answer, workshop_create,
                                        workshop_destroy),
        cmocka_unit_test_setup_teardown(a_good_of_a_denied_delegate_takes_no_revocation_back,
                                        workshop_create, workshop_destroy),
        cmocka_unit_test_setup_teardown(who_is_refused_and_comes_again_has_the_responder_asked,
                                        workshop_create, workshop_destroy),
        cmocka_unit_test_setup_teardown(nor_does_one_that_is_over_where_nobody_answers,
                                        workshop_create, workshop_destroy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
