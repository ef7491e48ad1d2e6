// srv_source: where the proxies of a service are, as DNS says (RFC 2782), for those who use them on one loop.
//
// DNS is asked when somebody looks and what is known is too old. While it fails, or says that there is no such name, what it
// said last stays, for the certificates tell whether it still is so; but where it says that the service is not available
// (target `.`) there is no place. Knows no connections.
#pragma once

#include <ev.h>
#include <sys/queue.h>

#include "proxy/net/resolver.h"
#include "proxy/uplink/srv_settings.h"

enum {
    SRV_WAIT_MS = 5000,     // for DNS
    SRV_KEEP_MIN_MS = 1000, // an answer is good at least so long, also a bad one
    SRV_STALE_KEEP_MS =
        10000, // while DNS fails, what it said before is used so long before it is asked again
};

// srv_waiter is one who waits for DNS. Embedded, zeroed before its first use; `wake` is called from the loop, once.
struct srv_waiter {
    LIST_ENTRY(srv_waiter) link; // private
    bool is_waiting;             // private
    void (*wake)(void *owner);
    void *owner; // borrowed
};

struct srv_source;

// srv_source_create makes one that has asked nobody. `resolver` is borrowed, `settings` are copied. `on_change` (NULL: nobody)
// is called from the loop with `owner` after DNS was heard, before those who wait are woken; the source must live on through
// it. NULL without memory.
struct srv_source *srv_source_create(struct ev_loop *loop, struct resolver *resolver,
                                     const struct srv_settings *settings,
                                     void (*on_change)(void *owner), void *owner) MUST_USE;

// srv_source_destroy ends it. Nobody may wait. NULL is allowed.
void srv_source_destroy(struct srv_source *source);

// srv_source_set_resolver has another resolver asked from now on; a question under way goes on.
void srv_source_set_resolver(struct srv_source *source, struct resolver *resolver);

// srv_source_set_owner has on_change called with another owner.
void srv_source_set_owner(struct srv_source *source, void *owner);

// srv_source_look makes sure that what is known is of today. True: it is. False: DNS is asked, and `waiter` is woken when it has
// answered, or has not in time.
bool srv_source_look(struct srv_source *source, struct srv_waiter *waiter);

// srv_source_leave has a waiter be woken no more.
void srv_source_leave(struct srv_waiter *waiter);

// srv_source_list gives the places that are known, and may be used. Borrowed, good until the loop runs.
const struct srv_list *srv_source_list(const struct srv_source *source);

// srv_source_problem gives what was wrong with the last answer in a word, in static memory; NULL: nothing, or nobody was asked.
const char *srv_source_problem(const struct srv_source *source);

// srv_source_settings gives what it was made with. Borrowed.
const struct srv_settings *srv_source_settings(const struct srv_source *source);

// srv_source_due_ms gives when what is known becomes too old (monotonic).
int64_t srv_source_due_ms(const struct srv_source *source);
