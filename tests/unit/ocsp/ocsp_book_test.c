// What is known by OCSP, shared: who is asked, how often, how many at once, and what an answer costs.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "auth/cert_id.h"
#include "proxy/clock/clock.h"
#include "proxy/ocsp/ocsp_book.h"

enum { NOW_S = 1800000000, NOW_MS = 5000000, LIFE_S = 1000 };

// issuer is a CA whose certificates are asked about at one URL.
struct issuer {
    uint8_t authority[CERT_DIGEST_LEN];
    uint8_t anchor[CERT_DIGEST_LEN];
    struct http_url url;
    char name[16];
};

static void make_issuer(struct issuer *issuer, unsigned number, const char *url)
{
    struct errinfo info;
    *issuer = (struct issuer){.authority = {(uint8_t)number, (uint8_t)(number >> 8), 7}};
    issuer->name[0] = (char)number;
    assert_int_equal(http_url_parse(slice_of_string(url), &issuer->url, &info), ERR_OK);
}

// query_of makes a query; `serial` must outlive it.
static struct ocsp_query query_of(const struct issuer *issuer, const uint32_t *serial)
{
    return (struct ocsp_query){
        .authority = issuer->authority,
        .anchor = issuer->anchor,
        .subject = {.issuer_name = slice_of(issuer->name, 1),
                    .issuer_key = SLICE_LITERAL("key"),
                    .serial = slice_of(serial, sizeof *serial)},
        .url = &issuer->url,
        .timeout_ms = 2000,
    };
}

static struct ocsp_entry *hold(struct ocsp_book *book, const struct issuer *issuer, uint32_t serial)
{
    const struct ocsp_query query = query_of(issuer, &serial);
    struct ocsp_entry *entry = ocsp_book_hold(book, &query);
    assert_non_null(entry);
    return entry;
}

static enum ocsp_standing look_at(struct ocsp_book *book, const struct issuer *issuer,
                                  uint32_t serial, int64_t now_s, int64_t now_ms)
{
    const struct ocsp_query query = query_of(issuer, &serial);
    return ocsp_book_look(book, &query, now_s, now_ms, NULL);
}

static enum ocsp_standing look(struct ocsp_book *book, const struct issuer *issuer, uint32_t serial,
                               int64_t now_s)
{
    return look_at(book, issuer, serial, now_s, NOW_MS);
}

static void on_work(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
}

static const struct ocsp_result silence = {.fault = OCSP_FAULT_TIMEOUT,
                                           .is_responders_fault = true};

static struct ocsp_result answer_of(enum ocsp_status status, int64_t begins_s, int64_t ends_s)
{
    return (struct ocsp_result){.answer = {.status = status,
                                           .this_update_s = begins_s,
                                           .next_update_s = ends_s,
                                           .produced_s = begins_s,
                                           .is_dated = true}};
}

// answer_next settles the next question; false: there is none.
static bool answer_next(struct ocsp_book *book, enum ocsp_status status, int64_t now_s)
{
    struct ocsp_task task;
    const struct ocsp_result result = answer_of(status, now_s, now_s + LIFE_S);
    if (!ocsp_book_take(book, NOW_MS, &task))
        return false;
    (void)ocsp_book_settle(book, &task, &result, now_s, NOW_MS);
    return true;
}

// tick lets the book look for what is due `after_s` later, by both clocks.
static bool tick(struct ocsp_book *book, int64_t after_s)
{
    return ocsp_book_tick(book, NOW_S + after_s, NOW_MS + after_s * 1000);
}

// bench is a book with two issuers.
struct bench {
    struct ocsp_book *book;
    atomic_int work;
    struct issuer one;
    struct issuer other;
};

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    make_issuer(&bench->one, 1, "http://one.test/");
    make_issuer(&bench->other, 2, "http://other.test/");
    bench->book = ocsp_book_create(on_work, &bench->work);
    assert_non_null(bench->book);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    struct ocsp_figures figures;
    ocsp_book_figures(bench->book, &figures);
    assert_int_equal(figures.held, 0);
    assert_int_equal(figures.under_way, 0);
    assert_int_equal(figures.waiting, 0);
    ocsp_book_destroy(bench->book);
    free(bench);
    return 0;
}

static void an_answer_is_kept_until_it_ends_and_no_longer(void **state)
{
    struct bench *bench = *state;
    struct ocsp_entry *entry = hold(bench->book, &bench->one, 1);
    assert_int_equal(ocsp_book_standing(bench->book, entry, NOW_S, NOW_MS, NULL),
                     OCSP_STANDS_UNASKED);
    ocsp_book_ask(bench->book, entry);
    ocsp_book_ask(bench->book, entry);
    assert_int_equal(bench->work, 3); // held for the first time, asked twice
    assert_true(answer_next(bench->book, OCSP_GOOD, NOW_S));
    assert_false(answer_next(bench->book, OCSP_GOOD, NOW_S)); // asked twice, put once
    assert_int_equal(ocsp_book_standing(bench->book, entry, NOW_S + LIFE_S, NOW_MS, NULL),
                     OCSP_STANDS_GOOD);
    assert_int_equal(ocsp_book_standing(bench->book, entry, NOW_S + LIFE_S + 1, NOW_MS, NULL),
                     OCSP_STANDS_UNASKED);
    ocsp_book_release(bench->book, entry);
    assert_int_equal(look(bench->book, &bench->one, 1, NOW_S), OCSP_STANDS_GOOD);
    assert_int_equal(look(bench->book, &bench->one, 2, NOW_S), OCSP_STANDS_UNASKED);
    assert_int_equal(look(bench->book, &bench->other, 1, NOW_S), OCSP_STANDS_UNASKED);
    // The clock has gone back: what begins later says nothing about now.
    assert_int_equal(look(bench->book, &bench->one, 1, NOW_S - OCSP_SKEW_S - 1),
                     OCSP_STANDS_UNASKED);
}

static void an_answer_of_another_responder_or_without_the_nonce_is_another(void **state)
{
    struct bench *bench = *state;
    struct issuer moved = bench->one;
    const uint32_t serial = 1;
    moved.url = bench->other.url;
    struct ocsp_entry *entry = hold(bench->book, &bench->one, serial);
    ocsp_book_ask(bench->book, entry);
    assert_true(answer_next(bench->book, OCSP_GOOD, NOW_S));
    assert_int_equal(look(bench->book, &moved, serial, NOW_S), OCSP_STANDS_UNASKED);
    struct ocsp_query query = query_of(&bench->one, &serial);
    query.has_nonce = true;
    assert_int_equal(ocsp_book_look(bench->book, &query, NOW_S, NOW_MS, NULL), OCSP_STANDS_UNASKED);
    ocsp_book_release(bench->book, entry);
}

static void who_was_revoked_comes_back_by_a_newer_answer_only(void **state)
{
    struct bench *bench = *state;
    struct ocsp_entry *entry = hold(bench->book, &bench->one, 1);
    struct ocsp_task task;
    const struct ocsp_result revoked = answer_of(OCSP_REVOKED, NOW_S, NOW_S + 10);
    const struct ocsp_result replayed = answer_of(OCSP_GOOD, NOW_S - 1, NOW_S + LIFE_S);
    const struct ocsp_result unknown = answer_of(OCSP_UNKNOWN, NOW_S + 1, NOW_S + LIFE_S);
    const struct ocsp_result newer = answer_of(OCSP_GOOD, NOW_S + 2, NOW_S + LIFE_S);
    ocsp_book_ask(bench->book, entry);
    assert_true(ocsp_book_take(bench->book, NOW_MS, &task));
    assert_true(ocsp_book_settle(bench->book, &task, &revoked, NOW_S, NOW_MS));
    assert_int_equal(ocsp_book_standing(bench->book, entry, NOW_S + LIFE_S, NOW_MS, NULL),
                     OCSP_STANDS_REVOKED);
    ocsp_book_ask(bench->book, entry);
    assert_true(ocsp_book_take(bench->book, NOW_MS, &task));
    assert_true(ocsp_book_settle(bench->book, &task, &replayed, NOW_S, NOW_MS));
    assert_int_equal(ocsp_book_standing(bench->book, entry, NOW_S, NOW_MS, NULL),
                     OCSP_STANDS_REVOKED);
    ocsp_book_ask(bench->book, entry);
    assert_true(ocsp_book_take(bench->book, NOW_MS, &task));
    assert_true(ocsp_book_settle(bench->book, &task, &unknown, NOW_S + 1, NOW_MS));
    assert_int_equal(ocsp_book_standing(bench->book, entry, NOW_S + LIFE_S, NOW_MS, NULL),
                     OCSP_STANDS_REVOKED);
    ocsp_book_ask(bench->book, entry);
    assert_true(ocsp_book_take(bench->book, NOW_MS, &task));
    assert_false(ocsp_book_settle(bench->book, &task, &newer, NOW_S + 2, NOW_MS));
    assert_int_equal(ocsp_book_standing(bench->book, entry, NOW_S + 2, NOW_MS, NULL),
                     OCSP_STANDS_GOOD);
    ocsp_book_release(bench->book, entry);
}

static void keep_answer(struct ocsp_book *book, const struct issuer *issuer, uint32_t serial)
{
    struct ocsp_entry *entry = hold(book, issuer, serial);
    ocsp_book_ask(book, entry);
    assert_true(answer_next(book, OCSP_GOOD, NOW_S));
    ocsp_book_release(book, entry);
}

// revoke_one has the book know that a certificate is revoked, and holds it no more.
static void revoke_one(struct ocsp_book *book, const struct issuer *issuer, uint32_t serial)
{
    struct ocsp_entry *entry = hold(book, issuer, serial);
    ocsp_book_ask(book, entry);
    assert_true(answer_next(book, OCSP_REVOKED, NOW_S));
    ocsp_book_release(book, entry);
}

static void who_was_revoked_stays_so_when_another_responder_is_asked(void **state)
{
    struct bench *bench = *state;
    struct issuer moved = bench->one;
    moved.url = bench->other.url;
    revoke_one(bench->book, &bench->one, 1);
    assert_int_equal(look(bench->book, &moved, 1, NOW_S + LIFE_S), OCSP_STANDS_REVOKED);
    assert_int_equal(look(bench->book, &moved, 2, NOW_S), OCSP_STANDS_UNASKED);
    uint32_t serial = 1;
    struct ocsp_query nowhere = query_of(&bench->one, &serial);
    nowhere.url = NULL;
    assert_int_equal(ocsp_book_look(bench->book, &nowhere, NOW_S, NOW_MS, NULL),
                     OCSP_STANDS_REVOKED);
    serial = 2;
    assert_int_equal(ocsp_book_look(bench->book, &nowhere, NOW_S, NOW_MS, NULL),
                     OCSP_STANDS_UNASKED);
    assert_int_equal(look(bench->book, &bench->other, 1, NOW_S), OCSP_STANDS_UNASKED);
    struct ocsp_entry *entry = hold(bench->book, &moved, 1);
    ocsp_book_ask(bench->book, entry);
    assert_true(answer_next(bench->book, OCSP_GOOD, NOW_S));
    assert_int_equal(look(bench->book, &moved, 1, NOW_S), OCSP_STANDS_REVOKED);
    ocsp_book_ask(bench->book, entry);
    assert_true(answer_next(bench->book, OCSP_GOOD, NOW_S + 1));
    assert_int_equal(look(bench->book, &moved, 1, NOW_S + 1), OCSP_STANDS_GOOD);
    assert_int_equal(look(bench->book, &bench->one, 1, NOW_S + 1), OCSP_STANDS_REVOKED);
    ocsp_book_release(bench->book, entry);
}

static void who_is_in_use_at_another_responder_is_judged_again_by_a_revocation(void **state)
{
    struct bench *bench = *state;
    struct issuer moved = bench->one;
    struct ocsp_task task;
    const struct ocsp_result revoked = answer_of(OCSP_REVOKED, NOW_S + 1, NOW_S + LIFE_S);
    moved.url = bench->other.url;
    struct ocsp_entry *entry = hold(bench->book, &bench->one, 1);
    ocsp_book_ask(bench->book, entry);
    assert_true(answer_next(bench->book, OCSP_GOOD, NOW_S));
    struct ocsp_entry *elsewhere = hold(bench->book, &moved, 1);
    for (size_t round = 0; round < 2; round++) {
        ocsp_book_ask(bench->book, elsewhere);
        assert_true(ocsp_book_take(bench->book, NOW_MS, &task));
        ocsp_book_release(bench->book, elsewhere); // nobody but the question holds it
        assert_true(ocsp_book_settle(bench->book, &task, &revoked, NOW_S + 1, NOW_MS));
        assert_int_equal(look(bench->book, &bench->one, 1, NOW_S + 1), OCSP_STANDS_REVOKED);
        elsewhere = hold(bench->book, &moved, 1);
    }
    ocsp_book_release(bench->book, entry);
    ocsp_book_ask(bench->book, elsewhere);
    assert_true(ocsp_book_take(bench->book, NOW_MS, &task));
    ocsp_book_release(bench->book, elsewhere);
    // Now nobody is there, and it is no news either.
    assert_false(ocsp_book_settle(bench->book, &task, &revoked, NOW_S + 1, NOW_MS));
}

// take_back_by_delegate has a delegate reinstate a certificate that was revoked ten seconds ago.
static void take_back_by_delegate(struct ocsp_book *book, const struct issuer *issuer,
                                  uint32_t serial)
{
    struct ocsp_result result = answer_of(OCSP_REVOKED, NOW_S - 10, NOW_S + LIFE_S);
    struct ocsp_task task;
    struct ocsp_entry *entry = hold(book, issuer, serial);
    ocsp_book_ask(book, entry);
    assert_true(ocsp_book_take(book, NOW_MS, &task));
    assert_true(ocsp_book_settle(book, &task, &result, NOW_S, NOW_MS));
    result = answer_of(OCSP_GOOD, NOW_S - 5, NOW_S + LIFE_S);
    result.answer.delegate.is_there = true;
    ocsp_book_ask(book, entry);
    assert_true(ocsp_book_take(book, NOW_MS, &task));
    assert_false(ocsp_book_settle(book, &task, &result, NOW_S, NOW_MS));
    ocsp_book_release(book, entry);
}

// pass_on has another book hear what one tells, as bytes.
static bool pass_on(void *arg, const struct ocsp_note *note)
{
    uint8_t bytes[OCSP_NOTE_MAX] = {0};
    struct ocsp_note heard;
    const size_t len = ocsp_note_format(note, bytes);
    assert_int_equal(ocsp_note_parse(slice_of(bytes, len), &heard), ERR_OK);
    for (size_t cut = 0; cut < len; cut++)
        assert_int_equal(ocsp_note_parse(slice_of(bytes, cut), &heard), ERR_INPUT);
    assert_int_equal(ocsp_note_parse(slice_of(bytes, len + 1), &heard), ERR_INPUT);
    assert_int_equal(ocsp_note_parse(slice_of(bytes, len), &heard), ERR_OK);
    return ocsp_book_hear(arg, &heard);
}

static void another_process_hears_who_was_revoked_or_unknown(void **state)
{
    struct bench *bench = *state;
    struct ocsp_book *next = ocsp_book_create(on_work, &bench->work);
    struct ocsp_figures figures;
    revoke_one(bench->book, &bench->one, 1);
    struct ocsp_entry *unknown = hold(bench->book, &bench->other, 2);
    ocsp_book_ask(bench->book, unknown);
    assert_true(answer_next(bench->book, OCSP_UNKNOWN, NOW_S));
    keep_answer(bench->book, &bench->one, 3);
    take_back_by_delegate(bench->book, &bench->one, 4);
    assert_int_equal(look(bench->book, &bench->one, 4, NOW_S), OCSP_STANDS_GOOD);
    assert_true(ocsp_book_tell(bench->book, OCSP_REVOKED, pass_on, next));
    ocsp_book_figures(next, &figures);
    assert_int_equal(figures.entries, 2);
    assert_true(ocsp_book_tell(bench->book, OCSP_UNKNOWN, pass_on, next));
    ocsp_book_release(bench->book, unknown);
    ocsp_book_figures(next, &figures);
    assert_int_equal(figures.entries, 3);
    assert_int_equal(figures.held, 0);
    assert_int_equal(look(next, &bench->one, 1, NOW_S + 2 * LIFE_S), OCSP_STANDS_REVOKED);
    assert_int_equal(look(next, &bench->other, 2, NOW_S), OCSP_STANDS_UNKNOWN);
    assert_int_equal(look(next, &bench->other, 2, NOW_S + 2 * LIFE_S), OCSP_STANDS_UNASKED);
    assert_int_equal(look(next, &bench->one, 3, NOW_S), OCSP_STANDS_UNASKED);
    // Nobody has said whose good it was: it is asked for again as soon as the client comes.
    assert_int_equal(look(next, &bench->one, 4, NOW_S), OCSP_STANDS_REVOKED);
    struct ocsp_entry *entry = hold(next, &bench->one, 4);
    ocsp_book_ask_again(next, entry, NOW_S, NOW_MS);
    assert_true(answer_next(next, OCSP_GOOD, NOW_S));
    assert_int_equal(look(next, &bench->one, 4, NOW_S), OCSP_STANDS_GOOD);
    ocsp_book_release(next, entry);
    ocsp_book_destroy(next);
}

static bool count_note(void *arg, const struct ocsp_note *note)
{
    (void)note;
    return ++*(size_t *)arg < 3;
}

static void who_does_not_take_what_is_told_is_told_no_more(void **state)
{
    struct bench *bench = *state;
    size_t count = 0;
    for (uint32_t i = 1; i < 10; i++)
        revoke_one(bench->book, &bench->one, i);
    assert_false(ocsp_book_tell(bench->book, OCSP_REVOKED, count_note, &count));
    assert_int_equal(count, 3);
}

static void of_two_answers_of_one_second_the_worse_counts(void **state)
{
    struct bench *bench = *state;
    static const struct {
        enum ocsp_status first;
        enum ocsp_status second;
        enum ocsp_standing then;
    } cases[] = {
        {OCSP_GOOD, OCSP_REVOKED, OCSP_STANDS_REVOKED},
        {OCSP_REVOKED, OCSP_GOOD, OCSP_STANDS_REVOKED},
        {OCSP_UNKNOWN, OCSP_GOOD, OCSP_STANDS_UNKNOWN},
        {OCSP_GOOD, OCSP_UNKNOWN, OCSP_STANDS_UNKNOWN},
        {OCSP_GOOD, OCSP_GOOD, OCSP_STANDS_GOOD},
    };
    for (uint32_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ocsp_entry *entry = hold(bench->book, &bench->one, i);
        ocsp_book_ask(bench->book, entry);
        assert_true(answer_next(bench->book, cases[i].first, NOW_S));
        ocsp_book_ask(bench->book, entry);
        assert_true(answer_next(bench->book, cases[i].second, NOW_S));
        assert_int_equal(ocsp_book_standing(bench->book, entry, NOW_S, NOW_MS, NULL),
                         cases[i].then);
        ocsp_book_release(bench->book, entry);
    }
}

static void who_was_revoked_and_comes_again_after_the_answers_end_is_asked_about(void **state)
{
    struct bench *bench = *state;
    const int64_t after_s = NOW_S + LIFE_S + 1;
    struct ocsp_task task;
    struct ocsp_entry *entry = hold(bench->book, &bench->one, 1);
    ocsp_book_ask(bench->book, entry);
    assert_true(answer_next(bench->book, OCSP_REVOKED, NOW_S));
    ocsp_book_ask_again(bench->book, entry, NOW_S, NOW_MS);
    assert_false(ocsp_book_take(bench->book, NOW_MS, &task)); // the answer is not over
    ocsp_book_ask_again(bench->book, entry, after_s, NOW_MS);
    ocsp_book_ask_again(bench->book, entry, after_s, NOW_MS);
    ocsp_book_release(bench->book, entry); // it does not wait
    assert_int_equal(look(bench->book, &bench->one, 1, after_s), OCSP_STANDS_REVOKED);
    assert_true(ocsp_book_take(bench->book, NOW_MS, &task));
    assert_false(ocsp_book_settle(bench->book, &task, &silence, after_s, NOW_MS));
    assert_int_equal(look(bench->book, &bench->one, 1, after_s), OCSP_STANDS_REVOKED);
    entry = hold(bench->book, &bench->one, 1);
    ocsp_book_ask_again(bench->book, entry, after_s, NOW_MS); // a moment after nobody has answered
    assert_false(ocsp_book_take(bench->book, NOW_MS, &task));
    ocsp_book_ask_again(bench->book, entry, after_s, NOW_MS + OCSP_BOOK_RETRY_MS);
    ocsp_book_release(bench->book, entry);
    assert_true(answer_next(bench->book, OCSP_GOOD, after_s));
    assert_int_equal(look(bench->book, &bench->one, 1, after_s), OCSP_STANDS_GOOD);
}

static void who_is_refused_and_comes_again_is_asked_about_once_a_minute(void **state)
{
    struct bench *bench = *state;
    const int64_t again_ms = NOW_MS + OCSP_BOOK_REFUSED_AGAIN_MS;
    struct ocsp_task task;
    for (uint32_t serial = 1; serial <= 2; serial++) {
        struct ocsp_entry *entry = hold(bench->book, &bench->one, serial);
        ocsp_book_ask(bench->book, entry);
        assert_true(answer_next(bench->book, serial == 1 ? OCSP_REVOKED : OCSP_UNKNOWN, NOW_S));
        ocsp_book_ask_again(bench->book, entry, NOW_S, again_ms - 1);
        assert_false(ocsp_book_take(bench->book, again_ms - 1, &task));
        for (size_t round = 0; round < 3; round++)
            ocsp_book_ask_again(bench->book, entry, NOW_S + 1, again_ms);
        assert_true(ocsp_book_take(bench->book, again_ms, &task));
        assert_false(ocsp_book_take(bench->book, again_ms, &task));
        // Nobody answers: the next one has its time.
        (void)ocsp_book_settle(bench->book, &task, &silence, NOW_S + 1, again_ms);
        ocsp_book_ask_again(bench->book, entry, NOW_S + 1, again_ms + OCSP_BOOK_RETRY_MS - 1);
        assert_false(ocsp_book_take(bench->book, again_ms, &task));
        ocsp_book_ask_again(bench->book, entry, NOW_S + 1, again_ms + OCSP_BOOK_RETRY_MS);
        assert_true(answer_next(bench->book, OCSP_GOOD, NOW_S + 1));
        ocsp_book_release(bench->book, entry);
        assert_int_equal(look(bench->book, &bench->one, serial, NOW_S + 1), OCSP_STANDS_GOOD);
    }
}

static void a_book_may_end_while_somebody_is_to_be_asked_about_again(void **state)
{
    struct bench *bench = *state;
    struct ocsp_book *book = ocsp_book_create(on_work, &bench->work);
    assert_non_null(book);
    struct ocsp_entry *entry = hold(book, &bench->one, 1);
    ocsp_book_ask(book, entry);
    assert_true(answer_next(book, OCSP_REVOKED, NOW_S));
    ocsp_book_ask_again(book, entry, NOW_S + LIFE_S + 1, NOW_MS);
    ocsp_book_release(book, entry);
    ocsp_book_destroy(book);
}

static void who_does_not_take_an_answer_has_it_asked_for_again_now_and_then(void **state)
{
    struct bench *bench = *state;
    struct ocsp_entry *entry = hold(bench->book, &bench->one, 1);
    struct ocsp_grounds grounds;
    struct ocsp_task task;
    struct ocsp_result good = answer_of(OCSP_GOOD, NOW_S, NOW_S + LIFE_S);
    good.answer.delegate = (struct ocsp_delegate){.is_there = true, .serial_len = 1, .serial = {7}};
    ocsp_book_ask(bench->book, entry);
    assert_true(ocsp_book_take(bench->book, NOW_MS, &task));
    assert_false(ocsp_book_settle(bench->book, &task, &good, NOW_S, NOW_MS));
    assert_int_equal(ocsp_book_standing(bench->book, entry, NOW_S, NOW_MS, &grounds),
                     OCSP_STANDS_GOOD);
    assert_true(grounds.good.is_there && grounds.good.serial_len == 1 &&
                grounds.good.serial[0] == 7);
    assert_int_equal(ocsp_book_doubt(bench->book, entry, NOW_MS), OCSP_STANDS_UNASKED);
    assert_false(ocsp_book_is_asked(bench->book, entry));
    ocsp_book_ask(bench->book, entry);
    assert_true(ocsp_book_is_asked(bench->book, entry));
    assert_int_equal(ocsp_book_doubt(bench->book, entry, NOW_MS), OCSP_STANDS_UNASKED);
    assert_true(answer_next(bench->book, OCSP_GOOD, NOW_S)); // of the issuer itself
    assert_int_equal(ocsp_book_doubt(bench->book, entry, NOW_MS + OCSP_BOOK_RETRY_MS - 1),
                     OCSP_STANDS_SILENT);
    assert_int_equal(ocsp_book_doubt(bench->book, entry, NOW_MS + OCSP_BOOK_RETRY_MS),
                     OCSP_STANDS_UNASKED);
    assert_int_equal(look(bench->book, &bench->one, 1, NOW_S), OCSP_STANDS_GOOD);
    (void)ocsp_book_standing(bench->book, entry, NOW_S, NOW_MS, &grounds);
    assert_false(grounds.good.is_there);
    ocsp_book_release(bench->book, entry);
}

static void
an_old_answer_in_the_place_of_one_that_has_ended_is_not_asked_for_again_at_once(void **state)
{
    struct bench *bench = *state;
    struct ocsp_entry *entry = hold(bench->book, &bench->one, 1);
    struct ocsp_task task;
    const struct ocsp_result brief = answer_of(OCSP_GOOD, NOW_S, NOW_S + 10);
    const struct ocsp_result older = answer_of(OCSP_GOOD, NOW_S - 1, NOW_S + LIFE_S);
    ocsp_book_ask(bench->book, entry);
    assert_true(ocsp_book_take(bench->book, NOW_MS, &task));
    assert_false(ocsp_book_settle(bench->book, &task, &brief, NOW_S, NOW_MS));
    ocsp_book_ask(bench->book, entry);
    assert_true(ocsp_book_take(bench->book, NOW_MS, &task));
    assert_false(ocsp_book_settle(bench->book, &task, &older, NOW_S + 11, NOW_MS));
    assert_int_equal(ocsp_book_standing(bench->book, entry, NOW_S + 11, NOW_MS, NULL),
                     OCSP_STANDS_SILENT);
    ocsp_book_release(bench->book, entry);
}

static void silence_is_remembered_for_a_while(void **state)
{
    struct bench *bench = *state;
    struct ocsp_entry *entry = hold(bench->book, &bench->one, 1);
    struct ocsp_task task;
    ocsp_book_ask(bench->book, entry);
    assert_true(ocsp_book_take(bench->book, NOW_MS, &task));
    assert_int_equal(ocsp_book_standing(bench->book, entry, NOW_S, NOW_MS, NULL),
                     OCSP_STANDS_UNASKED);
    assert_false(ocsp_book_settle(bench->book, &task, &silence, NOW_S, NOW_MS));
    ocsp_book_release(bench->book, entry);
    const int64_t again_ms = NOW_MS + OCSP_BOOK_RETRY_MS;
    assert_int_equal(look_at(bench->book, &bench->one, 1, NOW_S, again_ms - 1), OCSP_STANDS_SILENT);
    assert_int_equal(look_at(bench->book, &bench->one, 1, NOW_S, again_ms), OCSP_STANDS_UNASKED);
}

static void what_is_in_use_is_asked_again_before_it_ends_and_nothing_else(void **state)
{
    struct bench *bench = *state;
    struct ocsp_entry *held = hold(bench->book, &bench->one, 1);
    struct ocsp_entry *left = hold(bench->book, &bench->one, 2);
    ocsp_book_ask(bench->book, held);
    ocsp_book_ask(bench->book, left);
    while (answer_next(bench->book, OCSP_GOOD, NOW_S)) {
    }
    ocsp_book_release(bench->book, left);
    (void)tick(bench->book, LIFE_S / 2);
    assert_false(answer_next(bench->book, OCSP_GOOD, NOW_S + LIFE_S / 2));
    (void)tick(bench->book, LIFE_S * 3 / 4);
    struct ocsp_task task;
    assert_true(ocsp_book_take(bench->book, NOW_MS, &task));
    assert_memory_equal(task.subject.serial.data, &(uint32_t){1}, 4);
    // Nobody answers: what is known counts until it ends, and the next try comes later.
    assert_false(ocsp_book_settle(bench->book, &task, &silence, NOW_S + LIFE_S * 3 / 4,
                                  NOW_MS + LIFE_S * 750));
    assert_int_equal(look(bench->book, &bench->one, 1, NOW_S + LIFE_S), OCSP_STANDS_GOOD);
    (void)tick(bench->book, LIFE_S * 3 / 4 + 1);
    assert_false(ocsp_book_take(bench->book, NOW_MS, &task));
    (void)tick(bench->book, LIFE_S * 3 / 4 + OCSP_BOOK_RETRY_MS / 1000);
    assert_true(ocsp_book_take(bench->book, NOW_MS, &task));
    const struct ocsp_result revoked = answer_of(OCSP_REVOKED, NOW_S + LIFE_S, NOW_S + 2 * LIFE_S);
    assert_true(ocsp_book_settle(bench->book, &task, &revoked, NOW_S + LIFE_S, NOW_MS));
    ocsp_book_release(bench->book, held);
    assert_false(ocsp_book_take(bench->book, NOW_MS, &task));
}

static void what_is_in_use_is_asked_again_within_an_hour_and_ends_with_the_answer(void **state)
{
    struct bench *bench = *state;
    enum { HOUR_S = OCSP_BOOK_REFRESH_MAX_S, WEEK_S = 7 * 24 * 3600 };
    static const int64_t lives_s[] = {4, 600, HOUR_S, WEEK_S};
    struct ocsp_task task;
    for (uint32_t i = 0; i < sizeof lives_s / sizeof lives_s[0]; i++) {
        const int64_t life_s = lives_s[i];
        const int64_t due_s = life_s * 3 / 4 < HOUR_S ? life_s * 3 / 4 : HOUR_S;
        const struct ocsp_result good = answer_of(OCSP_GOOD, NOW_S, NOW_S + life_s);
        const struct ocsp_result revoked =
            answer_of(OCSP_REVOKED, NOW_S + due_s, NOW_S + due_s + life_s);
        struct ocsp_entry *entry = hold(bench->book, &bench->one, i);
        ocsp_book_ask(bench->book, entry);
        assert_true(ocsp_book_take(bench->book, NOW_MS, &task));
        assert_false(ocsp_book_settle(bench->book, &task, &good, NOW_S, NOW_MS));
        assert_true(tick(bench->book, due_s - 1));
        assert_false(ocsp_book_take(bench->book, NOW_MS, &task));
        assert_true(tick(bench->book, due_s));
        assert_true(ocsp_book_take(bench->book, NOW_MS + due_s * 1000, &task));
        // A client that holds it is judged again at once.
        assert_true(
            ocsp_book_settle(bench->book, &task, &revoked, NOW_S + due_s, NOW_MS + due_s * 1000));
        ocsp_book_release(bench->book, entry);
    }
}

static void what_has_no_answer_is_asked_as_long_as_it_is_in_use(void **state)
{
    struct bench *bench = *state;
    struct ocsp_entry *entry = hold(bench->book, &bench->one, 1);
    struct ocsp_task task;
    assert_true(tick(bench->book, 0));
    ocsp_book_release(bench->book, entry);
    assert_false(tick(bench->book, 0));
    assert_false(ocsp_book_take(bench->book, NOW_MS, &task)); // nobody wants to know any more
    struct ocsp_figures figures;
    ocsp_book_figures(bench->book, &figures);
    assert_int_equal(figures.entries, 0);
    assert_int_equal(figures.places, 0);
}

static void places_take_turns_and_none_has_more_than_its_share(void **state)
{
    struct bench *bench = *state;
    struct ocsp_entry *entries[40];
    struct ocsp_entry *lone = NULL;
    struct ocsp_task tasks[OCSP_BOOK_EACH];
    struct ocsp_task task;
    for (uint32_t i = 0; i < 40; i++) {
        entries[i] = hold(bench->book, &bench->one, i);
        ocsp_book_ask(bench->book, entries[i]);
    }
    for (size_t i = 0; i < OCSP_BOOK_EACH; i++)
        assert_true(ocsp_book_take(bench->book, NOW_MS, &tasks[i]));
    assert_false(ocsp_book_take(bench->book, NOW_MS, &task));
    lone = hold(bench->book, &bench->other, 1);
    ocsp_book_ask(bench->book, lone);
    assert_true(answer_next(bench->book, OCSP_GOOD, NOW_S)); // of the other place
    assert_int_equal(ocsp_book_standing(bench->book, lone, NOW_S, NOW_MS, NULL), OCSP_STANDS_GOOD);
    const struct ocsp_result good = answer_of(OCSP_GOOD, NOW_S, NOW_S + LIFE_S);
    for (size_t i = 0; i < OCSP_BOOK_EACH; i++)
        assert_false(ocsp_book_settle(bench->book, &tasks[i], &good, NOW_S, NOW_MS));
    size_t rest = 0;
    while (answer_next(bench->book, OCSP_GOOD, NOW_S))
        rest++;
    assert_int_equal(rest, 40 - OCSP_BOOK_EACH);
    for (size_t i = 0; i < 40; i++)
        ocsp_book_release(bench->book, entries[i]);
    ocsp_book_release(bench->book, lone);
}

static void who_is_waited_for_is_asked_about_before_those_who_are_only_in_use(void **state)
{
    struct bench *bench = *state;
    struct ocsp_entry *entries[3];
    struct ocsp_task task;
    for (uint32_t i = 0; i < 3; i++)
        entries[i] = hold(bench->book, &bench->one, i);
    assert_true(tick(bench->book, 0));
    ocsp_book_ask(bench->book, entries[2]);
    ocsp_book_ask(bench->book, entries[1]);
    static const uint32_t order[] = {1, 2, 0};
    for (size_t i = 0; i < 3; i++) {
        assert_true(ocsp_book_take(bench->book, NOW_MS, &task));
        assert_memory_equal(task.subject.serial.data, &order[i], sizeof order[i]);
        assert_false(ocsp_book_settle(bench->book, &task, &silence, NOW_S, NOW_MS));
    }
    assert_false(ocsp_book_take(bench->book, NOW_MS, &task));
    for (size_t i = 0; i < 3; i++)
        ocsp_book_release(bench->book, entries[i]);
}

static void a_place_that_fails_is_left_alone_but_for_one_question(void **state)
{
    struct bench *bench = *state;
    struct ocsp_entry *entries[OCSP_BOOK_FAILURES + 2];
    struct ocsp_task task;
    for (uint32_t i = 0; i < OCSP_BOOK_FAILURES + 2; i++)
        entries[i] = hold(bench->book, &bench->one, i);
    for (size_t i = 0; i < OCSP_BOOK_FAILURES; i++) {
        ocsp_book_ask(bench->book, entries[i]);
        assert_true(ocsp_book_take(bench->book, NOW_MS, &task));
        assert_false(ocsp_book_settle(bench->book, &task, &silence, NOW_S, NOW_MS));
    }
    struct ocsp_entry *probe = entries[OCSP_BOOK_FAILURES];
    struct ocsp_entry *next = entries[OCSP_BOOK_FAILURES + 1];
    assert_int_equal(ocsp_book_standing(bench->book, probe, NOW_S, NOW_MS, NULL),
                     OCSP_STANDS_UNASKED);
    ocsp_book_ask(bench->book, probe);
    assert_true(ocsp_book_take(bench->book, NOW_MS, &task));
    assert_int_equal(ocsp_book_standing(bench->book, next, NOW_S, NOW_MS, NULL),
                     OCSP_STANDS_SILENT);
    assert_true(tick(bench->book, 0)); // that it waits for its turn changes nothing
    assert_int_equal(ocsp_book_standing(bench->book, next, NOW_S, NOW_MS, NULL),
                     OCSP_STANDS_SILENT);
    const int64_t later_ms = NOW_MS + OCSP_BOOK_DOWN_MS;
    assert_int_equal(ocsp_book_standing(bench->book, next, NOW_S, later_ms, NULL),
                     OCSP_STANDS_UNASKED);
    const struct ocsp_result good = answer_of(OCSP_GOOD, NOW_S, NOW_S + LIFE_S);
    assert_false(ocsp_book_settle(bench->book, &task, &good, NOW_S, NOW_MS));
    assert_int_equal(ocsp_book_standing(bench->book, next, NOW_S, NOW_MS, NULL),
                     OCSP_STANDS_UNASKED);
    for (size_t i = 0; i < OCSP_BOOK_FAILURES + 2; i++)
        ocsp_book_release(bench->book, entries[i]);
}

static void a_fault_that_concerns_one_certificate_does_not_take_its_place_down(void **state)
{
    struct bench *bench = *state;
    static const struct ocsp_result other = {.fault = OCSP_FAULT_OTHER_CERTIFICATE};
    struct ocsp_entry *next = hold(bench->book, &bench->one, 1000);
    for (uint32_t i = 0; i < 10; i++) {
        struct ocsp_task task;
        struct ocsp_entry *entry = hold(bench->book, &bench->one, i);
        ocsp_book_ask(bench->book, entry);
        assert_true(ocsp_book_take(bench->book, NOW_MS, &task));
        assert_false(ocsp_book_settle(bench->book, &task, &other, NOW_S, NOW_MS));
        ocsp_book_release(bench->book, entry);
    }
    assert_int_equal(ocsp_book_standing(bench->book, next, NOW_S, NOW_MS, NULL),
                     OCSP_STANDS_UNASKED);
    ocsp_book_release(bench->book, next);
}

static void ten_thousand_answers_take_less_than_four_mebibytes(void **state)
{
    struct bench *bench = *state;
    struct ocsp_figures figures;
    for (uint32_t i = 0; i < OCSP_BOOK_MAX; i++)
        keep_answer(bench->book, &bench->one, i);
    ocsp_book_figures(bench->book, &figures);
    assert_int_equal(figures.entries, OCSP_BOOK_MAX);
    print_message("%d answers: %lu bytes\n", OCSP_BOOK_MAX, (unsigned long)figures.bytes);
    assert_true(figures.bytes < 4 * 1024 * 1024);
    for (uint32_t i = 0; i < OCSP_BOOK_MAX; i++)
        assert_int_equal(look(bench->book, &bench->one, i, NOW_S), OCSP_STANDS_GOOD);
}

static void a_ca_with_many_clients_takes_no_room_of_another(void **state)
{
    struct bench *bench = *state;
    struct ocsp_figures figures;
    for (uint32_t i = 0; i < 100; i++)
        keep_answer(bench->book, &bench->other, i);
    for (uint32_t i = 0; i < 2 * OCSP_BOOK_MAX; i++)
        keep_answer(bench->book, &bench->one, i);
    ocsp_book_figures(bench->book, &figures);
    assert_int_equal(figures.entries, OCSP_BOOK_MAX);
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(look(bench->book, &bench->other, i, NOW_S), OCSP_STANDS_GOOD);
    assert_int_equal(look(bench->book, &bench->one, 0, NOW_S), OCSP_STANDS_UNASKED);
    assert_int_equal(look(bench->book, &bench->one, 2 * OCSP_BOOK_MAX - 1, NOW_S),
                     OCSP_STANDS_GOOD);
}

static void who_was_revoked_is_not_forgotten_for_those_who_are_good(void **state)
{
    struct bench *bench = *state;
    revoke_one(bench->book, &bench->one, 0);
    struct ocsp_entry *unknown = hold(bench->book, &bench->one, 1);
    ocsp_book_ask(bench->book, unknown);
    assert_true(answer_next(bench->book, OCSP_UNKNOWN, NOW_S));
    ocsp_book_release(bench->book, unknown);
    for (uint32_t i = 2; i < 2 * OCSP_BOOK_MAX; i++)
        keep_answer(bench->book, &bench->one, i);
    assert_int_equal(look(bench->book, &bench->one, 0, NOW_S), OCSP_STANDS_REVOKED);
    assert_int_equal(look(bench->book, &bench->one, 1, NOW_S), OCSP_STANDS_UNKNOWN);
    struct ocsp_figures figures;
    ocsp_book_figures(bench->book, &figures);
    assert_int_equal(figures.entries, OCSP_BOOK_MAX + 2);
}

static void who_is_revoked_while_the_book_is_full_of_those_in_use_is_not_forgotten(void **state)
{
    struct bench *bench = *state;
    struct ocsp_entry **held = calloc(OCSP_BOOK_MAX + 1, sizeof(struct ocsp_entry *));
    assert_non_null(held);
    for (uint32_t i = 0; i <= OCSP_BOOK_MAX; i++)
        held[i] = hold(bench->book, &bench->other, i);
    revoke_one(bench->book, &bench->one, 1);
    assert_int_equal(look(bench->book, &bench->one, 1, NOW_S), OCSP_STANDS_REVOKED);
    for (uint32_t i = 0; i <= OCSP_BOOK_MAX; i++)
        ocsp_book_release(bench->book, held[i]);
    assert_int_equal(look(bench->book, &bench->one, 1, NOW_S), OCSP_STANDS_REVOKED);
    free(held);
}

static void revocations_are_bounded_too_and_the_oldest_goes(void **state)
{
    struct bench *bench = *state;
    struct ocsp_figures figures;
    for (uint32_t i = 0; i < OCSP_BOOK_MAX_KEPT + 10; i++)
        revoke_one(bench->book, &bench->one, i);
    ocsp_book_figures(bench->book, &figures);
    assert_int_equal(figures.entries, OCSP_BOOK_MAX_KEPT);
    assert_int_equal(look(bench->book, &bench->one, 9, NOW_S), OCSP_STANDS_UNASKED);
    assert_int_equal(look(bench->book, &bench->one, 10, NOW_S), OCSP_STANDS_REVOKED);
}

static void
the_revocations_of_one_ca_do_not_go_for_those_of_another_with_fewer_clients(void **state)
{
    struct bench *bench = *state;
    struct ocsp_entry **held = calloc(OCSP_BOOK_MAX_KEPT + 100, sizeof(struct ocsp_entry *));
    assert_non_null(held);
    for (uint32_t i = 0; i < OCSP_BOOK_MAX_KEPT + 100; i++)
        held[i] = hold(bench->book, &bench->other, i);
    revoke_one(bench->book, &bench->other, OCSP_BOOK_MAX_KEPT + 100);
    for (uint32_t i = 0; i < OCSP_BOOK_MAX_KEPT + 10; i++)
        revoke_one(bench->book, &bench->one, i);
    assert_int_equal(look(bench->book, &bench->other, OCSP_BOOK_MAX_KEPT + 100, NOW_S),
                     OCSP_STANDS_REVOKED);
    for (uint32_t i = 0; i < OCSP_BOOK_MAX_KEPT + 100; i++)
        ocsp_book_release(bench->book, held[i]);
    free(held);
}

static void revocations_keep_their_room_while_all_other_room_is_in_use(void **state)
{
    struct bench *bench = *state;
    struct ocsp_entry **held = calloc(OCSP_BOOK_MAX_HELD, sizeof(struct ocsp_entry *));
    assert_non_null(held);
    revoke_one(bench->book, &bench->one, 1);
    for (uint32_t i = 0; i < OCSP_BOOK_MAX_HELD; i++)
        held[i] = hold(bench->book, &bench->other, i);
    const uint32_t serial = OCSP_BOOK_MAX_HELD;
    const struct ocsp_query query = query_of(&bench->other, &serial);
    assert_null(ocsp_book_hold(bench->book, &query));
    assert_int_equal(look(bench->book, &bench->one, 1, NOW_S), OCSP_STANDS_REVOKED);
    for (uint32_t i = 0; i < OCSP_BOOK_MAX_HELD; i++)
        ocsp_book_release(bench->book, held[i]);
    free(held);
}

// name_place makes `issuer` one of the CA `number` below the anchor `anchor`, with the URL `url`.
static void name_place(struct issuer *issuer, unsigned number, unsigned anchor, unsigned url)
{
    char text[32];
    (void)snprintf(text, sizeof text, "http://one.test/%u", url);
    make_issuer(issuer, number, text);
    issuer->anchor[0] = (uint8_t)anchor;
}

static void the_certificates_of_a_ca_may_not_name_any_number_of_responders(void **state)
{
    struct bench *bench = *state;
    struct ocsp_entry *entries[OCSP_BOOK_URLS];
    const uint32_t serial = 1;
    for (unsigned i = 0; i < OCSP_BOOK_URLS; i++) {
        name_place(&bench->one, 1, 0, i);
        entries[i] = hold(bench->book, &bench->one, serial);
    }
    name_place(&bench->one, 1, 0, OCSP_BOOK_URLS);
    const struct ocsp_query query = query_of(&bench->one, &serial);
    assert_null(ocsp_book_hold(bench->book, &query));
    struct ocsp_figures figures;
    ocsp_book_figures(bench->book, &figures);
    assert_int_equal(figures.crowded, 1);
    for (unsigned i = 0; i < OCSP_BOOK_URLS; i++)
        ocsp_book_release(bench->book, entries[i]);
    struct ocsp_entry *entry = ocsp_book_hold(bench->book, &query);
    assert_non_null(entry);
    ocsp_book_release(bench->book, entry);
}

static void a_responder_in_nobodys_use_makes_room_the_one_without_revocations_first(void **state)
{
    struct bench *bench = *state;
    for (unsigned i = 0; i < OCSP_BOOK_URLS; i++) {
        name_place(&bench->one, 1, 0, i);
        if (i == 0)
            revoke_one(bench->book, &bench->one, 1);
        else
            keep_answer(bench->book, &bench->one, 2);
    }
    for (unsigned i = 0; i < 3 * OCSP_BOOK_URLS; i++) {
        name_place(&bench->one, 1, 0, OCSP_BOOK_URLS + i);
        keep_answer(bench->book, &bench->one, 2);
    }
    struct ocsp_figures figures;
    ocsp_book_figures(bench->book, &figures);
    assert_int_equal(figures.places, OCSP_BOOK_URLS);
    assert_int_equal(figures.crowded, 0);
    name_place(&bench->one, 1, 0, 0);
    assert_int_equal(look(bench->book, &bench->one, 1, NOW_S), OCSP_STANDS_REVOKED);
    name_place(&bench->one, 1, 0, 1);
    assert_int_equal(look(bench->book, &bench->one, 2, NOW_S), OCSP_STANDS_UNASKED);
}

static void
the_chains_of_one_anchor_take_half_of_the_places_and_those_of_others_have_room(void **state)
{
    struct bench *bench = *state;
    static struct ocsp_entry *entries[OCSP_BOOK_PLACES_EACH];
    struct issuer issuer;
    const uint32_t serial = 1;
    for (unsigned i = 0; i < OCSP_BOOK_PLACES_EACH; i++) {
        name_place(&issuer, i, 1, 0);
        entries[i] = hold(bench->book, &issuer, serial);
    }
    name_place(&issuer, OCSP_BOOK_PLACES_EACH, 1, 0);
    const struct ocsp_query query = query_of(&issuer, &serial);
    assert_null(ocsp_book_hold(bench->book, &query));
    issuer.anchor[0] = 2;
    keep_answer(bench->book, &issuer, serial);
    for (unsigned i = 0; i < OCSP_BOOK_PLACES_EACH; i++)
        ocsp_book_release(bench->book, entries[i]);
}

static void places_in_nobodys_use_cannot_fill_the_book(void **state)
{
    struct bench *bench = *state;
    struct issuer issuer;
    struct ocsp_figures figures;
    for (unsigned i = 0; i < OCSP_BOOK_PLACES + 10; i++) {
        name_place(&issuer, i, i % 7, 0);
        keep_answer(bench->book, &issuer, 1);
    }
    ocsp_book_figures(bench->book, &figures);
    assert_int_equal(figures.places, OCSP_BOOK_PLACES);
    assert_int_equal(figures.crowded, 0);
}

// ---- a clock that is set -------------------------------------------------------------------------

static void a_clock_set_back_does_not_put_off_the_next_try(void **state)
{
    struct bench *bench = *state;
    enum { YEAR_S = 365 * 86400 };
    struct ocsp_entry *entry = hold(bench->book, &bench->one, 1);
    struct ocsp_task task;
    ocsp_book_ask(bench->book, entry);
    assert_true(ocsp_book_take(bench->book, NOW_MS, &task));
    assert_false(ocsp_book_settle(bench->book, &task, &silence, NOW_S, NOW_MS));
    const int64_t again_ms = NOW_MS + OCSP_BOOK_RETRY_MS;
    assert_int_equal(ocsp_book_standing(bench->book, entry, NOW_S - YEAR_S, again_ms, NULL),
                     OCSP_STANDS_UNASKED);
    assert_true(ocsp_book_tick(bench->book, NOW_S - YEAR_S, again_ms));
    assert_true(answer_next(bench->book, OCSP_GOOD, NOW_S - YEAR_S));
    ocsp_book_release(bench->book, entry);
}

static void a_clock_set_forward_does_not_bring_the_next_try_at_once(void **state)
{
    struct bench *bench = *state;
    enum { YEAR_S = 365 * 86400 };
    struct ocsp_entry *entry = hold(bench->book, &bench->one, 1);
    struct ocsp_task task;
    ocsp_book_ask(bench->book, entry);
    assert_true(ocsp_book_take(bench->book, NOW_MS, &task));
    assert_false(ocsp_book_settle(bench->book, &task, &silence, NOW_S, NOW_MS));
    assert_int_equal(ocsp_book_standing(bench->book, entry, NOW_S + YEAR_S, NOW_MS + 1, NULL),
                     OCSP_STANDS_SILENT);
    assert_true(ocsp_book_tick(bench->book, NOW_S + YEAR_S, NOW_MS + 1));
    assert_false(ocsp_book_take(bench->book, NOW_MS + 1, &task));
    ocsp_book_release(bench->book, entry);
}

static void what_a_clock_set_forward_has_ended_is_asked_again_once_and_then_put_off(void **state)
{
    struct bench *bench = *state;
    enum { YEAR_S = 365 * 86400 };
    struct ocsp_entry *entry = hold(bench->book, &bench->one, 1);
    struct ocsp_figures figures;
    struct ocsp_task task;
    ocsp_book_ask(bench->book, entry);
    assert_true(answer_next(bench->book, OCSP_GOOD, NOW_S));
    assert_true(ocsp_book_tick(bench->book, NOW_S, NOW_MS));
    ocsp_book_figures(bench->book, &figures);
    assert_int_equal(figures.unanswered, 0);
    assert_true(ocsp_book_tick(bench->book, NOW_S + YEAR_S, NOW_MS));
    ocsp_book_figures(bench->book, &figures);
    assert_int_equal(figures.unanswered, 1);
    assert_true(ocsp_book_take(bench->book, NOW_MS, &task));
    assert_false(ocsp_book_settle(bench->book, &task, &silence, NOW_S + YEAR_S, NOW_MS));
    assert_true(ocsp_book_tick(bench->book, NOW_S + YEAR_S, NOW_MS + 1));
    assert_false(ocsp_book_take(bench->book, NOW_MS + 1, &task));
    // Set right again, the answer counts, and its next question has its time.
    assert_int_equal(ocsp_book_standing(bench->book, entry, NOW_S, NOW_MS, NULL), OCSP_STANDS_GOOD);
    ocsp_book_release(bench->book, entry);
}

// ---- threads -------------------------------------------------------------------------------------

enum { THREADS = 4, ROUNDS = 3000, SERIALS = 37 };

static void *live(void *arg)
{
    struct bench *bench = arg;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct ocsp_entry *entry = hold(bench->book, &bench->one, round % SERIALS);
        if (ocsp_book_standing(bench->book, entry, NOW_S, NOW_MS, NULL) == OCSP_STANDS_UNASKED)
            ocsp_book_ask(bench->book, entry);
        ocsp_book_release(bench->book, entry);
    }
    return NULL;
}

static void many_threads_share_it(void **state)
{
    struct bench *bench = *state;
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, live, bench), 0);
    for (size_t round = 0; round < ROUNDS; round++) {
        (void)answer_next(bench->book, OCSP_GOOD, NOW_S);
        (void)tick(bench->book, (int64_t)round);
    }
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    while (answer_next(bench->book, OCSP_GOOD, NOW_S)) {
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_answer_is_kept_until_it_ends_and_no_longer),
        TEST(an_answer_of_another_responder_or_without_the_nonce_is_another),
        TEST(who_was_revoked_comes_back_by_a_newer_answer_only),
        TEST(who_was_revoked_stays_so_when_another_responder_is_asked),
        TEST(who_is_in_use_at_another_responder_is_judged_again_by_a_revocation),
        TEST(another_process_hears_who_was_revoked_or_unknown),
        TEST(who_does_not_take_what_is_told_is_told_no_more),
        TEST(of_two_answers_of_one_second_the_worse_counts),
        TEST(who_was_revoked_and_comes_again_after_the_answers_end_is_asked_about),
        TEST(who_is_refused_and_comes_again_is_asked_about_once_a_minute),
        TEST(a_book_may_end_while_somebody_is_to_be_asked_about_again),
        TEST(who_does_not_take_an_answer_has_it_asked_for_again_now_and_then),
        TEST(an_old_answer_in_the_place_of_one_that_has_ended_is_not_asked_for_again_at_once),
        TEST(silence_is_remembered_for_a_while),
        TEST(what_is_in_use_is_asked_again_before_it_ends_and_nothing_else),
        TEST(what_is_in_use_is_asked_again_within_an_hour_and_ends_with_the_answer),
        TEST(what_has_no_answer_is_asked_as_long_as_it_is_in_use),
        TEST(places_take_turns_and_none_has_more_than_its_share),
        TEST(who_is_waited_for_is_asked_about_before_those_who_are_only_in_use),
        TEST(a_place_that_fails_is_left_alone_but_for_one_question),
        TEST(a_fault_that_concerns_one_certificate_does_not_take_its_place_down),
        TEST(ten_thousand_answers_take_less_than_four_mebibytes),
        TEST(a_ca_with_many_clients_takes_no_room_of_another),
        TEST(who_was_revoked_is_not_forgotten_for_those_who_are_good),
        TEST(who_is_revoked_while_the_book_is_full_of_those_in_use_is_not_forgotten),
        TEST(revocations_are_bounded_too_and_the_oldest_goes),
        TEST(the_revocations_of_one_ca_do_not_go_for_those_of_another_with_fewer_clients),
        TEST(revocations_keep_their_room_while_all_other_room_is_in_use),
        TEST(the_certificates_of_a_ca_may_not_name_any_number_of_responders),
        TEST(a_responder_in_nobodys_use_makes_room_the_one_without_revocations_first),
        TEST(the_chains_of_one_anchor_take_half_of_the_places_and_those_of_others_have_room),
        TEST(places_in_nobodys_use_cannot_fill_the_book),
        TEST(a_clock_set_back_does_not_put_off_the_next_try),
        TEST(a_clock_set_forward_does_not_bring_the_next_try_at_once),
        TEST(what_a_clock_set_forward_has_ended_is_asked_again_once_and_then_put_off),
        TEST(many_threads_share_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
