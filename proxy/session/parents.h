// parents: the proxies that the requests of one worker may be sent through: the connections to them, which tunnels share,
// and which of them could not be reached lately.
//
// A parent whose configuration changes is replaced, and so is one that is a service in DNS, when its places change. The old one
// takes nothing more, and ends with its last request.
#pragma once

#include "proxy/config/snapshot.h"
#include "proxy/uplink/connection_pool.h"
#include "proxy/uplink/srv_source.h"

// parent is one of them. Others may read `name`, `options` and `pool`.
struct parent {
    TAILQ_ENTRY(parent) link;
    char name[PARENT_NAME_MAX + 1];
    bool resolves; // it may be asked for names; may be read
    struct proxy_route_options options;
    struct proxy_route route; // private to parents.c
    struct connection_pool pool;
    bool tells_client;     // it is told whose request it is; may be read
    size_t user_count;     // private
    bool is_retired;       // private; it is no longer, or otherwise, configured
    int64_t down_until_ms; // private; monotonic
    struct parents *all;   // private; borrowed
    struct srv_source
        *source;             // private; owned; NULL: its proxies are written, or a successor has it
    struct hostname service; // private; whose places they are; empty: they are written
};

enum parent_places {
    PARENT_FOUND,
    PARENT_WAITS,   // for DNS
    PARENT_NOWHERE, // DNS says no place for it; parent_problem says why
};

TAILQ_HEAD(parent_list, parent);

// Embedded by the context. Private to parents.c.
struct parents {
    struct ev_loop *loop;        // borrowed
    struct buffer_pool *buffers; // borrowed
    struct parent_list all;      // owned
};

// parents_start begins with those of `snapshot` and without a connection; parents_stop ends all of them. None may be used
// then. It may be started again, on another loop.
void parents_start(struct parents *parents, struct ev_loop *loop, struct buffer_pool *buffers,
                   struct resolver *resolver, const struct snapshot *snapshot);
void parents_stop(struct parents *parents);

// parents_adopt makes the parents those of `snapshot`, and has their names resolved by `resolver`, which is borrowed until
// the next call.
void parents_adopt(struct parents *parents, struct resolver *resolver,
                   const struct snapshot *snapshot);

// parents_reap frees those that are not needed any more. Called from the loop when nothing of them is running.
void parents_reap(struct parents *parents);

// parents_find gives the parent of that name, or NULL, also without memory for it.
struct parent *parents_find(struct parents *parents, const char *name);

// parent_hold keeps a parent until parent_release. NULL is allowed for parent_release.
void parent_hold(struct parent *parent);
void parent_release(struct parent *parent);

// parent_find_proxies tells whether it is known where the proxies of a parent are that is current. PARENT_WAITS: `waiter` is woken
// when DNS was heard; the parent need not be current any more then.
enum parent_places parent_find_proxies(struct parent *parent, struct srv_waiter *waiter);

// parent_problem gives in a word why there is no place for it; static memory.
const char *parent_problem(const struct parent *parent);

// parent_is_current tells whether it is as it is configured today: neither a reload nor DNS has replaced it.
bool parent_is_current(const struct parent *parent);

// parent_is_configured tells whether a proxy of the parent is one in a snapshot, too, and is reached in the same way.
bool parent_is_configured(const struct parent *parent, const struct target *proxy,
                          const struct snapshot *snapshot);

// parent_stop_resuming has TLS sessions of before resumed no more: some servers fail with an alert there. False: they were not.
bool parent_stop_resuming(struct parent *parent);

// parent_note_unreachable has others be tried before this one for some seconds, and logs that, with `why` in a word;
// parent_note_reached ends it.
void parent_note_unreachable(struct parent *parent, const char *why, int64_t now_ms);
void parent_note_reached(struct parent *parent);

// parent_is_down tells whether it could not be reached lately, or all of its proxies are down, as checks have found.
bool parent_is_down(const struct parent *parent, int64_t now_ms);
