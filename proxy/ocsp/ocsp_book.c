// A table by certificate and place, a list of places, and of each place its queue of questions and its unheld entries, the
// oldest first.
#include "proxy/ocsp/ocsp_book.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "auth/base/hash.h"
#include "auth/cert_id.h"

enum {
    BUCKETS = 16384,
    TICK_BUCKETS = 512, // that are walked with the lock held
};

TAILQ_HEAD(entry_list, ocsp_entry);

// A responder, for one issuer. It lives as long as it has entries.
struct place {
    TAILQ_ENTRY(place) link; // in the list of all
    TAILQ_ENTRY(place) turn; // among those that have something to ask; see has_turn
    bool has_turn;
    uint8_t authority[CERT_DIGEST_LEN];
    bool has_nonce;
    int64_t timeout_ms;
    struct http_url url;
    uint8_t *bytes; // owned; of the issuer's name and key
    size_t bytes_len;
    struct slice issuer_name;
    struct slice issuer_key;
    size_t entry_count;
    size_t under_way;
    unsigned failures; // in a row
    int64_t down_until_ms;
    struct entry_list queue;  // to be asked
    struct entry_list unheld; // the oldest first
};

TAILQ_HEAD(place_list, place);

struct ocsp_entry {
    struct ocsp_entry *next;       // in its bucket
    TAILQ_ENTRY(ocsp_entry) queue; // of its place; see is_queued
    TAILQ_ENTRY(ocsp_entry) age;   // among the unheld of its place
    struct place *place;
    int64_t this_update_s;
    int64_t next_update_s;
    int64_t retry_s;   // after a failure: not before
    int64_t refresh_s; // when it is asked again, where it is held
    uint32_t holders;
    uint16_t failures; // in a row
    uint8_t status;    // enum ocsp_status, with an answer
    bool has_answer;
    bool is_queued;
    bool is_under_way;
    uint8_t serial_len;
    uint8_t serial[OCSP_SERIAL_MAX_LEN];
};

struct ocsp_book {
    pthread_mutex_t lock;
    void (*on_work)(void *arg);
    void *arg;
    struct ocsp_entry **buckets; // owned
    struct place_list places;
    struct place_list turns;
    struct ocsp_figures figures;
};

static uint64_t hash_of(const uint8_t *authority, struct slice serial)
{
    return hash_end(hash_add_slice(hash_add_slice(hash_begin(), slice_of(authority, 8)), serial));
}

static struct ocsp_entry **bucket_of(const struct ocsp_book *book, const uint8_t *authority,
                                     struct slice serial)
{
    return &book->buckets[hash_of(authority, serial) % BUCKETS];
}

static struct slice serial_of(const struct ocsp_entry *entry)
{
    return slice_of(entry->serial, entry->serial_len);
}

static bool is_place_of(const struct place *place, const struct ocsp_query *query)
{
    return place->has_nonce == query->has_nonce &&
           memcmp(place->authority, query->authority, CERT_DIGEST_LEN) == 0 &&
           slice_equal(place->issuer_name, query->subject.issuer_name) &&
           http_url_equal(&place->url, query->url);
}

struct ocsp_book *ocsp_book_create(void (*on_work)(void *arg), void *arg)
{
    struct ocsp_book *book = calloc(1, sizeof *book);
    if (book == NULL)
        return NULL;
    book->buckets = calloc(BUCKETS, sizeof(struct ocsp_entry *));
    if (book->buckets == NULL || pthread_mutex_init(&book->lock, NULL) != 0) {
        free(book->buckets);
        free(book);
        return NULL;
    }
    book->on_work = on_work;
    book->arg = arg;
    TAILQ_INIT(&book->places);
    TAILQ_INIT(&book->turns);
    book->figures.bytes = sizeof *book + BUCKETS * sizeof(struct ocsp_entry *);
    return book;
}

// ---- entries and places --------------------------------------------------------------------------

static struct place *find_place(const struct ocsp_book *book, const struct ocsp_query *query)
{
    struct place *place = NULL;
    TAILQ_FOREACH(place, &book->places, link)
    {
        if (is_place_of(place, query))
            return place;
    }
    return NULL;
}

// may_have_place tells whether there is room for one more.
static bool may_have_place(const struct ocsp_book *book, const uint8_t *authority)
{
    const struct place *place = NULL;
    size_t count = 0;
    TAILQ_FOREACH(place, &book->places, link)
    {
        count += memcmp(place->authority, authority, CERT_DIGEST_LEN) == 0;
    }
    return book->figures.places < OCSP_BOOK_PLACES && count < OCSP_BOOK_URLS;
}

static struct place *make_place(struct ocsp_book *book, const struct ocsp_query *query)
{
    if (!may_have_place(book, query->authority))
        return NULL;
    const struct slice name = query->subject.issuer_name;
    const struct slice key = query->subject.issuer_key;
    struct place *place = calloc(1, sizeof *place);
    uint8_t *bytes = malloc(name.len + key.len + 1);
    if (place == NULL || bytes == NULL) {
        free(place);
        free(bytes);
        return NULL;
    }
    ASSERT(bytes_copy(bytes, name.len, name) && bytes_copy(bytes + name.len, key.len, key));
    *place = (struct place){
        .has_nonce = query->has_nonce,
        .timeout_ms = query->timeout_ms,
        .url = *query->url,
        .bytes = bytes,
        .bytes_len = name.len + key.len,
        .issuer_name = slice_of(bytes, name.len),
        .issuer_key = slice_of(bytes + name.len, key.len),
    };
    ASSERT(
        bytes_copy(place->authority, CERT_DIGEST_LEN, slice_of(query->authority, CERT_DIGEST_LEN)));
    TAILQ_INIT(&place->queue);
    TAILQ_INIT(&place->unheld);
    TAILQ_INSERT_TAIL(&book->places, place, link);
    book->figures.places++;
    book->figures.bytes += sizeof *place + place->bytes_len;
    return place;
}

static void drop_place_if_empty(struct ocsp_book *book, struct place *place)
{
    if (place->entry_count > 0)
        return;
    ASSERT(!place->has_turn && place->under_way == 0);
    TAILQ_REMOVE(&book->places, place, link);
    book->figures.places--;
    book->figures.bytes -= sizeof *place + place->bytes_len;
    free(place->bytes);
    free(place);
}

static struct ocsp_entry *find_entry(const struct ocsp_book *book, const struct ocsp_query *query)
{
    struct ocsp_entry *entry = *bucket_of(book, query->authority, query->subject.serial);
    while (entry != NULL && !(slice_equal(serial_of(entry), query->subject.serial) &&
                              is_place_of(entry->place, query)))
        entry = entry->next;
    return entry;
}

static void leave_queue(struct ocsp_book *book, struct ocsp_entry *entry)
{
    struct place *place = entry->place;
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

// drop_entry frees one that nobody holds and that is not under way.
static void drop_entry(struct ocsp_book *book, struct ocsp_entry *entry)
{
    struct place *place = entry->place;
    struct ocsp_entry **at = bucket_of(book, place->authority, serial_of(entry));
    leave_queue(book, entry);
    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    TAILQ_REMOVE(&place->unheld, entry, age);
    place->entry_count--;
    book->figures.entries--;
    book->figures.bytes -= sizeof *entry;
    free(entry);
    drop_place_if_empty(book, place);
}

// make_room drops the oldest unheld entry of the place that has most of them.
static void make_room(struct ocsp_book *book)
{
    struct place *most = NULL;
    struct place *place = NULL;
    TAILQ_FOREACH(place, &book->places, link)
    {
        if (!TAILQ_EMPTY(&place->unheld) &&
            (most == NULL || place->entry_count > most->entry_count))
            most = place;
    }
    if (most != NULL)
        drop_entry(book, TAILQ_FIRST(&most->unheld));
}

static struct ocsp_entry *make_entry(struct ocsp_book *book, const struct ocsp_query *query)
{
    const struct slice serial = query->subject.serial;
    if (book->figures.entries >= OCSP_BOOK_MAX)
        make_room(book);
    if (book->figures.entries >= OCSP_BOOK_MAX_HELD || serial.len > OCSP_SERIAL_MAX_LEN)
        return NULL;
    struct ocsp_entry *entry = calloc(1, sizeof *entry);
    struct place *place = entry == NULL ? NULL : find_place(book, query);
    if (place == NULL && entry != NULL)
        place = make_place(book, query);
    if (place == NULL) {
        free(entry);
        return NULL;
    }
    struct ocsp_entry **bucket = bucket_of(book, query->authority, serial);
    entry->place = place;
    entry->serial_len = (uint8_t)serial.len;
    ASSERT(bytes_copy(entry->serial, sizeof entry->serial, serial));
    entry->next = *bucket;
    *bucket = entry;
    TAILQ_INSERT_TAIL(&place->unheld, entry, age);
    place->entry_count++;
    book->figures.entries++;
    book->figures.bytes += sizeof *entry;
    return entry;
}

// hold and release count the holders; a task is one of them.
static void hold(struct ocsp_book *book, struct ocsp_entry *entry)
{
    if (entry->holders++ > 0)
        return;
    TAILQ_REMOVE(&entry->place->unheld, entry, age);
    book->figures.held++;
}

static void release(struct ocsp_book *book, struct ocsp_entry *entry)
{
    ASSERT(entry->holders > 0);
    if (--entry->holders > 0)
        return;
    book->figures.held--;
    TAILQ_INSERT_TAIL(&entry->place->unheld, entry, age);
    leave_queue(book, entry); // nobody wants to know any more
    const bool says_something = entry->has_answer || entry->failures > 0;
    if (!says_something || book->figures.entries > OCSP_BOOK_MAX)
        drop_entry(book, entry);
}

void ocsp_book_destroy(struct ocsp_book *book)
{
    if (book == NULL)
        return;
    for (size_t i = 0; i < BUCKETS; i++) {
        while (book->buckets[i] != NULL) {
            ASSERT(book->buckets[i]->holders == 0);
            drop_entry(book, book->buckets[i]);
        }
    }
    pthread_mutex_destroy(&book->lock);
    free(book->buckets);
    free(book);
}

struct ocsp_entry *ocsp_book_hold(struct ocsp_book *book, const struct ocsp_query *query)
{
    pthread_mutex_lock(&book->lock);
    struct ocsp_entry *entry = find_entry(book, query);
    if (entry == NULL)
        entry = make_entry(book, query);
    if (entry != NULL) {
        entry->place->timeout_ms = query->timeout_ms;
        hold(book, entry);
    }
    const bool is_first = entry != NULL && book->figures.held == 1;
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

// standing_of tells what is known. Who was revoked stays so until a newer answer says otherwise.
static enum ocsp_standing standing_of(const struct ocsp_entry *entry, int64_t now_s, int64_t now_ms)
{
    if (entry->has_answer && entry->status == OCSP_REVOKED)
        return OCSP_STANDS_REVOKED;
    if (has_current(entry, now_s))
        return entry->status == OCSP_GOOD ? OCSP_STANDS_GOOD : OCSP_STANDS_UNKNOWN;
    const struct place *place = entry->place;
    const bool is_down = now_ms < place->down_until_ms && place->under_way > 0;
    const bool is_put_off = entry->failures > 0 && now_s < entry->retry_s && !entry->is_queued;
    if (entry->is_under_way)
        return OCSP_STANDS_UNASKED;
    return is_down || is_put_off ? OCSP_STANDS_SILENT : OCSP_STANDS_UNASKED;
}

enum ocsp_standing ocsp_book_standing(struct ocsp_book *book, const struct ocsp_entry *entry,
                                      int64_t now_s, int64_t now_ms)
{
    pthread_mutex_lock(&book->lock);
    const enum ocsp_standing standing = standing_of(entry, now_s, now_ms);
    pthread_mutex_unlock(&book->lock);
    return standing;
}

enum ocsp_standing ocsp_book_look(struct ocsp_book *book, const struct ocsp_query *query,
                                  int64_t now_s, int64_t now_ms)
{
    pthread_mutex_lock(&book->lock);
    const struct ocsp_entry *entry = find_entry(book, query);
    const enum ocsp_standing standing =
        entry == NULL ? OCSP_STANDS_UNASKED : standing_of(entry, now_s, now_ms);
    pthread_mutex_unlock(&book->lock);
    return standing;
}

// ---- asking --------------------------------------------------------------------------------------

// enqueue puts an entry last, or, where somebody waits for it, first: what is only asked again has time.
static void enqueue(struct ocsp_book *book, struct ocsp_entry *entry, bool is_awaited)
{
    struct place *place = entry->place;
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

// may_ask tells whether one more question may be put to a place.
static bool may_ask(const struct place *place, int64_t now_ms)
{
    return place->under_way < (now_ms < place->down_until_ms ? 1 : OCSP_BOOK_EACH);
}

// next_place gives one that has something to ask and may, and puts it behind the others.
static struct place *next_place(struct ocsp_book *book, int64_t now_ms)
{
    struct place *place = NULL;
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
    struct place *place = book->figures.under_way < OCSP_BOOK_ALL ? next_place(book, now_ms) : NULL;
    if (place != NULL) {
        struct ocsp_entry *entry = TAILQ_FIRST(&place->queue);
        leave_queue(book, entry);
        hold(book, entry);
        entry->is_under_way = true;
        place->under_way++;
        book->figures.under_way++;
        *out = (struct ocsp_task){
            .entry = entry,
            .subject = {.issuer_name = place->issuer_name,
                        .issuer_key = place->issuer_key,
                        .serial = serial_of(entry)},
            .url = &place->url,
            .timeout_ms = place->timeout_ms,
            .has_nonce = place->has_nonce,
        };
    }
    pthread_mutex_unlock(&book->lock);
    return place != NULL;
}

// put_off lets some time pass before the next try.
static void put_off(struct ocsp_entry *entry, int64_t now_s)
{
    const unsigned shift = entry->failures < 6 ? entry->failures : 6;
    const int64_t wait_s = (int64_t)OCSP_BOOK_RETRY_S << shift;
    entry->failures = entry->failures < UINT16_MAX ? (uint16_t)(entry->failures + 1) : UINT16_MAX;
    entry->retry_s = now_s + (wait_s < OCSP_BOOK_RETRY_MAX_S ? wait_s : OCSP_BOOK_RETRY_MAX_S);
    entry->refresh_s = entry->retry_s;
}

static void note_failure(struct ocsp_entry *entry, const struct ocsp_result *result, int64_t now_s,
                         int64_t now_ms)
{
    struct place *place = entry->place;
    put_off(entry, now_s);
    if (!result->is_responders_fault)
        return;
    place->failures++;
    if (place->failures >= OCSP_BOOK_FAILURES)
        place->down_until_ms = now_ms + OCSP_BOOK_DOWN_MS;
}

// note_answer takes an answer, unless it is older than the one that is known.
static void note_answer(struct ocsp_entry *entry, const struct ocsp_answer *answer, int64_t now_s)
{
    entry->place->failures = 0;
    entry->place->down_until_ms = 0;
    if (!entry->has_answer || answer->this_update_s >= entry->this_update_s) {
        entry->has_answer = true;
        entry->status = (uint8_t)answer->status;
        entry->this_update_s = answer->this_update_s;
        entry->next_update_s = answer->next_update_s;
    }
    if (!has_current(entry, now_s)) {
        put_off(entry, now_s);
        return;
    }
    entry->failures = 0;
    // Three quarters of what is left, but not at once again, and often enough.
    int64_t wait_s = (entry->next_update_s - now_s) * 3 / 4;
    wait_s = wait_s > OCSP_BOOK_REFRESH_MAX_S ? OCSP_BOOK_REFRESH_MAX_S : wait_s;
    entry->refresh_s = now_s + (wait_s < 1 ? 1 : wait_s);
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
        note_answer(entry, &result->answer, now_s);
    } else {
        book->figures.faults[result->fault]++;
        note_failure(entry, result, now_s, now_ms);
    }
}

bool ocsp_book_settle(struct ocsp_book *book, const struct ocsp_task *task,
                      const struct ocsp_result *result, int64_t now_s, int64_t now_ms)
{
    struct ocsp_entry *entry = task->entry;
    pthread_mutex_lock(&book->lock);
    note_result(book, entry, result, now_s, now_ms);
    const bool is_lost = entry->has_answer && entry->status != OCSP_GOOD && entry->holders > 1;
    release(book, entry);
    pthread_mutex_unlock(&book->lock);
    return is_lost;
}

bool ocsp_book_tick(struct ocsp_book *book, int64_t now_s)
{
    bool has_work = false;
    bool is_in_use = false;
    for (size_t from = 0; from < BUCKETS; from += TICK_BUCKETS) {
        pthread_mutex_lock(&book->lock);
        for (size_t i = from; i < from + TICK_BUCKETS; i++) {
            for (struct ocsp_entry *entry = book->buckets[i]; entry != NULL; entry = entry->next) {
                if (entry->holders > 0 && entry->refresh_s <= now_s)
                    enqueue(book, entry, false);
            }
        }
        has_work |= book->figures.waiting > 0;
        is_in_use = book->figures.held > 0;
        pthread_mutex_unlock(&book->lock);
    }
    if (has_work)
        book->on_work(book->arg);
    return is_in_use;
}

void ocsp_book_figures(struct ocsp_book *book, struct ocsp_figures *out)
{
    pthread_mutex_lock(&book->lock);
    *out = book->figures;
    pthread_mutex_unlock(&book->lock);
}
