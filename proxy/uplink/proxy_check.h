// proxy_check: asks one proxy whether it can be used: it is reached like a proxy that a tunnel goes through, with the same
// certificate, and anything that it answers to `OPTIONS *` in HTTP will do.
//
// It is over within its time. Decides nothing.
#pragma once

#include "proxy/uplink/upstream.h"

struct proxy_check;

// What is asked; all borrowed until proxy_check_destroy, but for the credentials, of which a reference is taken.
struct proxy_check_request {
    struct ev_loop *loop;
    struct buffer_pool *pool;
    struct resolver *resolver;
    struct credentials *credentials;    // NULL: in the clear
    const struct target *proxy;         // copied
    const struct hostname *served_name; // that its certificate must have, copied; NULL: its own
    int64_t limit_ms;                   // for all of it
};

// proxy_check_begin begins to ask. `on_done` is called once, from the loop, with `owner` (borrowed) and a word for what is
// wrong, in static memory, or NULL; never from within this function. The check may be destroyed in it. NULL without memory.
struct proxy_check *proxy_check_begin(const struct proxy_check_request *request,
                                      void (*on_done)(void *owner, const char *problem),
                                      void *owner) MUST_USE;

// proxy_check_destroy ends it, and frees. NULL is allowed.
void proxy_check_destroy(struct proxy_check *check);
