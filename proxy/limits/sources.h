// sources: counts by source address while the client is not known: unfinished handshakes, failed handshakes, and refused
// requests with certificates that fit no client. One table for all workers.
//
// A source is an IPv4 address, or the /64 of an IPv6 address. The table has a fixed size: sets of a few slots, chosen by a
// hash with a secret key, so nobody can choose which source to push out. A source is not counted if its set is full of
// others with unfinished handshakes: these limits protect against single sources, and the limit of sessions protects
// against many.
#pragma once

#include "auth/base/err.h"
#include "auth/ipaddr.h"
#include "auth/limits.h"
#include "auth/reason.h"

struct sources;

// sources_create makes an empty table without limits, with a random key; NULL without memory.
struct sources *sources_create(void) MUST_USE;

// sources_destroy frees the table. NULL is allowed.
void sources_destroy(struct sources *sources);

// sources_configure sets the limits from now on. Called by main.
void sources_configure(struct sources *sources, const struct proxy_limits *limits);

enum { SOURCES_WAIT_MAX_MS = 5000 };

// source_turn says when a handshake that may begin does so.
struct source_turn {
    bool is_counted; // sources_end is to follow
    // it begins after so long: more of this source have failed than may; 0 to SOURCES_WAIT_MAX_MS
    int64_t wait_ms;
};

// sources_begin counts an unfinished handshake of `address` (canonical). REASON_NONE, or the limit that refuses it. Any
// thread, like the functions below.
enum reason sources_begin(struct sources *sources, const struct ip_addr *address, int64_t now_ms,
                          struct source_turn *out);

// sources_end ends a handshake that was counted, whether it failed or not.
void sources_end(struct sources *sources, const struct ip_addr *address);

// sources_note_failure counts a failed handshake. Above the rate each failure makes the next handshakes wait longer, so no
// more fail than the rate says. None is refused: a broken client does not shut out others that share its address.
void sources_note_failure(struct sources *sources, const struct ip_addr *address, int64_t now_ms);

// sources_take_refusal counts a refused request from `address` that no client fits. False if there were more than the rate
// of these, or if the source has no slot.
bool sources_take_refusal(struct sources *sources, const struct ip_addr *address, int64_t now_ms);
