// sidecar_worker: a thread of the sidecar with its loop, its listening sockets and its bridges.
//
// Workers share nothing but the credentials, which do not change. Renewed ones are handed to each.
#pragma once

#include "proxy/net/resolver.h"
#include "proxy/sidecar/bridge.h"

enum { SIDECAR_LISTENERS_MAX = 8 };

struct sidecar_worker_options {
    uint32_t index;                   // from 0; for messages
    struct credentials *credentials;  // a reference of its own is taken
    const struct target *proxies;     // borrowed for the call
    size_t proxy_count;               // 1 to ROUTE_PROXIES_MAX
    const struct pins *pins;          // borrowed; must outlive the worker
    int64_t retry_ms;                 // see struct route
    int64_t idle_ms;                  // see struct bridge_context
    struct resolver_options resolver; // borrowed for the call
    size_t live_max;
    int64_t drain_ms;
    const int *listener_fds; // taken over, also on an error
    size_t listener_count;
    void (*on_exit)(void *arg); // called on the worker's thread as its last act
    void *arg;                  // borrowed
};

struct sidecar_worker;

// sidecar_worker_create prepares everything but the thread. ERR_MEMORY or ERR_SYSTEM with a sentence in `info`.
enum err sidecar_worker_create(const struct sidecar_worker_options *options,
                               struct sidecar_worker **out, struct errinfo *info) MUST_USE;

// sidecar_worker_start starts the thread.
enum err sidecar_worker_start(struct sidecar_worker *worker, struct errinfo *info) MUST_USE;

// sidecar_worker_adopt has new connections made with other credentials; open ones go on. Any thread.
void sidecar_worker_adopt(struct sidecar_worker *worker, struct credentials *credentials);

// sidecar_worker_drain makes the worker accept no more, and exit when the last bridge has ended or `drain_ms` have passed. Any
// thread.
void sidecar_worker_drain(struct sidecar_worker *worker);

// sidecar_worker_stop makes the worker end everything and exit now. Any thread.
void sidecar_worker_stop(struct sidecar_worker *worker);

// sidecar_worker_join waits for the thread and returns how many connections had to be cut.
size_t sidecar_worker_join(struct sidecar_worker *worker);

// sidecar_worker_destroy frees a worker that never ran or has been joined. NULL is allowed.
void sidecar_worker_destroy(struct sidecar_worker *worker);
