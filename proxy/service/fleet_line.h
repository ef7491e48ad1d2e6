// fleet_line: a connection to the store that a fleet shares, with what it needs of its own: settings and a resolver.
//
// On main's loop. A line is made whole or not at all, beside the one that is in use: so a reload for which there is no memory
// changes nothing. Knows nothing of what is asked.
#pragma once

#include "proxy/net/buffer.h"
#include "proxy/net/resolver.h"
#include "proxy/store/store_link.h"

struct fleet_line {
    struct store_settings settings; // its password is wiped at the end; `tls` is a ref
    struct resolver *resolver;      // owned
    struct fetch_path path;
    struct store_link *link; // owned
};

struct fleet_line_options {
    struct ev_loop *loop;                    // borrowed, like all of these
    struct buffer_pool *buffers;             // must outlive it
    const struct resolver_options *resolver; // copied as resolver_create does
    const struct store_settings *store;      // copied
    void (*on_change)(
        void *owner); // as of store_link_options; not before fleet_line_create has returned
    void *owner;
};

// fleet_line_create makes one, which begins to connect. ERR_SYSTEM or ERR_MEMORY with a sentence. NULL is allowed for _destroy, which
// calls nobody back.
enum err fleet_line_create(const struct fleet_line_options *options, struct fleet_line **out,
                           struct errinfo *info) MUST_USE;
void fleet_line_destroy(struct fleet_line *line);
