// ocsp_asker: puts the questions of the book to responders over HTTP (RFC 6960 appendix A.1, POST), judges the answers, and
// says so.
//
// On one loop, that of main: workers only read the book, and are told when something in it has changed.
#pragma once

#include <ev.h>

#include "proxy/metrics/histogram.h"
#include "proxy/net/resolver_options.h"
#include "proxy/ocsp/ocsp_book.h"

struct ocsp_asker;

// ocsp_events is what the asker tells, on its loop.
struct ocsp_events {
    void (*on_answer)(void *arg); // somebody may have waited for it
    void (*on_lost)(
        void *arg); // a certificate in use is not good any more, or may be asked about at last
    void *arg;      // borrowed
};

// ocsp_asker_create makes one with an empty book on `loop`. NULL with the sentence in `info`.
struct ocsp_asker *ocsp_asker_create(struct ev_loop *loop, const struct resolver_options *resolver,
                                     const struct ocsp_events *events,
                                     struct errinfo *info) MUST_USE;

// ocsp_asker_destroy ends what is under way, and frees it with its book, of which nobody holds an entry any more. NULL is
// allowed.
void ocsp_asker_destroy(struct ocsp_asker *asker);

// ocsp_asker_configure has it resolve names by these options from now on; what is under way is asked again. False without
// memory: the old ones stay, and the caller tries it again.
bool ocsp_asker_configure(struct ocsp_asker *asker,
                          const struct resolver_options *resolver) MUST_USE;

// ocsp_asker_book gives the book; borrowed, any thread may use it.
struct ocsp_book *ocsp_asker_book(struct ocsp_asker *asker);

// ocsp_asker_times gives how long answers have taken, by histogram_waits. Borrowed.
const struct histogram *ocsp_asker_times(const struct ocsp_asker *asker);
