// limits: how much a client, and the whole proxy, may use: values as the configuration states them.
//
// What is in use is counted by proxy/limits; a limit that is 0 is none.
#pragma once

#include <stdint.h>

// Who counts what the limits of a client say.
enum limit_scope {
    LIMIT_MACHINE, // this proxy by itself
    LIMIT_FLEET,   // all proxies that share a store, together
};

// What one client may use, counted by its name over all workers, connections and reloads.
struct client_limits {
    uint32_t tunnels;        // open at a time
    uint32_t new_tunnels;    // a second
    uint32_t burst;          // of them at once, after a rest; never 0 where new_tunnels is not
    uint32_t requests;       // of any kind, a second
    uint32_t requests_burst; // of them at once, after a rest; never 0 where requests is not
    enum limit_scope scope;  // of all above, and of the bandwidth
    uint64_t bandwidth_up;   // bytes a second, client to targets
    uint64_t bandwidth_down; // bytes a second, targets to client
    int64_t age_ms;          // of a tunnel, from the 200 on
    int64_t idle_ms;         // of a tunnel without a byte; in place of timeouts.idle
};

enum { CLIENT_LIMITS = 9 };

// One of a client's limits: as whoami calls it, and as explain does, with its unit.
struct client_limit {
    const char *name;
    const char *name_with_unit;
    uint64_t value; // 0: not limited
};

// client_limits_list lists them, in the order in which they are shown.
void client_limits_list(const struct client_limits *limits, struct client_limit out[CLIENT_LIMITS]);

// What one source address (IPv6: one /64) may do before anybody knows who is there.
struct source_limits {
    uint32_t failed_handshakes; // a second
    uint32_t half_open;         // handshakes under way at a time
};

enum { LIMITS_HEAD_MAX = 64 * 1024 }; // bytes; the most that `head` can be

// What the whole process may use.
struct proxy_limits {
    uint32_t sessions;         // connections of clients at a time
    uint32_t tunnels;          // open at a time
    uint64_t memory;           // bytes resident
    uint32_t refused_requests; // a second, of one client, or of one source where no client fits
    uint32_t head;             // bytes of the head of a plain request; never 0
    struct source_limits source;
};
