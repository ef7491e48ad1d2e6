// lane: a thread of the sidecar with its loop, its listening sockets and its bridges. Lanes share nothing but
// the credentials, which do not change; renewed ones are handed to each through its mailbox.
#pragma once

#include "proxy/net/resolver.h"
#include "proxy/sidecar/bridge.h"

enum { LANE_LISTENERS_MAX = 8 };

struct lane_options {
    struct credentials *credentials; // a reference of its own is taken
    const struct target *proxies;    // borrowed for the call
    size_t proxy_count;              // 1 to ROUTE_PROXIES_MAX
    const struct pins *pins;         // borrowed; must outlive the lane
    struct upstream_timeouts reach;
    int64_t retry_ms; // see struct route
    struct bridge_timeouts bridges;
    struct resolver_options resolver; // borrowed for the call
    size_t live_max;
    int64_t drain_ms;
    const int *listener_fds; // taken over, also on an error
    size_t listener_count;
    void (*on_exit)(void *arg); // called on the lane's thread as its last act
    void *arg;                  // borrowed
};

struct lane;

// lane_create prepares everything but the thread, lane_start starts it.
enum err lane_create(const struct lane_options *options, struct lane **out,
                     struct errinfo *info) MUST_USE;
enum err lane_start(struct lane *lane, struct errinfo *info) MUST_USE;

// lane_adopt has new connections made with other credentials; what is open stays. Any thread, as those below.
void lane_adopt(struct lane *lane, struct credentials *credentials);

// lane_drain makes it accept no more and exit when the last bridge has ended, or `drain_ms` have passed.
void lane_drain(struct lane *lane);

// lane_stop makes it end everything and exit now.
void lane_stop(struct lane *lane);

// lane_join waits for the thread and tells how many connections had to be cut.
size_t lane_join(struct lane *lane);

// lane_destroy frees one that never ran or has been joined. NULL is allowed.
void lane_destroy(struct lane *lane);
