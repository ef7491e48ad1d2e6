// sidecar_worker: a thread of the sidecar with its loop, its listening sockets and its bridges.
//
// Workers share nothing but the credentials, which do not change. Renewed ones are handed to each worker.
#pragma once

#include "proxy/loop/loop_thread.h"
#include "proxy/sidecar/bridge.h"
#include "proxy/sidecar/sidecar_options.h"

// Embedded. The owner posts LOOP_DRAIN and LOOP_STOP to `thread`, joins it, and then may read `cut_count`. The other fields
// are private to sidecar_worker.c.
struct sidecar_worker {
    uint32_t magic;
    struct loop_thread thread;
    size_t cut_count;                      // connections that were ended by us
    const struct sidecar_options *options; // borrowed
    struct bridge_context context;
    struct listener *listeners[SIDECAR_LISTENERS_MAX]; // owned; NULL when not accepting
    _Atomic(struct credentials *) renewed; // owned; put there by others, taken by the loop
};

// sidecar_worker_start prepares a worker and starts its thread. `index` counts from 0, for messages. Of each listener of
// `options` it takes over the descriptor at `fds` plus a multiple of the number of workers, and leaves -1 there. `options`
// and `exits` must outlive the worker, whose last act is to send `exits`. On an error it has freed itself: ERR_MEMORY or
// ERR_SYSTEM with a sentence in `info`.
enum err sidecar_worker_start(struct sidecar_worker *worker, uint32_t index,
                              const struct sidecar_options *options,
                              struct credentials *credentials, int *fds, const struct wakeup *exits,
                              struct errinfo *info) MUST_USE;

// sidecar_worker_adopt has new connections made with other credentials; open ones go on. Any thread.
void sidecar_worker_adopt(struct sidecar_worker *worker, struct credentials *credentials);

// sidecar_worker_deinit frees a worker whose thread has been joined.
void sidecar_worker_deinit(struct sidecar_worker *worker);
