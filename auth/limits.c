// The names are those of docs/HTTP.md and of the output of explain.
#include "auth/limits.h"

#include <stddef.h>

void client_limits_list(const struct client_limits *limits, struct client_limit out[CLIENT_LIMITS])
{
    const struct client_limit all[CLIENT_LIMITS] = {
        {"tunnels", "tunnels", limits->tunnels},
        {"new_tunnels", "new_tunnels_per_second", limits->new_tunnels},
        {"burst", "burst", limits->burst},
        {"requests", "requests_per_second", limits->requests},
        {"requests_burst", "requests_burst", limits->requests_burst},
        {"bandwidth_up", "bandwidth_up_bytes_per_second", limits->bandwidth_up},
        {"bandwidth_down", "bandwidth_down_bytes_per_second", limits->bandwidth_down},
        {"age_ms", "age_ms", (uint64_t)limits->age_ms},
        {"idle_ms", "idle_ms", (uint64_t)limits->idle_ms},
    };
    for (size_t i = 0; i < CLIENT_LIMITS; i++)
        out[i] = all[i];
}
