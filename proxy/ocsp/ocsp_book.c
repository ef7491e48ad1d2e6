// The store under a lock, the queues of questions, and when a certificate is asked about again.
#include "proxy/ocsp/ocsp_book.h"

#include <pthread.h>
#include <stdlib.h>

#include "proxy/ocsp/ocsp_store.h"

enum { LOCKED_BUCKETS = 512 }; // that are walked with the lock held

struct ocsp_book {
    pthread_mutex_t lock;
    void (*on_work)(void *arg);
    void *arg;
    struct ocsp_store store;
    struct ocsp_places turns; // those that have something to ask
    struct ocsp_figures figures;
};

static void leave_queue(struct ocsp_book *book, struct ocsp_entry *entry)
{
    struct ocsp_place *place = entry->place;
    if (!entry->is_queued)
        return;
    entry->is_queued = false;
    book->figures.waiting--;
    TAILQ_REMOVE(&place->queue, entry, queue);
    if (TAILQ_EMPTY(&place->queue) && place->has_turn) {
        TAILQ_REMOVE(&book->turns, place, turn);
        place->has_turn = false;
    }
}

struct ocsp_book *ocsp_book_create(void (*on_work)(void *arg), void *arg)
{
    struct ocsp_book *book = calloc(1, sizeof *book);
    if (book == NULL)
        return NULL;
    if (!ocsp_store_init(&book->store) || pthread_mutex_init(&book->lock, NULL) != 0) {
        ocsp_store_deinit(&book->store);
        free(book);
        return NULL;
    }
    book->on_work = on_work;
    book->arg = arg;
    TAILQ_INIT(&book->turns);
    return book;
}

void ocsp_book_destroy(struct ocsp_book *book)
{
    if (book == NULL)
        return;
    struct ocsp_place *place = NULL;
    while ((place = TAILQ_FIRST(&book->turns)) != NULL) {
        struct ocsp_entry *entry = TAILQ_FIRST(&place->queue);
        ASSERT(entry->is_held_by_queue);
        leave_queue(book, entry);
        ocsp_store_release(&book->store, entry);
    }
    ocsp_store_deinit(&book->store);
    pthread_mutex_destroy(&book->lock);
    free(book);
}

// ---- holding -------------------------------------------------------------------------------------

// release lets go for one holder; a task is one of them.
static void release(struct ocsp_book *book, struct ocsp_entry *entry)
{
    if (entry->holders == 1)
        leave_queue(book, entry); // nobody wants to know any more
    ocsp_store_release(&book->store, entry);
}

struct ocsp_entry *ocsp_book_hold(struct ocsp_book *book, const struct ocsp_query *query)
{
    bool is_crowded = false;
    pthread_mutex_lock(&book->lock);
    struct ocsp_entry *entry = ocsp_store_find(&book->store, query);
    if (entry != NULL)
        ocsp_store_hold(&book->store, entry);
    else
        entry = ocsp_store_make(&book->store, query, &is_crowded);
    if (entry != NULL)
        entry->place->timeout_ms = query->timeout_ms;
    book->figures.crowded += is_crowded;
    const bool is_first = entry != NULL && book->store.held_count == 1;
    pthread_mutex_unlock(&book->lock);
    if (is_first)
        book->on_work(book->arg);
    return entry;
}

void ocsp_book_release(struct ocsp_book *book, struct ocsp_entry *entry)
{
    pthread_mutex_lock(&book->lock);
    release(book, entry);
    pthread_mutex_unlock(&book->lock);
}

// ---- what is known -------------------------------------------------------------------------------

static bool has_current(const struct ocsp_entry *entry, int64_t now_s)
{
    return entry->has_answer && now_s <= entry->next_update_s &&
           now_s + OCSP_SKEW_S >= entry->this_update_s;
}

// takes_back tells whether the answer of an entry (NULL: none) is a good one that is newer than a revocation.
static bool takes_back(const struct ocsp_entry *entry, int64_t revoked_s)
{
    return entry != NULL && entry->has_answer && entry->status == OCSP_GOOD &&
           entry->this_update_s > revoked_s;
}

// is_revoked_here tells whether this place has said so, and has not taken it back.
static bool is_revoked_here(const struct ocsp_entry *entry)
{
    return entry->has_revoked && !takes_back(entry, entry->revoked_s);
}

// is_revoked tells whether a certificate was revoked and no newer good says otherwise, of this place or of the one that said so.
// `entry` is the one of the query; NULL: there is none, and other places may have said so.
static bool is_revoked(const struct ocsp_book *book, const struct ocsp_query *query,
                       const struct ocsp_entry *entry, struct ocsp_grounds *out)
{
    if (entry != NULL && is_revoked_here(entry))
        return true;
    const struct ocsp_entry *revoked = ocsp_store_revocation(&book->store, query);
    if (revoked == NULL)
        return false;
    const struct ocsp_entry *taker = takes_back(entry, revoked->revoked_s) ? entry : revoked;
    if (!takes_back(taker, revoked->revoked_s))
        return true;
    out->was_revoked = true;
    out->reinstater = taker->delegate;
    return false;
}

// query_of gives the query of an entry, borrowed from it.
static struct ocsp_query query_of(const struct ocsp_entry *entry)
{
    const struct ocsp_place *place = entry->place;
    return (struct ocsp_query){
        .authority = place->authority,
        .anchor = place->anchor,
        .subject = {.issuer_name = place->issuer_name,
                    .issuer_key = place->issuer_key,
                    .serial = ocsp_store_serial(entry)},
        .url = &place->url,
        .timeout_ms = place->timeout_ms,
        .has_nonce = place->has_nonce,
    };
}

// standing_of tells what is known. Who was revoked stays so until a newer answer says otherwise.
static enum ocsp_standing standing_of(const struct ocsp_book *book, const struct ocsp_entry *entry,
                                      int64_t now_s, int64_t now_ms, struct ocsp_grounds *out)
{
    const struct ocsp_query query = query_of(entry);
    out->good = entry->delegate;
    if (is_revoked(book, &query, entry, out))
        return OCSP_STANDS_REVOKED;
    if (has_current(entry, now_s))
        return entry->status == OCSP_GOOD ? OCSP_STANDS_GOOD : OCSP_STANDS_UNKNOWN;
    const struct ocsp_place *place = entry->place;
    const bool is_down = now_ms < place->down_until_ms && place->under_way > 0;
    out->fault = is_down && entry->fault == OCSP_FAULT_NONE ? place->fault : entry->fault;
    const bool is_put_off = entry->failures > 0 && now_ms < entry->retry_ms && !entry->is_queued;
    if (entry->is_under_way)
        return OCSP_STANDS_UNASKED;
    return is_down || is_put_off ? OCSP_STANDS_SILENT : OCSP_STANDS_UNASKED;
}

enum ocsp_standing ocsp_book_standing(struct ocsp_book *book, const struct ocsp_entry *entry,
                                      int64_t now_s, int64_t now_ms, struct ocsp_grounds *out)
{
    struct ocsp_grounds grounds = {0};
    pthread_mutex_lock(&book->lock);
    const enum ocsp_standing standing = standing_of(book, entry, now_s, now_ms, &grounds);
    pthread_mutex_unlock(&book->lock);
    if (out != NULL)
        *out = grounds;
    return standing;
}

enum ocsp_standing ocsp_book_look(struct ocsp_book *book, const struct ocsp_query *query,
                                  int64_t now_s, int64_t now_ms, struct ocsp_grounds *out)
{
    struct ocsp_grounds grounds = {0};
    enum ocsp_standing standing = OCSP_STANDS_UNASKED;
    pthread_mutex_lock(&book->lock);
    const struct ocsp_entry *entry =
        query->url == NULL ? NULL : ocsp_store_find(&book->store, query);
    if (entry != NULL)
        standing = standing_of(book, entry, now_s, now_ms, &grounds);
    else if (is_revoked(book, query, NULL, &grounds))
        standing = OCSP_STANDS_REVOKED;
    pthread_mutex_unlock(&book->lock);
    if (out != NULL)
        *out = grounds;
    return standing;
}

enum ocsp_standing ocsp_book_doubt(struct ocsp_book *book, struct ocsp_entry *entry, int64_t now_ms)
{
    pthread_mutex_lock(&book->lock);
    bool is_asked = entry->is_queued || entry->is_under_way;
    if (!is_asked && entry->doubt_ms <= now_ms) {
        entry->doubt_ms = now_ms + OCSP_BOOK_RETRY_MS;
        is_asked = true;
    }
    pthread_mutex_unlock(&book->lock);
    return is_asked ? OCSP_STANDS_UNASKED : OCSP_STANDS_SILENT;
}

bool ocsp_book_is_asked(struct ocsp_book *book, const struct ocsp_entry *entry)
{
    pthread_mutex_lock(&book->lock);
    const bool is_asked = entry->is_queued || entry->is_under_way;
    pthread_mutex_unlock(&book->lock);
    return is_asked;
}

// ---- asking --------------------------------------------------------------------------------------

// enqueue puts an entry last, or, where somebody waits for it, first: what is only asked again has time.
static void enqueue(struct ocsp_book *book, struct ocsp_entry *entry, bool is_awaited)
{
    struct ocsp_place *place = entry->place;
    if (entry->is_under_way || (entry->is_queued && !is_awaited))
        return;
    if (entry->is_queued)
        TAILQ_REMOVE(&place->queue, entry, queue);
    else
        book->figures.waiting++;
    entry->is_queued = true;
    if (is_awaited)
        TAILQ_INSERT_HEAD(&place->queue, entry, queue);
    else
        TAILQ_INSERT_TAIL(&place->queue, entry, queue);
    if (place->has_turn)
        return;
    place->has_turn = true;
    TAILQ_INSERT_TAIL(&book->turns, place, turn);
}

void ocsp_book_ask(struct ocsp_book *book, struct ocsp_entry *entry)
{
    pthread_mutex_lock(&book->lock);
    enqueue(book, entry, true);
    const bool has_room = book->figures.under_way < OCSP_BOOK_ALL;
    pthread_mutex_unlock(&book->lock);
    if (has_room)
        book->on_work(book->arg);
}

void ocsp_book_ask_again(struct ocsp_book *book, struct ocsp_entry *entry, int64_t now_s,
                         int64_t now_ms)
{
    pthread_mutex_lock(&book->lock);
    const bool is_due = (!has_current(entry, now_s) || entry->again_ms <= now_ms) &&
                        entry->retry_ms <= now_ms && !entry->is_queued && !entry->is_under_way;
    if (is_due) {
        ocsp_store_hold(&book->store, entry);
        entry->is_held_by_queue = true;
        enqueue(book, entry, false);
    }
    pthread_mutex_unlock(&book->lock);
    if (is_due)
        book->on_work(book->arg);
}

// may_ask tells whether one more question may be put to a place.
static bool may_ask(const struct ocsp_place *place, int64_t now_ms)
{
    return place->under_way < (now_ms < place->down_until_ms ? 1 : OCSP_BOOK_EACH);
}

// next_place gives one that has something to ask and may, and puts it behind the others.
static struct ocsp_place *next_place(struct ocsp_book *book, int64_t now_ms)
{
    struct ocsp_place *place = NULL;
    TAILQ_FOREACH(place, &book->turns, turn)
    {
        if (may_ask(place, now_ms))
            break;
    }
    if (place != NULL) {
        TAILQ_REMOVE(&book->turns, place, turn);
        TAILQ_INSERT_TAIL(&book->turns, place, turn);
    }
    return place;
}

bool ocsp_book_take(struct ocsp_book *book, int64_t now_ms, struct ocsp_task *out)
{
    pthread_mutex_lock(&book->lock);
    struct ocsp_place *place =
        book->figures.under_way < OCSP_BOOK_ALL ? next_place(book, now_ms) : NULL;
    if (place != NULL) {
        struct ocsp_entry *entry = TAILQ_FIRST(&place->queue);
        leave_queue(book, entry);
        if (!entry->is_held_by_queue)
            ocsp_store_hold(&book->store, entry);
        entry->is_held_by_queue = false; // the task holds it now
        entry->is_under_way = true;
        place->under_way++;
        book->figures.under_way++;
        *out = (struct ocsp_task){
            .entry = entry,
            .subject = query_of(entry).subject,
            .url = &place->url,
            .timeout_ms = place->timeout_ms,
            .has_nonce = place->has_nonce,
        };
    }
    pthread_mutex_unlock(&book->lock);
    return place != NULL;
}

// put_off lets some time pass before the next try.
static void put_off(struct ocsp_entry *entry, int64_t now_ms)
{
    const unsigned shift = entry->failures < 6 ? entry->failures : 6;
    const int64_t wait_ms = (int64_t)OCSP_BOOK_RETRY_MS << shift;
    entry->failures = entry->failures < UINT16_MAX ? (uint16_t)(entry->failures + 1) : UINT16_MAX;
    entry->retry_ms =
        now_ms + (wait_ms < OCSP_BOOK_RETRY_MAX_MS ? wait_ms : OCSP_BOOK_RETRY_MAX_MS);
    entry->refresh_ms = entry->retry_ms;
}

static void note_failure(struct ocsp_entry *entry, const struct ocsp_result *result, int64_t now_ms)
{
    struct ocsp_place *place = entry->place;
    put_off(entry, now_ms);
    entry->fault = (uint8_t)result->fault;
    if (!result->is_responders_fault)
        return;
    place->failures++;
    place->fault = result->fault;
    if (place->failures >= OCSP_BOOK_FAILURES)
        place->down_until_ms = now_ms + OCSP_BOOK_DOWN_MS;
}

// is_news tells whether an answer takes the place of the one that is known. Of two of one second nobody knows which is the
// newer: the worse counts. Who does not know a certificate takes no revocation back.
static bool is_news(const struct ocsp_entry *entry, const struct ocsp_answer *answer)
{
    if (entry->has_answer && entry->status == OCSP_REVOKED && answer->status == OCSP_UNKNOWN)
        return false;
    if (!entry->has_answer || answer->this_update_s > entry->this_update_s)
        return true;
    return answer->this_update_s == entry->this_update_s && answer->status >= entry->status;
}

// note_revocation keeps the newest revocation until the issuer itself says otherwise. What a delegate says stands beside it: see
// is_revoked.
static void note_revocation(struct ocsp_entry *entry, const struct ocsp_answer *answer)
{
    const bool is_revoked = answer->status == OCSP_REVOKED;
    const bool is_lifted = answer->status == OCSP_GOOD && !answer->delegate.is_there;
    if ((is_revoked && answer->this_update_s >= entry->revoked_s) ||
        (is_lifted && answer->this_update_s > entry->revoked_s)) {
        entry->has_revoked = is_revoked;
        entry->revoked_s = answer->this_update_s;
    }
}

// take_answer notes an answer, unless it is older than the one that is known.
static void take_answer(struct ocsp_entry *entry, const struct ocsp_answer *answer)
{
    note_revocation(entry, answer);
    if (!is_news(entry, answer))
        return;
    entry->has_answer = true;
    entry->status = (uint8_t)answer->status;
    entry->this_update_s = answer->this_update_s;
    entry->next_update_s = answer->next_update_s;
    entry->delegate = answer->delegate;
}

// note_answer takes an answer, and says when to ask again.
static void note_answer(struct ocsp_entry *entry, const struct ocsp_answer *answer, int64_t now_s,
                        int64_t now_ms)
{
    entry->place->failures = 0;
    entry->place->down_until_ms = 0;
    entry->again_ms = now_ms + OCSP_BOOK_REFUSED_AGAIN_MS;
    take_answer(entry, answer);
    if (!has_current(entry, now_s)) {
        entry->fault = OCSP_FAULT_EXPIRED; // the newer one is
        put_off(entry, now_ms);
        return;
    }
    entry->failures = 0;
    entry->fault = OCSP_FAULT_NONE;
    entry->retry_ms = 0;
    // Three quarters of what is left, but not at once again, and often enough.
    int64_t wait_s = (entry->next_update_s - now_s) * 3 / 4;
    wait_s = wait_s > OCSP_BOOK_REFRESH_MAX_S ? OCSP_BOOK_REFRESH_MAX_S : wait_s;
    entry->refresh_ms = now_ms + (wait_s < 1 ? 1 : wait_s) * 1000;
}

// note_result is all that changes with an answer, or with none.
static void note_result(struct ocsp_book *book, struct ocsp_entry *entry,
                        const struct ocsp_result *result, int64_t now_s, int64_t now_ms)
{
    entry->is_under_way = false;
    entry->place->under_way--;
    book->figures.under_way--;
    if (result->fault == OCSP_FAULT_NONE) {
        book->figures.answers[result->answer.status]++;
        note_answer(entry, &result->answer, now_s, now_ms);
    } else {
        book->figures.faults[result->fault]++;
        note_failure(entry, result, now_ms);
    }
}

bool ocsp_book_settle(struct ocsp_book *book, const struct ocsp_task *task,
                      const struct ocsp_result *result, int64_t now_s, int64_t now_ms)
{
    struct ocsp_entry *entry = task->entry;
    pthread_mutex_lock(&book->lock);
    const bool was_revoked = is_revoked_here(entry);
    note_result(book, entry, result, now_s, now_ms);
    const bool is_revoked = is_revoked_here(entry);
    const bool is_unknown = entry->has_answer && entry->status == OCSP_UNKNOWN;
    const bool is_lost =
        (is_revoked && (!was_revoked || ocsp_store_is_held_elsewhere(&book->store, entry))) ||
        ((is_revoked || is_unknown) && entry->holders > 1);
    release(book, entry);
    pthread_mutex_unlock(&book->lock);
    return is_lost;
}

// is_due tells whether what is in use is to be asked again: its time has come, or the clock was set, and its answer does
// not count any more.
static bool is_due(const struct ocsp_entry *entry, bool is_current, int64_t now_ms)
{
    return entry->refresh_ms <= now_ms || (!is_current && entry->retry_ms <= now_ms);
}

bool ocsp_book_tick(struct ocsp_book *book, int64_t now_s, int64_t now_ms)
{
    bool has_work = false;
    bool is_in_use = false;
    uint64_t unanswered = 0;
    for (size_t from = 0; from < OCSP_STORE_BUCKETS; from += LOCKED_BUCKETS) {
        pthread_mutex_lock(&book->lock);
        for (size_t i = from; i < from + LOCKED_BUCKETS; i++) {
            for (struct ocsp_entry *entry = book->store.buckets[i]; entry != NULL;
                 entry = entry->next) {
                if (entry->holders == 0)
                    continue;
                const bool is_current = has_current(entry, now_s);
                unanswered += !is_current;
                if (is_due(entry, is_current, now_ms))
                    enqueue(book, entry, false);
            }
        }
        has_work |= book->figures.waiting > 0;
        is_in_use = book->store.held_count > 0;
        pthread_mutex_unlock(&book->lock);
    }
    pthread_mutex_lock(&book->lock);
    book->figures.unanswered = is_in_use ? unanswered : 0;
    pthread_mutex_unlock(&book->lock);
    if (has_work)
        book->on_work(book->arg);
    return is_in_use;
}

// ---- what another process knows ------------------------------------------------------------------

// tell_bucket tells what is known of the certificates of one bucket.
static bool tell_bucket(const struct ocsp_entry *entry, enum ocsp_status status,
                        bool (*tell)(void *arg, const struct ocsp_note *note), void *arg)
{
    for (; entry != NULL; entry = entry->next) {
        const struct ocsp_query query = query_of(entry);
        const bool is_told = status == OCSP_REVOKED ? entry->has_revoked
                                                    : entry->has_answer && !entry->has_revoked &&
                                                          entry->status == status;
        const bool is_last_word = entry->status == status;
        if (!is_told)
            continue;
        const struct ocsp_note note = {
            .status = status,
            .has_nonce = query.has_nonce,
            .this_update_s = status == OCSP_REVOKED ? entry->revoked_s : entry->this_update_s,
            .next_update_s = is_last_word ? entry->next_update_s : entry->revoked_s,
            .timeout_ms = query.timeout_ms,
            .authority = query.authority,
            .anchor = query.anchor,
            .subject = query.subject,
            .url = *query.url,
        };
        if (!tell(arg, &note))
            return false;
    }
    return true;
}

bool ocsp_book_tell(struct ocsp_book *book, enum ocsp_status status,
                    bool (*tell)(void *arg, const struct ocsp_note *note), void *arg)
{
    bool is_told = true;
    for (size_t from = 0; from < OCSP_STORE_BUCKETS; from += LOCKED_BUCKETS) {
        pthread_mutex_lock(&book->lock);
        for (size_t i = from; is_told && i < from + LOCKED_BUCKETS; i++)
            is_told = tell_bucket(book->store.buckets[i], status, tell, arg);
        pthread_mutex_unlock(&book->lock);
    }
    return is_told;
}

bool ocsp_book_hear(struct ocsp_book *book, const struct ocsp_note *note)
{
    const struct ocsp_query query = {
        .authority = note->authority,
        .anchor = note->anchor,
        .subject = note->subject,
        .url = &note->url,
        .timeout_ms = note->timeout_ms,
        .has_nonce = note->has_nonce,
    };
    const struct ocsp_answer answer = {.status = note->status,
                                       .this_update_s = note->this_update_s,
                                       .next_update_s = note->next_update_s};
    struct ocsp_entry *entry = ocsp_book_hold(book, &query);
    if (entry == NULL)
        return false;
    pthread_mutex_lock(&book->lock);
    take_answer(entry, &answer);
    release(book, entry);
    pthread_mutex_unlock(&book->lock);
    return true;
}

void ocsp_book_figures(struct ocsp_book *book, struct ocsp_figures *out)
{
    const struct ocsp_store *store = &book->store;
    pthread_mutex_lock(&book->lock);
    *out = book->figures;
    out->entries = store->entry_count;
    out->held = store->held_count;
    out->places = store->place_count;
    out->bytes = sizeof *book - sizeof *store + store->bytes;
    pthread_mutex_unlock(&book->lock);
}
