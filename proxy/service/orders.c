// They go on to the processes that this one leads.
#include "proxy/service/orders.h"

#include <time.h>

#include "proxy/audit/sink.h"
#include "proxy/log/log.h"
#include "proxy/process/notify.h"
#include "proxy/service/upgrade.h"

void service_begin_drain(struct service *service)
{
    struct succession *succession = &service->succession;
    service->stopping_at_s = (int64_t)time(NULL);
    if (succession->retirement == NULL) // nobody minds an old process
        notify_send("STOPPING=1");
    upgrade_abandon(succession->upgrade);
    sockets_give_up(&service->sockets);
    predecessors_say(&succession->predecessors, HANDOVER_DRAIN);
    log_info(LOG_DRAINING,
             "draining: no new connections; live tunnels have %.1f s (timeouts.drain); SIGINT ends "
             "them now",
             (double)service->snapshot->timeouts.drain_ms / 1000.);
    service_post(service, WORKER_DRAIN);
}

void service_stop_now(struct service *service)
{
    if (service->stopping_at_s == 0)
        service->stopping_at_s = (int64_t)time(NULL);
    service->is_interrupted = true;
    sockets_give_up(&service->sockets);
    log_info(LOG_STOPPING, "stopping now");
    predecessors_say(&service->succession.predecessors, HANDOVER_STOP);
    service_post(service, WORKER_STOP);
}

void service_reopen_audit(struct service *service)
{
    const char *path = service->snapshot->audit_path;
    predecessors_say(&service->succession.predecessors, HANDOVER_REOPEN);
    if (sink_is_stdout(path)) {
        log_info(LOG_AUDIT_REOPENED,
                 "SIGUSR1: the audit goes to stdout, so that there is nothing to reopen");
        return;
    }
    log_info(LOG_AUDIT_REOPENED, "reopening the audit log %s", path);
    audit_log_reopen(service->shared.audit);
}
