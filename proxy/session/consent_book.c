// The questions are a list, the kept answers a table that is searched from end to end by the first bytes of their keys: it has
// 8 KiB of these, and is looked at once for each question.
#include "proxy/session/consent_book.h"

#include <stdlib.h>
#include <string.h>

#include "auth/base/share.h"
#include "proxy/clock/clock.h"
#include "proxy/log/log.h"

enum {
    MAX_KEPT_CONNECTIONS = 8,
    SAY_AGAIN_MS = 60 * 1000, // the log is told no sooner that the authorizer is down
};

struct consent_question {
    TAILQ_ENTRY(consent_question) link;
    TAILQ_HEAD(, consent_wait) waits; // never empty while it is in the list
    struct consent_book *book;        // borrowed
    struct fetch *fetch;              // owned
    uint8_t key[AUTHORIZATION_DIGEST_LEN];
    uint8_t scope[AUTHORIZATION_DIGEST_LEN];
    uint8_t asked_of[AUTHORIZATION_DIGEST_LEN]; // digest of the settings
    uint64_t generation;
    uint64_t account;
    int64_t asked_ms;   // monotonic
    int64_t ttl_max_ms; // of the settings
    bool is_told;       // it is in no list any more, and freed once all know
    bool is_denied;     // there was a no about its scope while it was under way
};

// kept is a yes that serves others.
struct kept {
    uint8_t key[AUTHORIZATION_DIGEST_LEN];
    uint8_t scope[AUTHORIZATION_DIGEST_LEN];
    uint64_t account;
    int64_t ends_ms;   // monotonic; the yes itself
    int64_t serves_ms; // until when it serves others; 0: the place is free
};

struct consent_book {
    struct consent_book_options options;
    struct fetcher *fetcher; // owned
    TAILQ_HEAD(, consent_question) questions;
    size_t question_count;
    uint32_t failures; // questions that nobody answered, since the last yes or no
    bool is_down;
    bool is_said;                    // the log has it
    int64_t said_ms;                 // monotonic; when it was told last
    uint64_t tags[CONSENT_KEPT_MAX]; // the beginning of each key
    struct kept kept[CONSENT_KEPT_MAX];
};

struct consent_book *consent_book_create(const struct consent_book_options *options)
{
    const struct fetcher_options fetcher = {
        .path = options->path,
        .max_at_once = CONSENT_QUESTIONS_MAX,
        .max_kept = MAX_KEPT_CONNECTIONS,
    };
    struct consent_book *book = calloc(1, sizeof *book);
    if (book == NULL)
        return NULL;
    TAILQ_INIT(&book->questions);
    book->options = *options;
    book->fetcher = fetcher_create(&fetcher);
    if (book->fetcher != NULL)
        return book;
    free(book);
    return NULL;
}

void consent_book_destroy(struct consent_book *book)
{
    if (book == NULL)
        return;
    ASSERT(TAILQ_EMPTY(&book->questions));
    fetcher_destroy(book->fetcher);
    free(book);
}

void consent_book_adopt(struct consent_book *book, struct resolver *resolver, uint64_t generation)
{
    if (book == NULL)
        return;
    fetcher_adopt(book->fetcher, resolver);
    book->options.generation = generation;
    for (size_t i = 0; i < CONSENT_KEPT_MAX; i++)
        book->kept[i].serves_ms = 0;
}

// ---- what is kept -------------------------------------------------------------------------------

static uint64_t tag_of(const uint8_t key[AUTHORIZATION_DIGEST_LEN])
{
    uint64_t tag = 0;
    for (size_t i = 0; i < sizeof tag; i++)
        tag = tag << 8 | key[i];
    return tag;
}

static struct kept *find_kept(struct consent_book *book, const uint8_t *key, int64_t now_ms)
{
    const uint64_t tag = tag_of(key);
    for (size_t i = 0; i < CONSENT_KEPT_MAX; i++) {
        struct kept *kept = &book->kept[i];
        if (book->tags[i] == tag && kept->serves_ms > now_ms &&
            memcmp(kept->key, key, sizeof kept->key) == 0)
            return kept;
    }
    return NULL;
}

// find_place gives a place for an answer to the client `account`: a free one within its share, or that of its own answer which
// ends first. NULL: there is none.
static struct kept *find_place(struct consent_book *book, uint64_t account, int64_t now_ms)
{
    struct kept *free_one = NULL;
    struct kept *own = NULL;
    uint64_t held = 0;
    uint64_t in_use = 0;
    for (size_t i = 0; i < CONSENT_KEPT_MAX; i++) {
        struct kept *kept = &book->kept[i];
        if (kept->serves_ms <= now_ms) {
            free_one = kept;
            continue;
        }
        in_use++;
        if (kept->account != account)
            continue;
        held++;
        if (own == NULL || kept->serves_ms < own->serves_ms)
            own = kept;
    }
    return share_may_take(held, in_use, CONSENT_KEPT_MAX) ? free_one : own;
}

// keep keeps a yes that holds for `ttl_ms` from now on.
static void keep(struct consent_book *book, const struct consent_question *question, int64_t now_ms,
                 int64_t ttl_ms)
{
    struct kept *kept = find_kept(book, question->key, now_ms);
    if (question->generation != book->options.generation || question->is_denied)
        return; // it was asked under another configuration, or before a no
    if (kept == NULL)
        kept = find_place(book, question->account, now_ms);
    if (kept == NULL)
        return;
    (void)bytes_copy(kept->key, sizeof kept->key, slice_of(question->key, sizeof question->key));
    (void)bytes_copy(kept->scope, sizeof kept->scope,
                     slice_of(question->scope, sizeof question->scope));
    kept->account = question->account;
    kept->ends_ms = now_ms + ttl_ms;
    kept->serves_ms = now_ms + ttl_ms / 2;
    book->tags[kept - book->kept] = tag_of(question->key);
}

static void forget(struct consent_book *book, const struct consent_question *question,
                   int64_t now_ms)
{
    struct kept *kept = find_kept(book, question->key, now_ms);
    if (kept != NULL)
        kept->serves_ms = 0;
}

// deny forgets each yes of the scope that was denied, whatever its addresses, and has none kept that is asked for already.
static void deny(struct consent_book *book, const uint8_t scope[AUTHORIZATION_DIGEST_LEN])
{
    struct consent_question *question = NULL;
    for (size_t i = 0; i < CONSENT_KEPT_MAX; i++) {
        struct kept *kept = &book->kept[i];
        if (kept->serves_ms != 0 && memcmp(kept->scope, scope, sizeof kept->scope) == 0)
            kept->serves_ms = 0;
    }
    TAILQ_FOREACH(question, &book->questions, link)
    {
        if (memcmp(question->scope, scope, sizeof question->scope) == 0)
            question->is_denied = true;
    }
}

// ---- answers ------------------------------------------------------------------------------------

// is_from_nobody tells that the authorizer itself has said nothing: there is no answer, or a gateway's own (RFC 9110 15.6.3 to
// 15.6.5). Any other answer that is of no use may be about its one question.
static bool is_from_nobody(const struct fetch_result *result)
{
    if (result->outcome != FETCH_OK)
        return result->outcome != FETCH_TOO_LARGE;
    return result->status >= 502 && result->status <= 504;
}

// note_health notes whether the authorizer answers, and says so where that changes.
static void note_health(struct consent_book *book, const struct fetch_result *result,
                        const struct consent_answer *answer, int64_t now_ms)
{
    if (answer->answer != AUTHORIZER_NONE) {
        if (book->is_said)
            log_info(LOG_AUTHORIZER_WORKS, "the authorizer answers again");
        book->is_down = false;
        book->is_said = false;
        book->failures = 0;
        return;
    }
    if (!is_from_nobody(result))
        return;
    if (book->failures < CONSENT_DOWN_AFTER)
        book->failures++;
    if (book->failures < CONSENT_DOWN_AFTER || book->is_down)
        return;
    book->is_down = true;
    if (book->said_ms != 0 && now_ms - book->said_ms < SAY_AGAIN_MS)
        return;
    book->is_said = true;
    book->said_ms = now_ms;
    log_warning(LOG_AUTHORIZER_FAILING,
                "the authorizer gives no answer: %s; requests whose rule says `ask: "
                "true` are refused with authorizer_failed",
                answer->why);
}

static void drop(struct consent_question *question)
{
    fetch_destroy(question->fetch);
    TAILQ_REMOVE(&question->book->questions, question, link);
    question->book->question_count--;
}

// tell gives everybody who waits the answer. Each may do anything then, but ask the same question: it is not in the list.
static void tell(struct consent_question *question, const struct consent_answer *answer)
{
    struct consent_answer told = *answer;
    question->is_told = true;
    struct consent_wait *wait = NULL;
    while ((wait = TAILQ_FIRST(&question->waits)) != NULL) {
        TAILQ_REMOVE(&question->waits, wait, link);
        wait->question = NULL;
        wait->on_answer(wait->arg, &told);
        told.origin = AUTHORIZER_SHARED;
    }
}

static void on_done(void *arg, const struct fetch_result *result)
{
    struct consent_question *question = arg;
    struct consent_book *book = question->book;
    struct session_counters *counters = book->options.counters;
    const int64_t now_ms = monotonic_ms();
    struct consent_answer answer = {.answer = AUTHORIZER_NONE,
                                    .origin = AUTHORIZER_ASKED,
                                    .why = fetch_outcome_name(result->outcome)};
    int64_t ttl_s = 0;
    if (result->outcome == FETCH_OK && result->status != 200)
        answer.why = "its status is not 200";
    else if (result->outcome == FETCH_OK)
        answer.answer = authorization_answer_read(result->body, &ttl_s, &answer.why);
    const int64_t ttl_ms =
        ttl_s == 0 || ttl_s * 1000 > question->ttl_max_ms ? question->ttl_max_ms : ttl_s * 1000;
    answer.ends_ms = now_ms + ttl_ms;
    counters->asked[answer.answer]++;
    histogram_note(&counters->asked_time, &histogram_waits, now_ms - question->asked_ms);
    note_health(book, result, &answer, now_ms);
    if (answer.answer == AUTHORIZER_YES && ttl_s > 0)
        keep(book, question, now_ms, ttl_ms);
    else
        forget(book, question, now_ms);
    if (answer.answer == AUTHORIZER_NO)
        deny(book, question->scope);
    drop(question);
    tell(question, &answer);
    free(question);
}

// ---- questions ----------------------------------------------------------------------------------

static struct consent_question *find_question(struct consent_book *book,
                                              const struct consent_request *request)
{
    struct consent_question *question = NULL;
    TAILQ_FOREACH(question, &book->questions, link)
    {
        if (question->generation == request->generation &&
            memcmp(question->key, request->key, sizeof question->key) == 0 &&
            memcmp(question->asked_of, request->settings->digest, sizeof question->asked_of) == 0)
            return question;
    }
    return NULL;
}

static uint64_t count_questions(const struct consent_book *book, uint64_t account)
{
    const struct consent_question *question = NULL;
    uint64_t count = 0;
    TAILQ_FOREACH(question, &book->questions, link)
    {
        count += question->account == account;
    }
    return count;
}

// start asks. NULL without memory.
static struct consent_question *start(struct consent_book *book,
                                      const struct consent_request *request)
{
    const struct authorizer_settings *settings = request->settings;
    const struct fetch_request fetch = {
        .url = &settings->url,
        .tls = settings->tls,
        .accept = "application/json",
        .content_type = "application/json",
        .content = request->content,
        .max_body = AUTHORIZATION_ANSWER_MAX,
        .timeout_ms = settings->timeout_ms,
        .keeps = true,
    };
    struct consent_question *question = calloc(1, sizeof *question);
    if (question == NULL)
        return NULL;
    TAILQ_INIT(&question->waits);
    question->book = book;
    question->generation = request->generation;
    question->account = request->account;
    question->asked_ms = request->now_ms;
    question->ttl_max_ms = settings->ttl_max_ms;
    (void)bytes_copy(question->key, sizeof question->key,
                     slice_of(request->key, sizeof request->key));
    (void)bytes_copy(question->scope, sizeof question->scope,
                     slice_of(request->scope, sizeof request->scope));
    (void)bytes_copy(question->asked_of, sizeof question->asked_of,
                     slice_of(settings->digest, sizeof settings->digest));
    question->fetch = fetch_start(book->fetcher, &fetch, on_done, question);
    if (question->fetch == NULL) {
        free(question);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&book->questions, question, link);
    book->question_count++;
    return question;
}

static enum consent_step no_answer(const char *why, struct consent_answer *out)
{
    *out = (struct consent_answer){
        .answer = AUTHORIZER_NONE, .origin = AUTHORIZER_UNASKED, .why = why};
    return CONSENT_ANSWERED;
}

enum consent_step consent_book_ask(struct consent_book *book, const struct consent_request *request,
                                   struct consent_wait *wait, struct consent_answer *out)
{
    const uint64_t held = count_questions(book, request->account);
    const struct kept *kept = request->generation == book->options.generation
                                  ? find_kept(book, request->key, request->now_ms)
                                  : NULL;
    ASSERT(wait->question == NULL);
    if (kept != NULL) {
        book->options.counters->asked_kept++;
        *out = (struct consent_answer){
            .answer = AUTHORIZER_YES, .origin = AUTHORIZER_KEPT, .ends_ms = kept->ends_ms};
        return CONSENT_ANSWERED;
    }
    struct consent_question *question = find_question(book, request);
    if (question != NULL)
        book->options.counters->asked_shared++;
    else if (book->is_down && !share_may_take(held, book->question_count, CONSENT_PROBES))
        return no_answer("others have had no answer", out);
    else if (!share_may_take(held, book->question_count, CONSENT_QUESTIONS_MAX))
        return CONSENT_CROWDED;
    else
        question = start(book, request);
    if (question == NULL)
        return no_answer("no memory", out);
    TAILQ_INSERT_TAIL(&question->waits, wait, link);
    wait->question = question;
    return CONSENT_WAITS;
}

void consent_book_leave(struct consent_book *book, struct consent_wait *wait)
{
    struct consent_question *question = wait->question;
    if (question == NULL)
        return;
    ASSERT(question->book == book);
    TAILQ_REMOVE(&question->waits, wait, link);
    wait->question = NULL;
    if (question->is_told || !TAILQ_EMPTY(&question->waits))
        return;
    drop(question);
    free(question);
}
