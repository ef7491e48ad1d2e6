// They go on to the processes that this one leads.
#include "proxy/service/orders.h"

#include <time.h>

#include "proxy/audit/sink.h"
#include "proxy/log/log.h"
#include "proxy/service/upgrade.h"

void service_begin_drain(struct service *service)
{
    struct succession *succession = &service->succession;
    if (service->stopping_at_s != 0)
        return;
    service->stopping_at_s = (int64_t)time(NULL);
    if (ev_is_active(&service->lame_duck))
        ev_timer_stop(service->loop, &service->lame_duck);
    if (succession->retirement == NULL) // nobody minds an old process
        keeper_link_notify(&service->keeper, "STOPPING=1");
    upgrade_abandon(succession->upgrade);
    sockets_give_up(&service->sockets);
    predecessors_say(&succession->predecessors, HANDOVER_DRAIN);
    log_info(LOG_DRAINING,
             "draining: no new connections; live tunnels have %.1f s (timeouts.drain); SIGINT ends "
             "them now",
             (double)service->snapshot->timeouts.drain_ms / 1000.);
    service_post(service, WORKER_DRAIN);
}

static void on_announced(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    service_begin_drain(timer->data);
}

static void announce_drain(struct service *service, int64_t after_ms)
{
    log_info(LOG_DRAINING,
             "the proxy drains in %.1f s; until then it goes on, and says that it is not ready",
             (double)after_ms / 1000.);
    upgrade_abandon(service->succession.upgrade);
    ev_timer_init(&service->lame_duck, on_announced, (ev_tstamp)after_ms / 1000., 0.);
    service->lame_duck.data = service;
    ev_timer_start(service->loop, &service->lame_duck);
}

void service_drain_after(struct service *service, int64_t after_ms)
{
    if (after_ms == 0)
        service_begin_drain(service);
    else if (service->stopping_at_s == 0 && !ev_is_active(&service->lame_duck))
        announce_drain(service, after_ms);
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
