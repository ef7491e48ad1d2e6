// fetcher: what the questions of one owner to HTTP servers share: the loop, the resolver, how many may be under way, and the
// few connections that wait for the next question.
//
// For one thread, that of its loop. A kept connection on which anything happens while it waits, an end or bytes that nobody
// asked for, is closed; so is one that has waited FETCHER_KEEP_MS.
#pragma once

#include "proxy/fetch/connection.h"

enum {
    FETCHER_MAX_KEPT = 8,
    FETCHER_KEEP_MS = 30 * 1000,
};

struct fetcher_options {
    struct fetch_path path; // what it names must outlive the fetcher
    size_t max_at_once;     // questions under way; one more is FETCH_TOO_MANY
    size_t max_kept;        // connections, at most FETCHER_MAX_KEPT; 0: none is kept
};

struct fetcher;

// fetcher_create makes one without questions. NULL without memory.
struct fetcher *fetcher_create(const struct fetcher_options *options) MUST_USE;

// fetcher_destroy closes the kept connections. All questions must have been destroyed. NULL is allowed.
void fetcher_destroy(struct fetcher *fetcher);

// fetcher_close_kept closes the kept connections, such as after a reload.
void fetcher_close_kept(struct fetcher *fetcher);

// fetcher_adopt closes the kept connections, and asks another resolver from now on. NULL for the fetcher is allowed.
void fetcher_adopt(struct fetcher *fetcher, struct resolver *resolver);

// fetcher_live gives the number of questions under way.
size_t fetcher_live(const struct fetcher *fetcher);

// Private to proxy/fetch:

// fetcher_path gives what connections are made with. Borrowed.
const struct fetch_path *fetcher_path(const struct fetcher *fetcher);

// fetcher_enter counts one more question, if there is room. fetcher_leave takes it back.
bool fetcher_enter(struct fetcher *fetcher);
void fetcher_leave(struct fetcher *fetcher);

// fetcher_take gives a kept connection to the server of `url`, which is the caller's, or NULL.
struct fetch_connection *fetcher_take(struct fetcher *fetcher, const struct http_url *url,
                                      const struct server_trust *tls);

// fetcher_keep takes over a connection that has nothing under way.
void fetcher_keep(struct fetcher *fetcher, struct fetch_connection *connection);
