// overlaps: which pairs of clients of two included files had a certificate in common, so that each is told once.
//
// One table of fixed size for the whole process and all configurations, without a lock: a pair is told by the first
// worker that meets it. Knows nothing of sessions.
#pragma once

#include "auth/policy.h"

enum { OVERLAPS_MAX = 64 }; // pairs that are told

struct overlaps;

// overlaps_create makes an empty table. NULL without memory.
struct overlaps *overlaps_create(void) MUST_USE;

// overlaps_destroy frees it. NULL is allowed.
void overlaps_destroy(struct overlaps *overlaps);

// overlaps_remember tells whether this pair, in this order, is met for the first time. `*out_is_last`: no further pair is
// remembered; those that come later were never met for the first time. Any thread.
bool overlaps_remember(struct overlaps *overlaps, const struct client *owner,
                       const struct client *other, bool *out_is_last);

// overlaps_note tells whether a client of another included file than that of `found` (NULL: nobody) fits `identity`, too,
// and tells the log of each such pair once. `found` is what the sealed `policy` has found. Any thread.
bool overlaps_note(struct overlaps *overlaps, const struct policy *policy,
                   const struct identity *identity, const struct client *found);
