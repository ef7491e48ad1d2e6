// client_index: the first client that fits an identity, found without a look at all the others.
//
// An entry of `match` is in a hash table under one thing that it names: a certificate or key by its digest, a URI, an
// address, an e-mail address, a host name, a subject, a CN, a serial, an OU, an O, or else the fixed part of a pattern. Only
// those that name none of these (a profile, an issuer, `any`) are in a list, and each is tried. What is found is compared by
// match_entry_fits, so that the index decides nothing.
//
// It is the least that holds what docs/PERFORMANCE.md promises: without it a client is found in some 16 ns an entry,
// which is 1.6 ms with 100,000 clients, once for each session, and a thousand times that for a certificate with as many
// names as it may have; with it in a quarter of a microsecond. Lists of rules need none: what makes them long is hosts
// and addresses, which are sets with tables of their own.
#pragma once

#include "auth/match.h"

// client_index_create makes the index of some clients in `arena`. ERR_MEMORY.
enum err client_index_create(struct arena *arena, const struct client *clients, size_t count,
                             const struct client_index **out) MUST_USE;

// client_index_find gives the client that fits, or NULL: the first in file order of the main file; then of the included file of
// which an entry that fits has been in force for longest. `*out_compared` is the number of entries that it looked at.
const struct client *client_index_find(const struct client_index *index,
                                       const struct identity *identity, size_t *out_compared);

// client_index_find_other gives a client of another included file than that of `found` that fits too, or NULL.
const struct client *client_index_find_other(const struct client_index *index,
                                             const struct identity *identity,
                                             const struct client *found);

// match_covers_fn tells whether `wide` fits every client that `narrow` fits.
typedef bool (*match_covers_fn)(const struct match_entry *wide, const struct match_entry *narrow);

// client_index_find_cover gives the first client in file order with an entry that covers `narrow`, or NULL.
// `*out_compared` as above.
const struct client *client_index_find_cover(const struct client_index *index,
                                             const struct match_entry *narrow,
                                             match_covers_fn covers, size_t *out_compared);
