// One fetch for each question, at most OCSP_BOOK_ALL.
#include "proxy/ocsp/ocsp_asker.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "auth/base/hash.h"
#include "proxy/clock/clock.h"
#include "proxy/fetch/fetch.h"
#include "proxy/log/log.h"
#include "proxy/loop/wakeup.h"
#include "proxy/net/resolver.h"

enum {
    NONCE_LEN = 16,
    HOLDER_ID = 1,
    SAY_EACH_MS = 60 * 1000,
    CROWDED_EACH_MS = 30 * 1000,
    SAID_MAX = 32, // responders whose failure was logged
};

// said is a responder that is known to fail for an issuer.
struct said {
    struct http_url url;
    uint64_t issuer; // a hash of its key
};

static const ev_tstamp tick_s = 1.;
static const ev_tstamp lost_s = .1;
static const struct ocsp_result no_memory = {.fault = OCSP_FAULT_NO_MEMORY};

// A question under way.
struct question {
    TAILQ_ENTRY(question) link;
    struct ocsp_asker *asker;
    struct ocsp_task task;
    struct fetch *fetch; // owned
    int64_t begun_ms;
    uint8_t nonce[NONCE_LEN];
};

struct ocsp_asker {
    struct ev_loop *loop; // borrowed
    struct ocsp_events events;
    struct ocsp_book *book;    // owned
    struct resolver *resolver; // owned
    struct buffer_pool buffers;
    struct fetcher *fetcher; // owned
    struct wakeup work;
    ev_timer tick;
    ev_timer lost; // runs while somebody is to be judged again: once for many
    TAILQ_HEAD(, question) questions;
    struct histogram times;
    int64_t said_ms;            // when a failure was logged last; 0: never
    struct said said[SAID_MAX]; // the newest last: the log will say that they answer again
    size_t said_count;
    uint64_t crowded;   // figures.crowded, the last time that somebody was judged again for it
    int64_t crowded_ms; // not before
};

static void ask_all(struct ocsp_asker *asker);

// on_work wakes the loop. Any thread.
static void on_work(void *arg)
{
    const struct ocsp_asker *asker = arg;
    wakeup_send(&asker->work);
}

static struct slice nonce_of(const struct question *question)
{
    return question->task.has_nonce ? slice_of(question->nonce, NONCE_LEN) : (struct slice){0};
}

static struct said said_of(const struct question *question)
{
    const struct slice key = question->task.subject.issuer_key;
    return (struct said){.url = *question->task.url,
                         .issuer = hash_end(hash_add_slice(hash_begin(), key))};
}

// forget_said takes a responder off the list of those that are known to fail. False: it is not on it.
static bool forget_said(struct ocsp_asker *asker, const struct said *said)
{
    size_t at = 0;
    while (at < asker->said_count && !(asker->said[at].issuer == said->issuer &&
                                       http_url_equal(&asker->said[at].url, &said->url)))
        at++;
    if (at == asker->said_count)
        return false;
    asker->said_count--;
    for (; at < asker->said_count; at++)
        asker->said[at] = asker->said[at + 1];
    return true;
}

// remember_said puts a responder on the list, for which the oldest makes room.
static void remember_said(struct ocsp_asker *asker, const struct said *said)
{
    const struct said oldest = asker->said[0];
    (void)forget_said(asker, said);
    if (asker->said_count == SAID_MAX)
        (void)forget_said(asker, &oldest);
    asker->said[asker->said_count++] = *said;
}

// say_again logs that a responder works again of which it was logged that it does not.
static void say_again(struct ocsp_asker *asker, const struct question *question)
{
    if (asker->said_count == 0)
        return;
    const struct said said = said_of(question);
    if (forget_said(asker, &said))
        log_info(LOG_OCSP_FAILING, "OCSP: %s answers again", said.url.text);
}

// say_problem logs a failure, not more than one a minute.
static void say_problem(struct ocsp_asker *asker, const struct question *question,
                        const struct ocsp_result *result, const char *problem, int64_t now_ms)
{
    if (asker->said_ms != 0 && now_ms - asker->said_ms < SAY_EACH_MS)
        return;
    asker->said_ms = now_ms;
    const struct said said = said_of(question);
    // What is wrong about one certificate does not end with an answer about another.
    if (result->fault != OCSP_FAULT_OTHER_CERTIFICATE)
        remember_said(asker, &said);
    log_warning(LOG_OCSP_FAILING,
                "OCSP: no answer of %s: %s; `ocsp.mode` decides what becomes of clients, and "
                "metrics count further failures",
                question->task.url->text, problem);
}

// settle ends a question.
static void settle(struct question *question, const struct ocsp_result *result, const char *problem)
{
    struct ocsp_asker *asker = question->asker;
    const int64_t now_ms = monotonic_ms();
    if (problem != NULL)
        say_problem(asker, question, result, problem, now_ms);
    else
        say_again(asker, question);
    TAILQ_REMOVE(&asker->questions, question, link);
    histogram_note(&asker->times, &histogram_waits, now_ms - question->begun_ms);
    const bool is_lost =
        ocsp_book_settle(asker->book, &question->task, result, wall_clock_ms() / 1000, now_ms);
    fetch_destroy(question->fetch);
    free(question);
    asker->events.on_answer(asker->events.arg);
    if (is_lost && !ev_is_active(&asker->lost)) {
        ev_timer_set(&asker->lost, lost_s, 0.);
        ev_timer_start(asker->loop, &asker->lost);
    }
}

// judge makes a result of what HTTP has brought.
static void judge(const struct question *question, const struct fetch_result *fetched,
                  struct ocsp_result *out)
{
    *out = (struct ocsp_result){.fault = OCSP_FAULT_UNREACHABLE, .is_responders_fault = true};
    if (fetched->outcome == FETCH_TOO_LARGE)
        out->fault = OCSP_FAULT_TOO_LARGE;
    else if (fetched->outcome == FETCH_TIMEOUT)
        out->fault = OCSP_FAULT_TIMEOUT;
    else if (fetched->outcome == FETCH_OK && fetched->status != 200)
        out->fault = OCSP_FAULT_HTTP_STATUS;
    else if (fetched->outcome == FETCH_OK) {
        out->fault = ocsp_response_judge(fetched->body, &question->task.subject, nonce_of(question),
                                         wall_clock_ms() / 1000, &out->answer);
        out->is_responders_fault =
            out->fault == OCSP_FAULT_TRY_LATER || out->fault == OCSP_FAULT_INTERNAL_ERROR;
    }
}

static void on_fetched(void *arg, const struct fetch_result *fetched)
{
    struct question *question = arg;
    struct ocsp_asker *asker = question->asker;
    struct ocsp_result result;
    judge(question, fetched, &result);
    const bool is_named = fetched->outcome != FETCH_OK && fetched->why[0] != '\0';
    settle(question, &result,
           result.fault == OCSP_FAULT_NONE ? NULL
           : is_named                      ? fetched->why
                                           : ocsp_fault_sentence(result.fault));
    ask_all(asker);
}

// begin puts one question. False without memory, or if the question cannot be written.
static bool begin(struct question *question)
{
    uint8_t bytes[OCSP_REQUEST_CAP];
    size_t len = 0;
    if (question->task.has_nonce && RAND_bytes(question->nonce, NONCE_LEN) != 1)
        return false;
    if (ocsp_request_format(&question->task.subject, nonce_of(question), bytes, &len) != ERR_OK)
        return false;
    const struct fetch_request request = {
        .url = question->task.url,
        .accept = "application/ocsp-response",
        .content_type = "application/ocsp-request",
        .content = slice_of(bytes, len),
        .max_body = OCSP_RESPONSE_MAX,
        .timeout_ms = question->task.timeout_ms,
        .keeps = true,
    };
    question->fetch = fetch_start(question->asker->fetcher, &request, on_fetched, question);
    return question->fetch != NULL;
}

// ask_all puts what is to be asked, as far as that may be.
static void ask_all(struct ocsp_asker *asker)
{
    struct ocsp_task task;
    while (ocsp_book_take(asker->book, monotonic_ms(), &task)) {
        struct question *question = calloc(1, sizeof *question);
        if (question == NULL) {
            (void)ocsp_book_settle(asker->book, &task, &no_memory, wall_clock_ms() / 1000,
                                   monotonic_ms());
            return;
        }
        *question = (struct question){.asker = asker, .task = task, .begun_ms = monotonic_ms()};
        TAILQ_INSERT_TAIL(&asker->questions, question, link);
        if (!begin(question))
            settle(question, &no_memory, ocsp_fault_sentence(OCSP_FAULT_NO_MEMORY));
    }
}

static void on_wakeup(void *arg, uint32_t count)
{
    struct ocsp_asker *asker = arg;
    (void)count;
    ev_timer_start(asker->loop, &asker->tick);
    ask_all(asker);
}

// judge_crowded has those judged again now and then for whom there was no room: there may be some now.
static void judge_crowded(struct ocsp_asker *asker, int64_t now_ms)
{
    struct ocsp_figures figures;
    ocsp_book_figures(asker->book, &figures);
    if (figures.crowded == asker->crowded || now_ms < asker->crowded_ms)
        return;
    asker->crowded = figures.crowded;
    asker->crowded_ms = now_ms + CROWDED_EACH_MS;
    asker->events.on_lost(asker->events.arg);
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct ocsp_asker *asker = timer->data;
    (void)events;
    const int64_t now_ms = monotonic_ms();
    if (!ocsp_book_tick(asker->book, wall_clock_ms() / 1000, now_ms))
        ev_timer_stop(loop, timer); // the next one in use starts it again
    judge_crowded(asker, now_ms);
}

static void on_lost(struct ev_loop *loop, ev_timer *timer, int events)
{
    const struct ocsp_asker *asker = timer->data;
    (void)loop;
    (void)events;
    asker->events.on_lost(asker->events.arg);
}

static struct fetcher *make_fetcher(struct ocsp_asker *asker)
{
    const struct fetcher_options options = {
        .path = {.loop = asker->loop,
                 .resolver = asker->resolver,
                 .buffers = &asker->buffers,
                 .holder_id = HOLDER_ID},
        .max_at_once = OCSP_BOOK_ALL,
        .max_kept = FETCHER_MAX_KEPT,
    };
    return fetcher_create(&options);
}

struct ocsp_asker *ocsp_asker_create(struct ev_loop *loop, const struct resolver_options *resolver,
                                     const struct ocsp_events *events, struct errinfo *info)
{
    struct ocsp_asker *asker = calloc(1, sizeof *asker);
    if (asker == NULL || !wakeup_start(&asker->work, loop, on_wakeup, asker)) {
        free(asker);
        (void)errinfo_set(info, ERR_MEMORY, "no memory or descriptor to ask OCSP responders");
        return NULL;
    }
    asker->loop = loop;
    asker->events = *events;
    TAILQ_INIT(&asker->questions);
    ev_timer_init(&asker->tick, on_tick, tick_s, tick_s);
    asker->tick.data = asker;
    ev_init(&asker->lost, on_lost);
    asker->lost.data = asker;
    asker->book = ocsp_book_create(on_work, asker);
    if (asker->book != NULL && resolver_create(loop, resolver, &asker->resolver, info) != ERR_OK) {
        ocsp_asker_destroy(asker);
        return NULL;
    }
    asker->fetcher = asker->book == NULL ? NULL : make_fetcher(asker);
    if (asker->fetcher != NULL)
        return asker;
    (void)errinfo_set(info, ERR_MEMORY, "no memory to ask OCSP responders");
    ocsp_asker_destroy(asker);
    return NULL;
}

void ocsp_asker_destroy(struct ocsp_asker *asker)
{
    static const struct ocsp_result cut = {.fault = OCSP_FAULT_UNREACHABLE};
    if (asker == NULL)
        return;
    struct question *question = NULL;
    while ((question = TAILQ_FIRST(&asker->questions)) != NULL) {
        TAILQ_REMOVE(&asker->questions, question, link);
        (void)ocsp_book_settle(asker->book, &question->task, &cut, wall_clock_ms() / 1000,
                               monotonic_ms());
        fetch_destroy(question->fetch);
        free(question);
    }
    ev_timer_stop(asker->loop, &asker->tick);
    ev_timer_stop(asker->loop, &asker->lost);
    wakeup_stop(&asker->work);
    fetcher_destroy(asker->fetcher);
    resolver_destroy(asker->resolver);
    buffer_pool_deinit(&asker->buffers);
    ocsp_book_destroy(asker->book);
    free(asker);
}

bool ocsp_asker_configure(struct ocsp_asker *asker, const struct resolver_options *options)
{
    struct errinfo info;
    struct resolver *old = asker->resolver;
    struct resolver *resolver = NULL;
    if (resolver_create(asker->loop, options, &resolver, &info) != ERR_OK) {
        log_error(LOG_RESOLVER_FAILED, "OCSP: the old resolver stays for now: %s", info.text);
        return false;
    }
    asker->resolver = resolver;
    struct fetcher *fetcher = make_fetcher(asker);
    if (fetcher == NULL) {
        asker->resolver = old;
        resolver_destroy(resolver);
        return false;
    }
    struct question *question = NULL;
    TAILQ_FOREACH(question, &asker->questions, link)
    {
        fetch_destroy(question->fetch);
        question->fetch = NULL;
    }
    fetcher_destroy(asker->fetcher);
    resolver_destroy(old);
    asker->fetcher = fetcher;
    struct question *next = TAILQ_FIRST(&asker->questions);
    while ((question = next) != NULL) {
        next = TAILQ_NEXT(question, link);
        if (!begin(question))
            settle(question, &no_memory, ocsp_fault_sentence(OCSP_FAULT_NO_MEMORY));
    }
    return true;
}

struct ocsp_book *ocsp_asker_book(struct ocsp_asker *asker)
{
    return asker->book;
}

const struct histogram *ocsp_asker_times(const struct ocsp_asker *asker)
{
    return &asker->times;
}
