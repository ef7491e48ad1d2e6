// consent_book: what one worker has asked the authorizer, and what it knows of it: the questions under way, which equal ones
// share, and each yes that holds for further equal questions.
//
// Two questions are equal if their `key` is, which says everything that an answer may depend on, and if they were put under the
// same generation of the configuration and to the same authorizer. A yes serves others where the authorizer has given a `ttl`,
// for the first half of it: what begins with it has time to be asked about again before it ends. A no, a yes without `ttl`, and
// no usable answer are for those alone who have asked. Everything that is kept is forgotten with the next generation. After a no
// nothing of the same `scope` is served that was asked before it: the keys of two questions may differ and their subject not.
//
// One client has no more places than the others leave free, of questions and of kept answers (auth/base/share.h). Where nobody
// answered CONSENT_DOWN_AFTER questions after each other, the authorizer counts as down up to the next yes or no: no more than
// CONSENT_PROBES questions are then under way, and for what has no place that is the answer, at once. An answer that comes and is
// of no use changes nothing of this: one client may be what makes the authorizer give it.
//
// Of one worker, on its thread. Knows no exchanges and no policy.
#pragma once

#include <sys/queue.h>

#include "auth/authorization.h"
#include "proxy/config/authorizer_settings.h"
#include "proxy/fetch/fetch.h"
#include "proxy/session/counters.h"

enum {
    CONSENT_QUESTIONS_MAX = 64, // under way
    CONSENT_KEPT_MAX = 1024,    // answers
    CONSENT_DOWN_AFTER = 3,     // questions that nobody answers
    CONSENT_PROBES = 4,         // questions under way while it is down
};

// consent_answer is what is known of a question.
struct consent_answer {
    enum authorizer_answer answer;
    enum authorizer_origin origin;
    const char *why; // with AUTHORIZER_NONE: a few words; static memory
    int64_t ends_ms; // monotonic; of a yes
};

struct consent_question;

// consent_wait is somebody's place among those who wait for a question. Zeroed: it waits for none. Embedded for storage; the
// fields are set by the caller up to `question`.
struct consent_wait {
    // called once, from the loop, never from within consent_book_ask
    void (*on_answer)(void *arg, const struct consent_answer *answer);
    void *arg;
    struct consent_question *question; // private; NULL: it waits for none
    TAILQ_ENTRY(consent_wait) link;    // private
};

// consent_request is a question. All borrowed.
struct consent_request {
    uint8_t key[AUTHORIZATION_DIGEST_LEN];   // authorization_key
    uint8_t scope[AUTHORIZATION_DIGEST_LEN]; // authorization_scope
    uint64_t generation;                     // of the configuration that it is put under
    uint64_t account;                        // id of who has it asked
    const struct authorizer_settings *settings;
    struct slice content; // JSON
    int64_t now_ms;       // monotonic
};

enum consent_step {
    CONSENT_ANSWERED, // `*out` is the answer
    CONSENT_WAITS,    // `on_answer` will be called
    CONSENT_CROWDED,  // the client has more questions under way than its share
};

struct consent_book;

struct consent_book_options {
    struct fetch_path path; // what it names must outlive the book
    struct session_counters
        *counters; // borrowed; it counts in `asked`, `asked_kept`, `asked_shared` and `asked_time`
    uint64_t generation; // of today
};

// consent_book_create makes an empty book. NULL without memory.
struct consent_book *consent_book_create(const struct consent_book_options *options) MUST_USE;

// consent_book_destroy frees it. Nobody may wait any more. NULL is allowed.
void consent_book_destroy(struct consent_book *book);

// consent_book_adopt forgets what is kept, and asks by another resolver from now on: there is a new configuration. NULL for the
// book is allowed.
void consent_book_adopt(struct consent_book *book, struct resolver *resolver, uint64_t generation);

// consent_book_ask finds an answer, joins an equal question, or asks. Without memory the answer is AUTHORIZER_NONE.
enum consent_step consent_book_ask(struct consent_book *book, const struct consent_request *request,
                                   struct consent_wait *wait, struct consent_answer *out);

// consent_book_leave waits no longer; a question for which nobody waits is dropped. Idempotent.
void consent_book_leave(struct consent_book *book, struct consent_wait *wait);
