// scan: goes through the serving sessions of a worker, a few each pass of the loop, to count them, to list
// tunnels, or to end some.
//
// The caller makes it, the worker's thread fills it in, and it is the caller's again once `on_done` was called: numbers
// are read without a lock, and threads share no word. What changes meanwhile may be counted or not.
#pragma once

#include "proxy/session/context.h"

enum scan_kind {
    SCAN_TOTALS,       // counters alone: no session is looked at
    SCAN_COUNT,        // counters, and accounts with their sessions and tunnels
    SCAN_METRICS,      // counters, and clients of the configuration with all their numbers
    SCAN_PAGE,         // the same, and what is most frequent
    SCAN_TUNNELS,      // the same, and the tunnels that have moved the most bytes
    SCAN_KILL_ID,      // ends the exchange `id`
    SCAN_KILL_SESSION, // ends the connection `id` with its exchanges
    SCAN_KILL_CLIENT,  // ends every exchange of `client`
};

struct scan_client {
    char name[CLIENT_NAME_MAX + 1]; // "" is a free place; `no_client` stands apart
    uint64_t sessions;
    uint64_t tunnels;
    // Of SCAN_METRICS and SCAN_PAGE only:
    uint64_t decided[CLIENT_ACTIONS];
    uint64_t bytes_up;
    uint64_t bytes_down;
    uint64_t seen_s; // see client_counts.h
    uint64_t not_after_s;
};

struct scan_tunnel {
    char id[17];
    char session[17];   // the connection that it is on
    uint32_t stream_id; // of HTTP/2; 0: HTTP/1.1
    char client[CLIENT_NAME_MAX + 1];
    char host[TARGET_TEXT_CAP];
    uint16_t port;
    struct ip_addr upstream;
    struct ip_addr source; // the client's address
    uint64_t bytes_up;
    uint64_t bytes_down;
    int64_t age_ms;
};

struct scan {
    // The question.
    enum scan_kind kind;
    char id[17];
    // an account, or a template: all accounts of the client; "" of SCAN_TUNNELS: everybody
    char client[CLIENT_NAME_MAX + 1];
    size_t max_tunnels;
    // on the worker's thread; the scan is no longer touched from then on
    void (*on_done)(void *arg);
    void *arg; // borrowed

    // The answer.
    struct session_counters counters;
    uint64_t sessions[SESSION_STATE_COUNT];
    uint64_t exchanges[EXCHANGE_STATE_COUNT];
    struct scan_client *clients; // owned; a table with free places
    size_t client_cap;
    size_t client_count;
    uint64_t http2_sessions;
    uint64_t http2_streams;      // requests on them
    uint64_t nobody_sessions;    // of certificates that no client of the configuration fits
    struct scan_tunnel *tunnels; // owned; the first `tunnel_count`, in no order
    size_t tunnel_count;
    uint64_t open_count;       // tunnels of SCAN_TUNNELS, listed or not
    size_t tunnel_least;       // with all places taken: which one has moved the fewest bytes
    struct session_tops *tops; // owned; of SCAN_PAGE; NULL: there is none
    uint64_t killed;           // exchanges
    bool is_found;             // the connection to be killed
    bool is_partial;           // no memory for all of it
};

// scan_start begins; one at a time for each context. `scan` is borrowed until `on_done`.
void scan_start(struct session_context *context, struct scan *scan);

// scan_step goes on for a while, with the context `owner`. The work of the context's turn for it.
void scan_step(void *owner);

// scan_finish ends the one under way, if any, as it is: the worker ends, or has no sessions left.
void scan_finish(struct session_context *context);

// scan_add adds the answer of one to another, of the same kind.
void scan_add(struct scan *sum, const struct scan *part);

// scan_add_client adds the numbers of one client to an answer, scan_add_tunnel a tunnel, if it is one of those that have moved
// the most bytes.
void scan_add_client(struct scan *scan, const struct scan_client *client);
void scan_add_tunnel(struct scan *scan, const struct scan_tunnel *tunnel);

// scan_sort_clients gives the clients of an answer in the order of `compare`, which is qsort's and compares places of the
// array; the array is the caller's to free, its clients are borrowed. NULL without memory, when `*out_count` is 0.
const struct scan_client **scan_sort_clients(const struct scan *scan,
                                             int (*compare)(const void *a, const void *b),
                                             size_t *out_count) MUST_USE;

// scan_deinit frees what the answer holds. A zeroed one is allowed.
void scan_deinit(struct scan *scan);
