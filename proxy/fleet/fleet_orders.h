// fleet_orders: what one proxy of a fleet tells others to do, and what they answer: the texts, and who has to obey.
//
// An order stands sealed in a store that is not trusted, which may show it again, late, or to others. So it names the
// instances that are meant (a process that starts later is none of them), has a number that only counts up for each issuer,
// and ends. Pure; for one thread. Knows no store and no clock.
#pragma once

#include "auth/base/text.h"
#include "proxy/fleet/fleet_blocks.h"

enum {
    FLEET_ORDER_TARGETS_MAX = 4096,
    FLEET_ORDER_TEXT_MAX = 128 * 1024, // bytes
    FLEET_ORDER_ARGUMENT_CAP = 257,
    FLEET_ORDER_LIFE_MS = 60000, // from its issue to its end
    FLEET_ORDER_SKEW_MS = 30000, // by which clocks may differ
    FLEET_ORDER_ID_CAP = 17,
    FLEET_NUMBERS_MAX = 64,       // the last ones of an issuer may come in any order
    FLEET_ANSWER_TEXT_MAX = 2048, // bytes
    FLEET_ANSWER_MESSAGE_CAP = 513,
    FLEET_ANSWER_NAME_CAP = 2 * FLEET_INSTANCE_CAP, // with the NUL
};

#define FLEET_VERB_TABLE(X)                                                                        \
    X(FLEET_KILL, "kill")                                                                          \
    X(FLEET_DRAIN, "drain")

enum fleet_verb {
#define X(symbol, name) symbol,
    FLEET_VERB_TABLE(X)
#undef X
};

const char *fleet_verb_name(enum fleet_verb verb);

struct fleet_order {
    char id[FLEET_ORDER_ID_CAP];     // random, 16 lower-case hexadecimal digits
    char issuer[FLEET_INSTANCE_CAP]; // instance
    uint64_t number;                 // counts up for the issuer, from 1
    uint32_t uid;                    // of the user who asked for it there
    enum fleet_verb verb;
    char argument[FLEET_ORDER_ARGUMENT_CAP]; // as at the control socket; ""
    int64_t issued_ms;                       // Unix milliseconds, by the issuer's clock
    int64_t ends_ms;
    size_t target_count;
    char (*targets)[FLEET_INSTANCE_CAP]; // owned by the order after a parse; instances
};

// fleet_order_format adds its text to `out`.
void fleet_order_format(const struct fleet_order *order, struct text *out);

// fleet_order_parse reads it; `*out` is for fleet_order_deinit in any case. ERR_INPUT, ERR_LIMIT or ERR_MEMORY with a sentence in
// `info`.
enum err fleet_order_parse(struct slice bytes, struct fleet_order *out,
                           struct errinfo *info) MUST_USE;
void fleet_order_deinit(struct fleet_order *order);

#define FLEET_JUDGEMENT_TABLE(X)                                                                   \
    X(FLEET_OBEY, "obey")                                                                          \
    X(FLEET_NOT_MEANT, "not_meant") /* it names others */                                          \
    X(FLEET_REPEATED, "repeated")   /* this one was seen, or much later ones of the same issuer */ \
    X(FLEET_TOO_LATE, "too_late")   /* it has ended */                                             \
    X(FLEET_TOO_EARLY, "too_early") /* its issuer's clock is ahead */                              \
    X(FLEET_TOO_LONG, "too_long")   /* it would hold for longer than orders do */

enum fleet_judgement {
#define X(symbol, name) symbol,
    FLEET_JUDGEMENT_TABLE(X)
#undef X
};

const char *fleet_judgement_name(enum fleet_judgement judgement);

// fleet_order_judge tells whether the instance `self` has to obey at `now_ms` (Unix). `was_seen`: an order of this number and issuer
// was (fleet_issuers_have). Nothing is done again: the caller notes the number whatever comes of it.
enum fleet_judgement fleet_order_judge(const struct fleet_order *order, const char *self,
                                       bool was_seen, int64_t now_ms);

// -- who has said what

struct fleet_issuers;

// fleet_issuers_create makes an empty memory of the last numbers; NULL without memory. NULL is allowed for _destroy.
struct fleet_issuers *fleet_issuers_create(void) MUST_USE;
void fleet_issuers_destroy(struct fleet_issuers *issuers);

// fleet_issuers_have tells whether this number of `issuer` was noted, or is lower by FLEET_NUMBERS_MAX than the highest one that was.
bool fleet_issuers_have(const struct fleet_issuers *issuers, const char *issuer, uint64_t number);

// fleet_issuers_note notes a number, of an order that ends at `ends_ms`; `now_ms` is the time, both Unix. Of an issuer whose orders have
// all ended for longer than clocks may differ nothing has to be remembered: they come too late. False: there is no room: then the
// order must not be obeyed, for it could be shown again.
bool fleet_issuers_note(struct fleet_issuers *issuers, const char *issuer, uint64_t number,
                        int64_t ends_ms, int64_t now_ms) MUST_USE;

// -- answers

// fleet_order_answer_name writes the name under which the answer of an instance to the order `id` is sealed.
void fleet_order_answer_name(const char *id, const char *instance, char out[FLEET_ANSWER_NAME_CAP]);

#define FLEET_RESULT_TABLE(X)                                                                      \
    X(FLEET_FAILED, "failed")                                                                      \
    X(FLEET_DONE, "ok")                                                                            \
    X(FLEET_NOBODY, "nobody") /* what is meant is not there: there was nothing to do */

enum fleet_result {
#define X(symbol, name) symbol,
    FLEET_RESULT_TABLE(X)
#undef X
};

const char *fleet_result_name(enum fleet_result result);

struct fleet_order_answer {
    char instance[FLEET_INSTANCE_CAP];
    enum fleet_result result;
    char message[FLEET_ANSWER_MESSAGE_CAP]; // a sentence
};

// fleet_order_answer_format adds its text to `out`; fleet_order_answer_parse reads it, with the errors of fleet_order_parse.
void fleet_order_answer_format(const struct fleet_order_answer *answer, struct text *out);
enum err fleet_order_answer_parse(struct slice bytes, struct fleet_order_answer *out,
                                  struct errinfo *info) MUST_USE;
