// client_counts: what each client of the configuration has done on a worker. A client that is named from certificates has
// one place for all its accounts, so the configuration alone bounds the table.
//
// The table is made when a configuration is adopted; counting takes no memory and no lock. For the worker's thread.
#pragma once

#include "auth/policy.h"

enum { CLIENT_ACTIONS = ACTION_ERROR + 1 };

struct client_count {
    const char *name;                 // borrowed from the policy
    uint64_t decided[CLIENT_ACTIONS]; // requests, by enum action
    uint64_t bytes_up;                // passed on
    uint64_t bytes_down;
    uint64_t seen_s;      // Unix seconds; when a connection of it came last; 0: never
    uint64_t not_after_s; // Unix seconds; when the certificate of that one ends; 0: it has none
};

// Zeroed: nobody is counted. The fields are private to client_counts.c, except that the first `count` may be read.
struct client_counts {
    struct client_count *counts; // owned
    size_t count;
    const struct client *clients; // borrowed; the policy's, in the same order
    uint32_t *index;              // owned; places by the hash of the name, plus one; 0: free
    size_t index_cap;
};

// client_counts_adopt counts the clients of `policy` from now on (NULL: nobody), which is borrowed until the next one.
// Those that it had before go on. Without memory nobody is counted.
void client_counts_adopt(struct client_counts *table, const struct policy *policy);

// client_counts_find gives the place of a client, which may be of an earlier policy. NULL: it is not counted.
struct client_count *client_counts_find(const struct client_counts *table,
                                        const struct client *client);

// client_counts_deinit frees the table.
void client_counts_deinit(struct client_counts *table);
