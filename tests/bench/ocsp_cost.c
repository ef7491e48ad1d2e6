// What a cached OCSP answer costs a handshake, a ticket and a request, with 10,000 answers in the book; and their memory.
//
//     bazel run -c opt //tests/bench:ocsp_cost
//
// Times are of this thread's processor, the least of some rounds. A handshake holds the chain's entries, judges them, and lets
// go at the end of the connection: all of that is counted. The chain has one certificate below the anchor, or two. Owns: the
// measurement. docs/PERFORMANCE.md has the figures.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

#include <openssl/pool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "auth/chain_record.h"
#include "auth/ocsp_settings.h"
#include "proxy/ocsp/ocsp_book.h"
#include "proxy/session/ocsp_hold.h"
#include "tests/unit/cert/forge.h"

enum { ROUNDS = 7, TIMES = 20000, NOW_MS = 1000 };

static double now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void on_work(void *arg)
{
    (void)arg;
}

// answer_all gives a good answer to whatever is asked.
static void answer_all(struct ocsp_book *book)
{
    const int64_t now_s = (int64_t)time(NULL);
    struct ocsp_task task;
    const struct ocsp_result good = {.answer = {.status = OCSP_GOOD,
                                                .this_update_s = now_s,
                                                .next_update_s = now_s + 86400,
                                                .is_dated = true}};
    while (ocsp_book_take(book, NOW_MS, &task))
        (void)ocsp_book_settle(book, &task, &good, now_s, NOW_MS);
}

// fill puts answers of others into the book.
static void fill(struct ocsp_book *book, const struct http_url *url)
{
    for (uint32_t i = 0; i < OCSP_BOOK_MAX - 8; i++) {
        const uint8_t authority[CERT_DIGEST_LEN] = {(uint8_t)(i % 8)};
        const struct ocsp_query query = {.authority = authority,
                                         .anchor = authority,
                                         .subject = {.issuer_name = SLICE_LITERAL("name"),
                                                     .issuer_key = SLICE_LITERAL("key"),
                                                     .serial = slice_of(&i, sizeof i)},
                                         .url = url,
                                         .timeout_ms = 1000};
        struct ocsp_entry *entry = ocsp_book_hold(book, &query);
        ASSERT(entry != NULL);
        ocsp_book_ask(book, entry);
        answer_all(book);
        ocsp_book_release(book, entry);
    }
}

// measure prints what one client's chain costs.
static void measure(struct ocsp_book *book, const struct trust *trust,
                    const struct identity *identity, const char *what)
{
    double handshake = 1e18;
    double ticket = 1e18;
    double request = 1e18;
    struct ocsp_hold *kept = NULL;
    (void)ocsp_hold_judge(&kept, book, identity, &(struct ocsp_hearer){trust, NULL}, NOW_MS);
    answer_all(book);
    for (int round = 0; round < ROUNDS; round++) {
        const double begin = now_ns();
        for (int i = 0; i < TIMES; i++) {
            struct ocsp_hold *hold = NULL;
            ASSERT(
                ocsp_hold_judge(&hold, book, identity, &(struct ocsp_hearer){trust, NULL}, NOW_MS)
                    .reason == REASON_NONE);
            ocsp_hold_destroy(hold);
        }
        const double first = now_ns();
        for (int i = 0; i < TIMES; i++)
            ASSERT(ocsp_hold_is_good(book, identity, &(struct ocsp_hearer){trust, NULL}, NOW_MS));
        const double second = now_ns();
        for (int i = 0; i < TIMES; i++)
            ASSERT(
                ocsp_hold_judge(&kept, book, identity, &(struct ocsp_hearer){trust, NULL}, NOW_MS)
                    .reason == REASON_NONE);
        const double end = now_ns();
        handshake = (first - begin) / TIMES < handshake ? (first - begin) / TIMES : handshake;
        ticket = (second - first) / TIMES < ticket ? (second - first) / TIMES : ticket;
        request = (end - second) / TIMES < request ? (end - second) / TIMES : request;
    }
    ocsp_hold_destroy(kept);
    printf("%-28s handshake %5.0f ns, ticket %5.0f ns, request %5.0f ns\n", what, handshake, ticket,
           request);
}

static void run(void **state)
{
    struct errinfo info;
    struct ocsp_figures figures;
    const struct forged *root = forge(*state, &(struct forge_plan){.cn = "Root", .is_ca = true});
    const struct forged *middle =
        forge(*state, &(struct forge_plan){.cn = "Middle", .is_ca = true, .issuer = root});
    const struct forged *leaf = forge(*state, &(struct forge_plan){.cn = "a", .issuer = middle});
    struct ocsp_settings *settings = ocsp_settings_create(0);
    struct ocsp_book *book = ocsp_book_create(on_work, NULL);
    struct trust_verdict verdict;
    struct trust *trust = NULL;
    const struct trust_options options = {.name = "bench", .max_depth = 3};
    assert_true(settings != NULL && book != NULL);
    settings->mode = OCSP_REQUIRE;
    settings->has_responder = true;
    assert_int_equal(
        http_url_parse(SLICE_LITERAL("http://ocsp.example.org/"), &settings->responder, &info),
        ERR_OK);
    fill(book, &settings->responder);
    assert_int_equal(trust_create(&options, &trust), ERR_OK);
    trust_set_ocsp(trust, settings);
    assert_int_equal(
        trust_add_ca(trust, forge_pem(*state, (const struct forged *[]){root, NULL}), &info),
        ERR_OK);
    assert_int_equal(trust_finish(trust, FORGE_NOW_S, &info), ERR_OK);
    assert_int_equal(
        trust_verify(trust, forge_chain(*state, (const struct forged *[]){leaf, middle, NULL}),
                     FORGE_NOW_S, &verdict),
        ERR_OK);
    measure(book, trust, verdict.identity, "two certificates asked about:");
    settings->is_for_leaves = true;
    measure(book, trust, verdict.identity, "one certificate asked about:");
    ocsp_book_figures(book, &figures);
    printf("%lu answers: %.2f MiB\n", (unsigned long)figures.entries,
           (double)figures.bytes / 1024 / 1024);
    identity_destroy(verdict.identity);
    trust_destroy(trust);
    ocsp_settings_unref(settings);
    ocsp_book_destroy(book);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(run, workshop_create, workshop_destroy)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
