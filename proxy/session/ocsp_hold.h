// ocsp_hold: what OCSP says of a client's chain: looked up in the process's book, asked for, and held as long as the client is
// there. Private to proxy/session.
//
// One decision (auth/ocsp_verdict.h) for every door: a handshake, which can wait for an answer; a ticket, which is worth
// something only where the answers are there; a request; a live tunnel.
#pragma once

#include "auth/blocklist.h"
#include "auth/identity.h"
#include "auth/ocsp_verdict.h"
#include "auth/trust.h"

enum { OCSP_HOLD_MAX = 9 }; // certificates of a chain that are asked about

struct ocsp_book;
struct ocsp_hold;

// ocsp_hearer is who judges by answers: what it denies and what is blocked signs none that it believes. Borrowed.
struct ocsp_hearer {
    const struct trust *trust;
    const struct blocklist *blocks; // NULL: none
};

// ocsp_hold_judge judges the verified chain of `identity` (NULL: none was shown) under `hearer`. It asks about what is not
// known. `*hold`, owned by the caller, becomes what holds the chain's entries in `book`: the one that was there where it is
// of the same chain, NULL where nobody is asked. `now_ms` is monotonic.
struct ocsp_verdict ocsp_hold_judge(struct ocsp_hold **hold, struct ocsp_book *book,
                                    const struct identity *identity,
                                    const struct ocsp_hearer *hearer, int64_t now_ms);

// ocsp_hold_is_good tells whether every answer that `hearer` wants about the chain is there, and good. It asks nothing and
// holds nothing.
bool ocsp_hold_is_good(struct ocsp_book *book, const struct identity *identity,
                       const struct ocsp_hearer *hearer, int64_t now_ms);

// ocsp_hold_waits tells whether an answer that was asked for is still to come. NULL is allowed.
bool ocsp_hold_waits(const struct ocsp_hold *hold, int64_t now_ms);

// ocsp_hold_count gives the number of certificates that are asked about; 0 for NULL.
size_t ocsp_hold_count(const struct ocsp_hold *hold);

// ocsp_hold_destroy lets go. NULL is allowed.
void ocsp_hold_destroy(struct ocsp_hold *hold);
