// sidecar_options: what `connect` was told. A plain value.
#pragma once

#include "auth/policy.h"
#include "proxy/sidecar/credential_files.h"

enum { SIDECAR_LISTENERS_MAX = 8, SIDECAR_CONNECTIONS_MAX = 64 };

// Whether the kernel holds it in a sandbox.
enum sidecar_sandbox {
    SIDECAR_SANDBOX_AUTO, // as far as the kernel can
    SIDECAR_SANDBOX_ON,   // or it does not start
    SIDECAR_SANDBOX_OFF,
};

struct sidecar_options {
    struct proxy_way way;
    struct endpoint listen[SIDECAR_LISTENERS_MAX];
    size_t listen_count;
    uint32_t workers;
    size_t live_max;         // connections of a worker
    size_t connections_most; // to the proxy, that tunnels of a worker share; 0: none, HTTP/2 is off
    int64_t idle_ms;         // see struct bridge_context
    int64_t drain_ms;
    enum sidecar_sandbox sandbox;
};
