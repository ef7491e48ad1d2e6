// What more than one of the files of the process does.
#include "proxy/service/state.h"

#include "proxy/clock/clock.h"
#include "proxy/limits/ledger.h"
#include "proxy/limits/sources.h"

void service_apply_limits(struct service *service, const struct snapshot *snapshot)
{
    ledger_configure(service->shared.ledger, &snapshot->limits, monotonic_us() / 1000);
    sources_configure(service->shared.sources, &snapshot->limits);
    memory_watch_set(&service->memory, snapshot->limits.memory != 0);
}

void service_post(struct service *service, enum worker_message message)
{
    for (uint32_t w = 0; w < service->worker_count; w++)
        worker_post(service->workers[w], message);
}
