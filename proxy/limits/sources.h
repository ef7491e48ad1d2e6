// sources: what is counted by source address while the client is not known: unfinished handshakes, recently failed
// handshakes, and refused requests of certificates that fit no client. One table for all workers.
//
// A source is an IPv4 address, or the /64 of an IPv6 address. The table has a fixed size. It has sets of a few slots,
// under a secret key, so no sender can choose which source to push out. A source whose set is full of others with
// unfinished handshakes is not counted: these limits protect against single sources, and the process's own limit of
// sessions protects against many.
#pragma once

#include "auth/base/err.h"
#include "auth/ipaddr.h"
#include "auth/limits.h"
#include "auth/reason.h"

struct sources;

// sources_create makes an empty table without limits, with a random key; NULL without memory.
struct sources *sources_create(void) MUST_USE;

// sources_destroy frees it. NULL is allowed.
void sources_destroy(struct sources *sources);

// sources_configure sets the limits for all that comes from now on. Called by main.
void sources_configure(struct sources *sources, const struct proxy_limits *limits);

enum { SOURCES_WAIT_MAX_MS = 5000 };

// source_turn says what becomes of a handshake that may begin.
struct source_turn {
    bool is_counted; // sources_end is to follow
    int64_t
        wait_ms; // it begins after so long: more of this source have failed than may; 0 to SOURCES_WAIT_MAX_MS
};

// sources_begin counts a handshake of `address` (canonical) as begun, where the limits leave room for it:
// REASON_NONE, otherwise the limit that stands in the way. Any thread; so are the rest.
enum reason sources_begin(struct sources *sources, const struct ip_addr *address, int64_t now_ms,
                          struct source_turn *out);

// sources_end counts a handshake that was counted as over, however it went.
void sources_end(struct sources *sources, const struct ip_addr *address);

// sources_note_failure counts one that failed. Above the rate each makes those that follow wait longer, so that no
// more fail than the rate says, and none is turned away: a broken client does not shut out who shares its address.
void sources_note_failure(struct sources *sources, const struct ip_addr *address, int64_t now_ms);

// sources_take_refusal takes one from the rate at which requests from `address` may be refused, where no client
// fits. False where more have been, or where the source finds no slot.
bool sources_take_refusal(struct sources *sources, const struct ip_addr *address, int64_t now_ms);
