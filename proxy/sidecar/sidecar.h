// sidecar: `sallyport connect` as a process: binds, starts and stops its workers, watches the files, minds the
// signals. A plain HTTP proxy for this machine, whose every request goes to one proxy over TLS with the
// certificate of this machine, and nowhere else.
#pragma once

#include "auth/policy.h"
#include "proxy/sidecar/credentials.h"
#include "proxy/sidecar/sidecar_worker.h"

struct sidecar_options {
    struct endpoint listen[SIDECAR_LISTENERS_MAX];
    size_t listen_count;
    struct credential_paths paths;            // borrowed
    struct pins pins;                         // keys of which a proxy must have one; none: any
    struct credentials *credentials;          // read from `paths`; its reference is taken over
    struct target proxies[ROUTE_PROXIES_MAX]; // the next one where nobody is at one
    size_t proxy_count;
    int64_t retry_ms;                           // for so long they are tried again
    struct dns_server servers[DNS_MAX_SERVERS]; // of DNS
    size_t server_count;                        // 0: the system's
    uint32_t workers;
    size_t live_max; // connections of a worker
    int64_t idle_ms;
    int64_t drain_ms;
};

// sidecar_run serves until a signal ends it: SIGTERM drains, SIGINT ends at once, SIGHUP reads the files
// again. Prints `ready connect=ADDRESS:PORT ...` on stdout. Returns the exit status: 0, or 1 when it could
// not start or had to cut connections. Called by main, once.
int sidecar_run(const struct sidecar_options *options);
