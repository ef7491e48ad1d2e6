// ocsp_store: the entries of the book and their places: found, made, held, and who goes where there is no room. Private to
// proxy/ocsp.
//
// Room is made by what is in nobody's use, what says least first: a good answer or none, then unknown, then revoked. Of the
// entries the place with most of that kind in nobody's use gives its oldest. Of the places the one goes that has the fewest revocations, and of
// these the one that has been in nobody's use for the longest time.
//
// Knows no lock, no clock and no questions. An entry that is queued or under way is held.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "auth/cert_id.h"
#include "auth/ocsp_answer.h"
#include "proxy/ocsp/ocsp_query.h"

enum {
    OCSP_STORE_BUCKETS = 16384,
    OCSP_STORE_PLACE_BUCKETS = 256,
};

// What an entry in nobody's use says; the higher, the longer it stays.
enum ocsp_rank {
    OCSP_RANK_OTHER, // good, or nothing
    OCSP_RANK_UNKNOWN,
    OCSP_RANK_REVOKED,
    OCSP_RANK_COUNT
};

TAILQ_HEAD(ocsp_entries, ocsp_entry);
TAILQ_HEAD(ocsp_places, ocsp_place);

// ocsp_place is a responder, for one issuer. It lives as long as it has entries.
struct ocsp_place {
    TAILQ_ENTRY(ocsp_place)
    link; // in the list of all; those in nobody's use in the order in which that began
    struct ocsp_place *next; // in its bucket, by authority
    TAILQ_ENTRY(ocsp_place)
    turn;          // of the book: among those that have something to ask; see has_turn
    bool has_turn; // of the book
    uint8_t authority[CERT_DIGEST_LEN];
    uint8_t anchor[CERT_DIGEST_LEN]; // of the chain for which it was made
    bool has_nonce;
    int64_t timeout_ms;
    struct http_url url;
    uint8_t *bytes; // owned; of the issuer's name and key
    size_t bytes_len;
    struct slice issuer_name;
    struct slice issuer_key;
    size_t entry_count;
    size_t held_count;                           // of them
    size_t under_way;                            // of the book
    unsigned failures;                           // of the book; in a row
    enum ocsp_fault fault;                       // of the book; of the last of them
    int64_t down_until_ms;                       // of the book
    struct ocsp_entries queue;                   // of the book: to be asked
    struct ocsp_entries unheld[OCSP_RANK_COUNT]; // the oldest first
    size_t unheld_count[OCSP_RANK_COUNT];        // of them
};

struct ocsp_entry {
    struct ocsp_entry *next;       // in its bucket
    TAILQ_ENTRY(ocsp_entry) queue; // of its place; see is_queued
    TAILQ_ENTRY(ocsp_entry) age;   // among the unheld of its place
    struct ocsp_place *place;
    int64_t this_update_s;
    int64_t next_update_s;
    int64_t retry_ms;   // monotonic; after a failure: not before
    int64_t refresh_ms; // monotonic; when it is asked again, where it is held
    int64_t doubt_ms;   // monotonic; who doubts it before asks nobody
    int64_t again_ms;   // monotonic; nor does one whom it refuses
    int64_t revoked_s;  // thisUpdate of the revocation, or of the good that took the last one back
    struct ocsp_delegate delegate; // who has signed the answer
    uint32_t holders;
    uint16_t failures; // in a row
    uint8_t status;    // enum ocsp_status, with an answer
    uint8_t rank;      // enum ocsp_rank, while nobody holds it
    uint8_t fault;     // enum ocsp_fault; what came the last time
    bool has_answer;
    bool has_revoked;      // somebody has said revoked, and the issuer itself nothing newer
    bool is_queued;        // of the book, like the two that follow
    bool is_held_by_queue; // one of the holders is the queue itself
    bool is_under_way;
    uint8_t serial_len;
    uint8_t serial[OCSP_SERIAL_MAX_LEN];
};

struct ocsp_store {
    struct ocsp_entry **buckets;                                // owned
    struct ocsp_place *place_buckets[OCSP_STORE_PLACE_BUCKETS]; // owned with all in them
    struct ocsp_places places;
    size_t entry_count;
    size_t held_count;
    size_t place_count;
    size_t unheld_count[OCSP_RANK_COUNT];
    size_t bytes; // of memory
};

// ocsp_store_init makes an empty one. False without memory.
bool ocsp_store_init(struct ocsp_store *store) MUST_USE;

// ocsp_store_deinit frees everything; nobody holds an entry.
void ocsp_store_deinit(struct ocsp_store *store);

// ocsp_store_find gives the entry of a query; NULL: there is none.
struct ocsp_entry *ocsp_store_find(const struct ocsp_store *store, const struct ocsp_query *query);

// ocsp_store_revocation gives, of the entries of the same certificate at any place, the one with the newest revocation
// (has_revoked); NULL: there is none. A query's URL and nonce do not matter.
const struct ocsp_entry *ocsp_store_revocation(const struct ocsp_store *store,
                                               const struct ocsp_query *query);

// ocsp_store_is_held_elsewhere tells whether another entry of the same certificate, at another place, is held.
bool ocsp_store_is_held_elsewhere(const struct ocsp_store *store, const struct ocsp_entry *entry);

// ocsp_store_make makes the entry of a query, of which there is none, held once. NULL without memory, or where no room can
// be made (`*out_is_crowded`).
struct ocsp_entry *ocsp_store_make(struct ocsp_store *store, const struct ocsp_query *query,
                                   bool *out_is_crowded);

// ocsp_store_hold counts one more holder.
void ocsp_store_hold(struct ocsp_store *store, struct ocsp_entry *entry);

// ocsp_store_release counts one less. The last one may free the entry, and its place.
void ocsp_store_release(struct ocsp_store *store, struct ocsp_entry *entry);

// ocsp_store_serial gives an entry's serial, borrowed from it.
struct slice ocsp_store_serial(const struct ocsp_entry *entry);
