// survey: goes through the serving sessions of a worker, a few each pass of the loop, to count them, to list
// tunnels, or to end some.
//
// Made by whoever asks, filled in on the worker's thread, and the asker's again once `on_done` was called:
// so numbers are read without a lock, and without a word shared between threads. What changes while it goes
// on may be counted or not.
#pragma once

#include "proxy/session/context.h"

enum survey_kind {
    SURVEY_COUNT,       // counters, and clients with their sessions and tunnels
    SURVEY_TUNNELS,     // the same, and the tunnels that have moved the most bytes
    SURVEY_KILL_ID,     // ends the exchange `id`
    SURVEY_KILL_CLIENT, // ends every exchange of `client`
};

struct survey_client {
    char name[NAME_MAX_LEN + 1]; // "" is a free place; `no_client` stands apart
    uint64_t sessions;
    uint64_t tunnels;
};

struct survey_tunnel {
    char id[17];
    char client[NAME_MAX_LEN + 1];
    char host[TARGET_TEXT_CAP];
    uint16_t port;
    struct ip_addr upstream;
    struct ip_addr source; // the client's address
    uint64_t bytes_up;
    uint64_t bytes_down;
    int64_t age_ms;
};

struct survey {
    // The question.
    enum survey_kind kind;
    char id[17];
    char client[NAME_MAX_LEN + 1];
    size_t max_tunnels;
    void (*on_done)(
        void *arg); // on the worker's thread; the survey is no longer touched from then on
    void *arg;      // borrowed

    // The answer.
    struct session_counters counters;
    uint64_t sessions[SESSION_STATE_COUNT];
    uint64_t exchanges[EXCHANGE_STATE_COUNT];
    struct survey_client *clients; // owned; a table with free places
    size_t client_cap;
    size_t client_count;
    uint64_t nobody_sessions;      // of certificates that no client of the configuration fits
    struct survey_tunnel *tunnels; // owned; the first `tunnel_count`, in no order
    size_t tunnel_count;
    uint64_t killed;
    bool is_partial; // no memory for all of it
};

// survey_start begins; one at a time for each context. `survey` is borrowed until `on_done`.
void survey_start(struct session_context *context, struct survey *survey);

// survey_step goes on for a while, with the context `owner`. The work of the context's turn for it.
void survey_step(void *owner);

// survey_finish ends the one under way, if any, as it is: the worker ends, or has no sessions left.
void survey_finish(struct session_context *context);

// survey_add_client adds to the numbers of a client.
void survey_add_client(struct survey *survey, const char *name, uint64_t sessions,
                       uint64_t tunnels);

// survey_add_tunnel keeps a tunnel if it is one of the `max_tunnels` that have moved the most bytes.
void survey_add_tunnel(struct survey *survey, const struct survey_tunnel *tunnel);

// survey_add adds the answer of one to another, of the same kind.
void survey_add(struct survey *sum, const struct survey *part);

// survey_deinit frees what the answer holds. A zeroed one is allowed.
void survey_deinit(struct survey *survey);
