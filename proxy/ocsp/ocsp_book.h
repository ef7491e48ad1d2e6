// ocsp_book: what OCSP responders have said, shared by all workers, and what is still to be asked.
//
// An *entry* is one certificate at one *place*: a responder and the issuer that it answers for. A session holds the entries
// of its chain as long as it lives: these are asked again before their answers end. An entry that nobody holds keeps its
// answer until another one needs its room: the place with most entries gives one, the oldest, so that a CA with many clients
// takes nothing of the others. An answer that takes trust away goes last, and has room of its own. A place that nobody uses
// gives its room likewise; so only what is in use can fill the book, and the chains of one anchor half of it.
//
// Asking is fair and bounded: one question for a certificate at a time, whoever wants to know; OCSP_BOOK_EACH questions at a
// time for each place, and places take turns, so that a responder that is dead costs the clients of another nothing. A place
// that has failed OCSP_BOOK_FAILURES times in a row is left alone for OCSP_BOOK_DOWN_MS, but for one question. After an answer
// comes none older than it, and none of the same second that is better. Who is revoked at one place of its issuer is so at
// all others that have said nothing newer: whom to ask changes with a reload, and what was said stays.
//
// A revocation is kept beside the answers until the issuer itself has signed a newer *good*. A newer good of a delegate takes it
// back too, but only for those who believe that delegate: profiles differ in that, and one that denies it, today or
// tomorrow, must find the revocation there (struct ocsp_grounds).
//
// Two clocks: the wall clock (`now_s`, Unix seconds) says whether an answer is over, and nothing else. When to ask again goes
// by the monotonic one (`now_ms`), so that setting the clock neither stops questions nor brings them all at once.
//
// Knows no loop and no network: ocsp_asker.h asks. All functions may be called from any thread; one lock, held for
// microseconds, but by ocsp_book_tick and where a place makes room.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "auth/ocsp_response.h"
#include "auth/ocsp_settings.h"
#include "proxy/ocsp/ocsp_note.h"
#include "proxy/ocsp/ocsp_query.h"

enum {
    OCSP_BOOK_EACH = 16,       // questions under way for one place
    OCSP_BOOK_ALL = 64,        // questions under way
    OCSP_BOOK_FAILURES = 3,    // in a row, and a place is down
    OCSP_BOOK_DOWN_MS = 5000,  // that it is left alone
    OCSP_BOOK_RETRY_MS = 5000, // after a failure, for one certificate; doubled for each further one
    OCSP_BOOK_RETRY_MAX_MS = 300000,
    OCSP_BOOK_REFUSED_AGAIN_MS =
        60000, // who is refused and comes again is asked about so often at most
    OCSP_BOOK_REFRESH_MAX_S = 3600, // an answer in use is asked for again so often at least
};

struct ocsp_book;
struct ocsp_entry;

// ocsp_task is a question to be put. What it points to is borrowed until ocsp_book_settle.
struct ocsp_task {
    struct ocsp_entry *entry;
    struct ocsp_subject subject;
    const struct http_url *url;
    int64_t timeout_ms;
    bool has_nonce;
};

// ocsp_result is what has become of a task.
struct ocsp_result {
    enum ocsp_fault fault;    // OCSP_FAULT_NONE: `answer` is one
    bool is_responders_fault; // nothing of it is about this certificate: the place counts it
    struct ocsp_answer answer;
};

// ocsp_figures is what metrics show.
struct ocsp_figures {
    uint64_t entries;
    uint64_t held;
    uint64_t places;
    uint64_t under_way;
    uint64_t waiting;    // for their turn to be asked
    uint64_t unanswered; // in use at the last tick, without an answer that counts
    uint64_t crowded;    // how often there was no room for an entry, since the start
    uint64_t answers[3]; // by enum ocsp_status, since the start
    uint64_t faults[OCSP_FAULT_COUNT];
    uint64_t bytes; // of memory
};

// ocsp_book_create makes an empty one. `on_work` is called with `arg`, from any thread and without the lock, when there is
// something to ask, or the first entry is held. NULL without memory.
struct ocsp_book *ocsp_book_create(void (*on_work)(void *arg), void *arg) MUST_USE;

// ocsp_book_destroy frees it. Nobody holds an entry any more, and no task is under way. NULL is allowed.
void ocsp_book_destroy(struct ocsp_book *book);

// ocsp_book_hold gives the entry of a query, made if need be; the caller holds it until ocsp_book_release. NULL without
// memory, or where the bounds above leave no room: for now, so ask again.
struct ocsp_entry *ocsp_book_hold(struct ocsp_book *book, const struct ocsp_query *query) MUST_USE;
void ocsp_book_release(struct ocsp_book *book, struct ocsp_entry *entry);

// ocsp_grounds is why a certificate stands as it does.
struct ocsp_grounds {
    struct ocsp_delegate good; // where it stands as good: who has signed that
    bool
        was_revoked; // it was revoked, and `reinstater` has signed a newer good: who does not believe that has a revoked one
    struct ocsp_delegate reinstater;
    enum ocsp_fault
        fault; // what came the last time in place of an answer that counts; NONE: nothing
};

// ocsp_book_standing tells what is known, at `now_s` of the wall clock and `now_ms` of the monotonic one. `*out` (NULL: not
// wanted) becomes those who have signed it: profiles differ in whom they believe.
enum ocsp_standing ocsp_book_standing(struct ocsp_book *book, const struct ocsp_entry *entry,
                                      int64_t now_s, int64_t now_ms, struct ocsp_grounds *out);

// ocsp_book_look does so without holding anything. A query without a URL is for what was said elsewhere.
enum ocsp_standing ocsp_book_look(struct ocsp_book *book, const struct ocsp_query *query,
                                  int64_t now_s, int64_t now_ms, struct ocsp_grounds *out);

// ocsp_book_doubt tells what is known for one who does not take a good answer: OCSP_STANDS_UNASKED, and it is to be asked
// about once in OCSP_BOOK_RETRY_MS, or OCSP_STANDS_SILENT.
enum ocsp_standing ocsp_book_doubt(struct ocsp_book *book, struct ocsp_entry *entry,
                                   int64_t now_ms);

// ocsp_book_is_asked tells whether a question about it is under way, or waits for its turn.
bool ocsp_book_is_asked(struct ocsp_book *book, const struct ocsp_entry *entry);

// ocsp_book_ask has the entry asked about, before those that are only asked about again, unless that is under way.
void ocsp_book_ask(struct ocsp_book *book, struct ocsp_entry *entry);

// ocsp_book_ask_again has an entry asked about whose answer refuses a client: it came again, and may be good by now. At once
// where the answer is over, otherwise OCSP_BOOK_REFUSED_AGAIN_MS after the last one; after a failure when its time has come.
// Nobody waits, and nobody has to hold it.
void ocsp_book_ask_again(struct ocsp_book *book, struct ocsp_entry *entry, int64_t now_s,
                         int64_t now_ms);

// ocsp_book_take gives the next question to put; false: there is none, or enough are under way. Each is settled once.
bool ocsp_book_take(struct ocsp_book *book, int64_t now_ms, struct ocsp_task *out);

// ocsp_book_settle notes the result. True: the certificate is not good, and is in use at this place or another, or it is
// revoked only now, and may be in use where nobody can be asked: whoever has it is to be judged again.
bool ocsp_book_settle(struct ocsp_book *book, const struct ocsp_task *task,
                      const struct ocsp_result *result, int64_t now_s, int64_t now_ms);

// ocsp_book_tick has asked again what is in use and ends soon, or has no answer. Once a second, while it is true: something
// is in use.
bool ocsp_book_tick(struct ocsp_book *book, int64_t now_s, int64_t now_ms);

// ocsp_book_tell calls `tell` with each certificate that is `status`, OCSP_REVOKED or OCSP_UNKNOWN, with the lock held. One that
// only a delegate's good has taken back is told as revoked, by an answer that is over: the responder is asked about it as soon as
// it comes. False as soon as `tell` gives false.
bool ocsp_book_tell(struct ocsp_book *book, enum ocsp_status status,
                    bool (*tell)(void *arg, const struct ocsp_note *note), void *arg) MUST_USE;

// ocsp_book_hear takes what the book of another process has told, unless a newer answer is known. False without memory.
bool ocsp_book_hear(struct ocsp_book *book, const struct ocsp_note *note) MUST_USE;

// ocsp_book_figures counts.
void ocsp_book_figures(struct ocsp_book *book, struct ocsp_figures *out);
