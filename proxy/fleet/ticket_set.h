// ticket_set: the secrets of session tickets that the proxies of a fleet share by a store, and when they are changed.
//
// The set has a number that only counts up: an older one is never taken again. A new secret is first one that opens only, until
// all proxies can have read it, and then seals; the one before still opens. At most three. Pure; for one thread. Knows no store
// and no clock.
#pragma once

#include "auth/base/text.h"

enum {
    TICKET_SET_SECRET_LEN = 32,
    TICKET_SET_SECRETS_MAX = 3,
    TICKET_SET_TEXT_MAX = 512, // bytes
    TICKET_SET_READY_S = 10,   // for which a new secret opens only
};

// The highest number that there is. Nobody gets there by counting.
#define TICKET_SET_NUMBER_MAX ((uint64_t)1 << 52)

struct ticket_set {
    uint64_t number; // 0: there is none; TICKET_SET_NUMBER_MAX at most
    int64_t since_s; // Unix seconds, by the clock of the one who made this set
    bool has_next;   // secrets[1] seals next, and opens only until then
    size_t count;
    uint8_t secrets[TICKET_SET_SECRETS_MAX][TICKET_SET_SECRET_LEN]; // the first one seals
};

void ticket_set_format(const struct ticket_set *set, struct text *out);

// ticket_set_parse reads it. ERR_INPUT, ERR_LIMIT or ERR_MEMORY with a sentence in `info`, which never shows a secret.
enum err ticket_set_parse(struct slice bytes, struct ticket_set *out,
                          struct errinfo *info) MUST_USE;

// ticket_set_compare gives which of two sets holds: above 0 the first, 0: they are the same.
int ticket_set_compare(const struct ticket_set *a, const struct ticket_set *b);

enum ticket_set_step {
    TICKET_SET_KEEP,
    TICKET_SET_ADD,     // a new secret, which opens only
    TICKET_SET_PROMOTE, // it seals from now on
};

// ticket_set_next tells what is due at `now_s`, where secrets change every `rotate_s`. `seen_s`: for how many seconds we know
// this set. A clock that goes backwards changes nothing too early; a set whose time is ahead is changed
// when it was seen for `rotate_s`.
enum ticket_set_step ticket_set_next(const struct ticket_set *set, int64_t now_s, int64_t rotate_s,
                                     int64_t seen_s);

// All three stay at the highest number when it is reached: then the higher secrets hold.
// ticket_set_begin makes the first set, after one of number `last` (0: none). `secret` is random.
void ticket_set_begin(uint64_t last, const uint8_t secret[TICKET_SET_SECRET_LEN], int64_t now_s,
                      struct ticket_set *out);

// ticket_set_add makes the set with a new secret that opens only; ticket_set_promote the one where it seals.
void ticket_set_add(const struct ticket_set *set, const uint8_t secret[TICKET_SET_SECRET_LEN],
                    int64_t now_s, struct ticket_set *out);
void ticket_set_promote(const struct ticket_set *set, int64_t now_s, struct ticket_set *out);
