// Counts and ids.
#include "proxy/session/context.h"

#include <stdio.h>

size_t sessions_live(const struct session_context *context)
{
    return (size_t)(context->counters.accepted - context->counters.closed) -
           context->state_counts[SESSION_DEAD];
}

// mix is the finalizer of SplitMix64: one to one, so different counts give different ids.
static uint64_t mix(uint64_t value)
{
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
    return value ^ (value >> 31);
}

void session_context_make_id(struct session_context *context, char out[17])
{
    const uint64_t value = mix(context->id_seed + context->id_count++);
    (void)snprintf(out, 17, "%08x%08x", (uint32_t)(value >> 32), (uint32_t)value);
}
