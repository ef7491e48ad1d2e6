// Start order: limits, listeners, audit log, resolver library, workers, ready. Stop order: the reverse.
// Signals are blocked in every thread; the loop of this one reads them from a signalfd.
#include "proxy/service/service.h"

#include <errno.h>
#include <ev.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "proxy/audit/refusals.h"
#include "proxy/audit/sink.h"
#include "proxy/config/endpoint_text.h"
#include "proxy/config/source.h"
#include "proxy/keys/key_line.h"
#include "proxy/limits/ledger.h"
#include "proxy/limits/sources.h"
#include "proxy/log/log.h"
#include "proxy/net/dns_channel.h"
#include "proxy/net/loop_memory.h"
#include "proxy/ocsp/ocsp_asker.h"
#include "proxy/process/limits.h"
#include "proxy/process/scheduling.h"
#include "proxy/service/activation.h"
#include "proxy/service/blocking.h"
#include "proxy/service/caging.h"
#include "proxy/service/control.h"
#include "proxy/service/crl_fetches.h"
#include "proxy/service/monitor.h"
#include "proxy/service/findings.h"
#include "proxy/service/fleet.h"
#include "proxy/service/included_keeper.h"
#include "proxy/service/orders.h"
#include "proxy/service/parent_checks.h"
#include "proxy/service/reload.h"
#include "proxy/service/retirement.h"
#include "proxy/service/upgrade.h"
#include "proxy/session/context.h"
#include "proxy/session/overlaps.h"

static const int handled_signals[] = {SIGTERM, SIGINT, SIGUSR1, SIGHUP, SIGUSR2};

enum {
    SIGNAL_COUNT = sizeof handled_signals / sizeof handled_signals[0],
    EXIT_FAILED = 1,
    EXIT_CONFIG = 3,
    WORKER_DESCRIPTORS = 4, // that a worker opens for itself: loop, mailbox, DNS
    LAST_WAIT_S = 10,
    STORE_PATIENCE_MS = 2000, // before the first connection is accepted
};

static void on_problem(const char *path, int error)
{
    if (error == 0)
        log_info(LOG_AUDIT_WORKS, "audit log %s: writing works again", sink_label(path));
    else
        log_error(
            LOG_AUDIT_FAILING,
            "audit log %s: %s; it is tried twice a second, and until it works `audit.on_full` "
            "decides: new requests are refused, or have no record",
            sink_label(path), error == EAGAIN ? "nobody reads it" : strerror(error));
}

static void on_audit_removed(const char *path, uint64_t count)
{
    log_error(
        LOG_AUDIT_REMOVED,
        "audit log %s: the file was removed while it was in use; it is created again, and its contents are lost (%" PRIu64
        " times since the start); to rotate, rename it and send SIGUSR1",
        path, count);
}

static void on_sink(const char *label, enum outlet_event event, const char *problem)
{
    switch (event) {
    case OUTLET_WORKS:
        log_info(LOG_SINK_WORKS, "sink %s of the audit log: it takes records again", label);
        return;
    case OUTLET_FAILS:
        log_warning(LOG_SINK_FAILING,
                    "sink %s of the audit log: %s; it is tried again, and records wait for it",
                    label, problem);
        return;
    case OUTLET_LOSES:
        log_warning(LOG_SINK_FAILING, "sink %s of the audit log: it is not used any more, and %s",
                    label, problem);
        return;
    }
}

static enum err start_workers(struct service *service, struct errinfo *info)
{
    const uint32_t count = service->snapshot->workers;
    struct session_context shared = service->shared;
    shared.snapshot = service->snapshot;
    service->workers = calloc(count, sizeof(struct worker *));
    service->spread = spread_create(count);
    if (service->workers == NULL || service->spread == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory for the workers");
    const uint64_t base = limits_count_descriptors() + (uint64_t)count * WORKER_DESCRIPTORS;
    for (uint32_t w = 0; w < count; w++) {
        const struct worker_options options = {
            .index = w,
            .listener_fds = sockets_of(&service->sockets, w),
            .shares = service->sockets.shares,
            .context = &shared,
            .descriptors = service->descriptors,
            .base_descriptors = base,
            .spread = service->spread,
            .keys = service->key_line == NULL ? NULL : key_store_desk(service->keys),
            .exits = &service->exits,
            .adopted = &service->adopted,
        };
        TRY(worker_start(&options, &service->workers[w], info));
        service->worker_count++;
    }
    return ERR_OK;
}

static void on_hangup(struct service *service)
{
    const char *refusal = reload_refusal(service);
    control_restore(service->control);
    if (refusal != NULL) {
        log_warning(LOG_RELOAD_FAILED, "SIGHUP: %s", refusal);
        if (service->stopping_at_s != 0) {
            reload_take(service);
        } else {
            keeper_link_notify_reloading(&service->keeper); // or the manager would wait for it
            keeper_link_notify(&service->keeper, "READY=1");
        }
        return;
    }
    log_info(LOG_RELOADING, "SIGHUP: reloading %s", service->snapshot->path);
    predecessors_reload(&service->succession.predecessors);
    (void)reload_request(service, LOADER_ALL);
}

static void on_usr2(struct service *service)
{
    const char *refusal = upgrade_refusal(service);
    if (refusal == NULL)
        (void)upgrade_request(service, UPGRADE_PATIENCE_MS);
    else
        log_warning(LOG_UPGRADE, "SIGUSR2: no upgrade: %s", refusal);
}

static void on_signal(void *arg, uint32_t number)
{
    struct service *service = arg;
    upgrade_note_signal(service->succession.upgrade, (int)number);
    switch (number) {
    case SIGTERM:
        service_begin_drain(service);
        break;
    case SIGINT:
        service_stop_now(service);
        break;
    case SIGUSR1:
        service_reopen_audit(service);
        break;
    case SIGHUP:
        on_hangup(service);
        break;
    case SIGUSR2:
        on_usr2(service);
        break;
    default:
        break;
    }
}

// on_clock_set: rights that end by the wall clock may have ended, or end sooner than timers think.
static void on_clock_set(void *arg)
{
    struct service *service = arg;
    log_warning(LOG_CLOCK_SET,
                "the machine's clock was set, or it has slept: every tunnel is judged again by the "
                "time that it is now");
    service_post(service, WORKER_CLOCK_SET);
    horizon_look(&service->horizon);
}

static void on_waited(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)timer;
    (void)events;
    log_warning(LOG_UPGRADE, "an old process has not ended; it drains by itself");
    ev_break(loop, EVBREAK_ALL);
}

// end_if_over ends main's loop when the last worker has ended, and the last process that we lead: a service manager takes the
// end of this one for the end of all. It waits for them as long as they may drain, and a little longer.
static void end_if_over(struct service *service)
{
    struct succession *succession = &service->succession;
    if (service->exited_count < service->worker_count)
        return;
    if (succession->predecessors.count == 0) {
        ev_break(service->loop, EVBREAK_ALL);
    } else if (!ev_is_active(&succession->last_wait)) {
        const int64_t drain_ms = service->is_interrupted ? 0 : service->snapshot->timeouts.drain_ms;
        ev_timer_init(&succession->last_wait, on_waited, (ev_tstamp)drain_ms / 1000. + LAST_WAIT_S,
                      0.);
        ev_timer_start(service->loop, &succession->last_wait);
    }
}

static void on_exits(void *arg, uint32_t rung)
{
    struct service *service = arg;
    service->exited_count += rung;
    end_if_over(service);
}

// on_fewer_predecessors: an old process has ended.
static void on_fewer_predecessors(void *arg)
{
    struct service *service = arg;
    const struct succession *succession = &service->succession;
    audit_log_share(service->shared.audit, succession->predecessors.count > 0 ||
                                               upgrade_is_under_way(succession->upgrade));
    if (service->stopping_at_s != 0)
        end_if_over(service);
}

// say_ready prints the line that scripts wait for, on stderr where stdout is the audit's. One write, so that nobody
// reads half of it.
static void say_ready(const struct service *service)
{
    const size_t cap = 16 + service->snapshot->listener_count * 128;
    char *data = malloc(cap);
    if (data == NULL) {
        log_warning(LOG_READY_FAILED, "no memory for the ready line");
        return;
    }
    struct text line;
    text_init(&line, data, cap);
    text_append_string(&line, "ready");
    for (size_t l = 0; l < service->snapshot->listener_count; l++) {
        char endpoint[ENDPOINT_TEXT_CAP];
        text_append_format(&line, " %s=%s", service->snapshot->listeners[l].name,
                           endpoint_format(&service->sockets.bound[l], endpoint));
    }
    text_append_string(&line, "\n");
    const bool is_audit = sink_is_stdout(service->snapshot->audit_path);
    if (write(is_audit ? STDERR_FILENO : STDOUT_FILENO, line.data, line.len) < 0)
        log_warning(LOG_READY_FAILED, "cannot write the ready line: %m");
    free(data);
}

// say_serving tells the keeper, scripts, the service manager, and the process before us. Those who served before are led by us from now
// on.
static void say_serving(struct service *service)
{
    struct succession *succession = &service->succession;
    struct inheritance *inheritance = &succession->inheritance;
    const struct handover_message serving = {.kind = HANDOVER_SERVING};
    keeper_link_serve(&service->keeper, service->snapshot->log.format == LOG_FORMAT_JSON);
    const bool is_told = inheritance->fd < 0 || handover_tell(inheritance->fd, &serving);
    say_ready(service);
    keeper_link_notify(&service->keeper, "READY=1");
    if (inheritance->fd < 0)
        return;
    predecessors_count_in(&succession->predecessors, service->shared.ledger);
    if (!is_told)
        log_warning(LOG_UPGRADE, "the process before us has ended: %m");
    predecessors_add(&succession->predecessors, inheritance->pid, inheritance->fd,
                     slice_of(inheritance->counts, inheritance->counts_len));
    inheritance->fd = -1;
    for (size_t i = 0; i < inheritance->ancestor_count; i++) {
        struct ancestor *ancestor = &inheritance->ancestors[i];
        predecessors_add(&succession->predecessors, ancestor->pid, ancestor->fd, (struct slice){0});
        ancestor->fd = -1;
    }
    (void)predecessors_obey(&succession->predecessors, service->blocks);
    predecessors_compare(&succession->predecessors, service->snapshot->id, true);
    log_info(LOG_UPGRADE, "upgrade: this process, %d, serves in the place of %" PRId64,
             (int)getpid(), inheritance->pid);
    if (inheritance->admin.path != NULL) // the configuration of today wants it elsewhere
        given_place_remove(&inheritance->admin);
    inheritance_deinit(inheritance);
}

static bool is_same_path(const char *path, const char *handed_over)
{
    return strcmp(path == NULL ? "" : path, handed_over) == 0;
}

// open_control opens the control socket and reads who is blocked. What is not known about blocks stops the
// start like a wrong configuration. A process that takes the place of another gets both from that one.
static enum err open_control(struct service *service, struct errinfo *info)
{
    const struct snapshot *snapshot = service->snapshot;
    struct inheritance *inheritance = &service->succession.inheritance;
    const bool is_heir = inheritance->fd >= 0;
    if (is_heir && (!is_same_path(snapshot->control_path, inheritance->control) ||
                    !is_same_path(snapshot->state_path, inheritance->state)))
        return errinfo_set(info, ERR_INPUT,
                           "`control` differs from that of the running process, and cannot change "
                           "in an upgrade: restart the proxy");
    if (snapshot->control_path == NULL)
        return ERR_OK;
    const int given_fd = inheritance->control_fd; // -1 also where somebody has removed its path
    inheritance->control_fd = -1;
    if (control_create(service, given_fd, &service->control, info) != ERR_OK)
        return ERR_SYSTEM;
    if (is_heir)
        return ERR_OK;
    if (block_state_load(service->snapshot->state_path, &service->kept, info) != ERR_OK)
        return ERR_INPUT;
    return blocking_begin(service, info);
}

// make_token makes up what tells this process apart from all others in the requests that it sends on.
static bool make_token(char out[VIA_TOKEN_CAP])
{
    uint8_t random[(VIA_TOKEN_CAP - 1) / 2];
    struct text text;
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return false;
    text_init(&text, out, VIA_TOKEN_CAP);
    text_append_hex(&text, slice_of(random, sizeof random));
    return true;
}

static void on_ocsp_answer(void *arg)
{
    service_post(arg, WORKER_OCSP_ANSWERED);
}

static void on_ocsp_lost(void *arg)
{
    service_post(arg, WORKER_OCSP_LOST);
}

// open_asker makes what asks OCSP responders.
static enum err open_asker(struct service *service, struct errinfo *info)
{
    const struct ocsp_events events = {
        .on_answer = on_ocsp_answer, .on_lost = on_ocsp_lost, .arg = service};
    service->asker = ocsp_asker_create(service->loop, &service->snapshot->resolver, &events, info);
    if (service->asker == NULL)
        return ERR_SYSTEM;
    service->shared.ocsp = ocsp_asker_book(service->asker);
    return ERR_OK;
}

// open_counts makes what is counted over all workers.
static enum err open_counts(struct service *service, struct errinfo *info)
{
    struct session_context *shared = &service->shared;
    shared->ledger = ledger_create();
    shared->sources = sources_create();
    shared->refusals = refusals_create(REFUSALS_EACH_PER_SECOND);
    shared->refused_requests = refusals_create(0);
    shared->overlaps = overlaps_create();
    if (shared->ledger == NULL || shared->sources == NULL || shared->refusals == NULL ||
        shared->refused_requests == NULL || shared->overlaps == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory to count what is in use");
    if (!make_token(shared->token))
        return errinfo_set(info, ERR_SYSTEM, "no randomness");
    memory_watch_start(&service->memory, service->loop, shared->ledger);
    service_apply_limits(service, service->snapshot);
    return ERR_OK;
}

// open_loop makes main's loop and what wakes it.
static enum err open_loop(struct service *service, struct errinfo *info)
{
    service->loop = loop_memory_start() ? ev_default_loop(EVFLAG_NOENV) : NULL;
    if (service->loop == NULL || !wakeup_start(&service->exits, service->loop, on_exits, service) ||
        !reload_start(service))
        return errinfo_set(info, ERR_SYSTEM, "cannot make an event loop: %m");
    if (!clock_watch_start(&service->clock_watch, service->loop, on_clock_set, service))
        return errinfo_set(info, ERR_SYSTEM, "cannot be told when the clock is set: %m");
    return ERR_OK;
}

static void on_started(void *arg, int64_t pid)
{
    const struct service *service = arg;
    upgrade_on_started(service->succession.upgrade, pid);
}

static void on_not_started(void *arg, const char *why)
{
    const struct service *service = arg;
    upgrade_on_not_started(service->succession.upgrade, why);
}

static void on_process_ended(void *arg, int64_t pid, int status)
{
    const struct service *service = arg;
    upgrade_on_ended(service->succession.upgrade, pid, status);
}

// on_keeper_lost: who looks after the proxy believes that it is gone, and may have started another one already. An old process
// drains, for the one that leads it ends too.
static void on_keeper_lost(void *arg)
{
    struct service *service = arg;
    upgrade_concede(service->succession.upgrade);
    if (service->succession.retirement != NULL)
        return;
    log_error(LOG_KEEPER, "the keeper is gone, and so nobody looks after this process: it ends");
    service_stop_now(service);
}

static void begin_being_kept(struct service *service, int keeper_fd)
{
    const struct keeper_events events = {.on_started = on_started,
                                         .on_not_started = on_not_started,
                                         .on_ended = on_process_ended,
                                         .on_lost = on_keeper_lost,
                                         .arg = service};
    keeper_link_begin(&service->keeper, service->loop, keeper_fd, &events);
}

// seal_keys settles where keys may be.
static enum err seal_keys(struct service *service, struct errinfo *info)
{
    struct key_source *source = key_store_source(service->keys);
    if (!source->is_in_use)
        return ERR_OK;
    service->loader.keys = source;
    const struct process_settings *process = &service->snapshot->process;
    TRY(key_store_seal(service->keys, process->key_paths, process->key_path_count,
                       process->sandbox == SANDBOX_ON, info));
    struct key_store_status status;
    key_store_status_read(service->keys, &status);
    if (process->sandbox == SANDBOX_AUTO && status.sandbox.missing.text[0] != '\0')
        log_warning(LOG_CAGE, "no whole sandbox for the process that holds the private keys: %s",
                    status.sandbox.missing.text);
    service->key_line = key_line_create(key_store_desk(service->keys), service->loop);
    return service->key_line == NULL ? errinfo_set(info, ERR_MEMORY, "no memory for private keys")
                                     : ERR_OK;
}

// settle_keys: before anything comes from the network it is settled where keys may be, or that none is apart.
static enum err settle_keys(struct service *service, struct errinfo *info)
{
    TRY(seal_keys(service, info));
    if (!keeper_link_settle(&service->keeper))
        return errinfo_set(info, ERR_SYSTEM, "the keeper cannot be told about private keys: %m");
    return ERR_OK;
}

// close_loop undoes that.
static void close_loop(struct service *service)
{
    if (service->loop != NULL) {
        clock_watch_stop(&service->clock_watch, service->loop);
        watchdog_stop(&service->watchdog, service->loop);
        wakeup_stop(&service->exits);
        keeper_link_end(&service->keeper, service->loop);
        key_line_destroy(service->key_line);
        ev_loop_destroy(service->loop);
    }
}

// on_written tells the ledger that a record waits no more. Called by the audit's writer, and by audit_log_close for what
// was never written: the ledger lives longer than the audit log.
static void on_written(void *arg, void *holder)
{
    struct service *service = arg;
    ledger_give_record(service->shared.ledger, holder, monotonic_us() / 1000);
}

// on_watchdog asks each worker, also after one that is late.
static void on_watchdog(void *arg)
{
    const struct service *service = arg;
    bool have_all = true;
    for (uint32_t w = 0; w < service->worker_count; w++)
        have_all = worker_take_pulse(service->workers[w]) && have_all;
    if (have_all)
        keeper_link_notify(&service->keeper, "WATCHDOG=1");
}

// on_other_answer: an old process has answered what all are asked.
static void on_other_answer(void *arg)
{
    struct service *service = arg;
    survey_note_other(&service->survey);
}

static void end_other(void *arg, int64_t pid)
{
    const struct service *service = arg;
    keeper_link_signal(&service->keeper, pid, SIGKILL);
}

static size_t ask_others(void *arg, const struct scan *question)
{
    struct service *service = arg;
    return predecessors_ask(&service->succession.predecessors, question);
}

static void collect_others(void *arg, struct scan *sum)
{
    struct service *service = arg;
    predecessors_collect(&service->succession.predecessors, sum);
}

static void pause_control(struct service *service, bool is_paused)
{
    if (is_paused)
        control_pause(service->control);
    else
        control_resume(service->control);
}

static void leave_fleet(struct service *service, bool is_left)
{
    if (is_left)
        fleet_leave(service->fleet);
    else
        fleet_return(service->fleet);
}

static bool is_control_quiet(const struct service *service)
{
    return control_is_quiet(service->control);
}

static int control_fd(const struct service *service)
{
    return control_socket_fd(service->control);
}

static int admin_fd(const struct service *service)
{
    return monitor_fd(service->monitor);
}

// retire leaves everything new to another process, and goes on with what is under way.
static void retire(struct service *service, struct handover_link *link, bool is_led)
{
    struct succession *succession = &service->succession;
    watchdog_stop(&service->watchdog, service->loop);
    predecessors_stop(&succession->predecessors);
    control_leave(service->control);
    monitor_leave(service->monitor);
    fleet_leave(service->fleet);
    crl_fetches_leave(service->crl_fetches);
    parent_checks_leave(service->parent_checks);
    sockets_give_up(&service->sockets);
    service_post(service, WORKER_RETIRE);
    succession->retirement = retirement_create(service, link);
    if (succession->retirement != NULL) {
        // The other one has read the configuration of today: what it takes away is taken away here, too. If it does not ask
        // whether it is in force here, that is all that is known of it.
        if (is_led)
            retirement_be_led(service);
        else
            (void)reload_request(service, LOADER_ALL);
        if (service->stopping_at_s != 0)
            end_if_over(service); // it has waited for the predecessors alone
        return;
    }
    log_error(LOG_UPGRADE, "no memory to be told who is blocked: this old process drains");
    service_begin_drain(service);
    fleet_go_alone(service->fleet);
}

static void write_secrets(const struct service *service, struct text *out)
{
    fleet_write_tickets(service->fleet, out);
}

static const struct upgrade_events upgrade_events = {
    .pause = pause_control,
    .leave = leave_fleet,
    .is_quiet = is_control_quiet,
    .control_fd = control_fd,
    .admin_fd = admin_fd,
    .write_secrets = write_secrets,
    .retire = retire,
};

// obey_end fails if this process, which does not serve yet, was told to end.
static enum err obey_end(struct errinfo *info)
{
    static const int endings[] = {SIGTERM, SIGINT};
    if (signals_are_pending(endings, sizeof endings / sizeof *endings))
        return errinfo_set(info, ERR_INPUT,
                           "the new process was told to end before it served (SIGTERM or SIGINT)");
    return ERR_OK;
}

// take_turn asks the process before this one, if there is one, whether this one may serve.
static enum err take_turn(const struct service *service, struct errinfo *info)
{
    const struct inheritance *inheritance = &service->succession.inheritance;
    if (inheritance->fd < 0)
        return ERR_OK;
    TRY(obey_end(info));
    return inheritance_take_turn(inheritance, info);
}

// take_place waits for its turn, if there is a process before this one, and goes on with what that one knows.
static enum err take_place(struct service *service, struct errinfo *info)
{
    struct inheritance *inheritance = &service->succession.inheritance;
    if (inheritance->fd < 0)
        return ERR_OK;
    TRY(inheritance_await(inheritance, service->shared.tickets, service->shared.ocsp,
                          &service->kept, info));
    TRY(obey_end(info));
    if (service->control != NULL && service->kept.words == NULL)
        return errinfo_set(info, ERR_INPUT, "the running process has not said who is blocked");
    if (service->kept.words == NULL)
        return ERR_OK;
    TRY(blocking_begin(service, info));
    if (!inheritance->is_state_kept && service->control != NULL)
        control_keep_state(service->control);
    return ERR_OK;
}

// open_fleet begins to share with other proxies, and reads what they say of blocks before anybody is served.
static enum err open_fleet(struct service *service, struct errinfo *info)
{
    static const struct fleet_events events = {.adopt_blocks = blocking_adopt,
                                               .keep_state = blocking_keep};
    struct inheritance *inheritance = &service->succession.inheritance;
    TRY(fleet_create(service, &events, &service->fleet, info));
    fleet_inherit_tickets(service->fleet, slice_of(inheritance->secrets, inheritance->secrets_len));
    explicit_bzero(inheritance->secrets, sizeof inheritance->secrets);
    fleet_await(service->fleet, STORE_PATIENCE_MS);
    return ERR_OK;
}

// open_audit opens the audit log.
static enum err open_audit(struct service *service, struct errinfo *info)
{
    const struct audit_log_options audit = {.path = service->snapshot->audit_path,
                                            .is_shared = service->succession.inheritance.fd >= 0,
                                            .chain = service->snapshot->audit_chain,
                                            .outlets = service->snapshot->audit_outlets,
                                            .outlet_count = service->snapshot->audit_outlet_count,
                                            .on_outlet = on_sink,
                                            .on_problem = on_problem,
                                            .on_removed = on_audit_removed,
                                            .on_written = on_written,
                                            .arg = service};
    return audit_log_open(&audit, &service->shared.audit, info) == ERR_OK ? ERR_OK : ERR_INPUT;
}

// open_sockets makes the listening sockets, or goes on with those of the process before this one.
static enum err open_sockets(struct service *service, struct monitor_place *place,
                             struct errinfo *info)
{
    struct inheritance *inheritance = &service->succession.inheritance;
    struct snapshot *snapshot = service->snapshot;
    if (inheritance->fd >= 0)
        TRY(inheritance_receive(inheritance, info));
    else
        TRY(activation_take(snapshot, inheritance, info));
    TRY(sockets_open(snapshot, snapshot->workers, inheritance->given, inheritance->given_count,
                     &service->sockets, info));
    TRY(monitor_place_open_first(snapshot, &inheritance->admin, place, info));
    return monitor_place_set_own(snapshot, &service->sockets, place);
}

// begin_asking begins to ask others for what the configuration wants to know of them.
static enum err begin_asking(struct service *service, struct errinfo *info)
{
    service->crl_fetches = crl_fetches_create(service);
    if (service->crl_fetches == NULL)
        return errinfo_set(info, ERR_SYSTEM, "cannot fetch CRLs: %m");
    crl_fetches_adopt(service->crl_fetches);
    service->parent_checks = parent_checks_create(service->loop);
    if (service->parent_checks == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory to check parents");
    parent_checks_adopt(service->parent_checks, service->snapshot);
    return ERR_OK;
}

// start begins everything. `place` is where metrics and health will be asked for; the caller closes it after an error.
static enum err start(struct service *service, int keeper_fd, struct monitor_place *place,
                      struct errinfo *info)
{
    TRY(caging_enter(&service->caging, service->snapshot, info));
    TRY(open_loop(service, info));
    begin_being_kept(service, keeper_fd);
    TRY(settle_keys(service, info));
    const struct predecessors_events events = {.on_less = on_fewer_predecessors,
                                               .on_answer = on_other_answer,
                                               .end = end_other,
                                               .arg = service};
    predecessors_init(&service->succession.predecessors, service->loop, &events);
    service->succession.upgrade = upgrade_create(service, &upgrade_events);
    if (service->succession.upgrade == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory for upgrades");
    TRY(open_sockets(service, place, info));
    TRY(open_control(service, info));
    TRY(open_audit(service, info));
    service->shared.tickets = ticket_keys_create(&service->snapshot->tickets.settings);
    if (service->shared.tickets == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory for the ticket keys");
    TRY(open_counts(service, info));
    if (dns_channel_global_init() != ERR_OK)
        return errinfo_set(info, ERR_SYSTEM, "cannot start c-ares");
    TRY(open_asker(service, info));
    TRY(take_place(service, info));
    TRY(open_fleet(service, info));
    TRY(start_workers(service, info));
    service->monitor = monitor_create(service);
    if (service->monitor == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory for `admin`");
    const struct survey_others others = {
        .ask = ask_others, .collect = collect_others, .arg = service};
    TRY(survey_start(&service->survey, service->loop, service->workers, service->worker_count,
                     &others, info));
    if (!signals_start(&service->signals, service->loop, on_signal, service))
        return errinfo_set(info, ERR_SYSTEM, "cannot receive signals: %m");
    reload_watch_files(service);
    TRY(begin_asking(service, info));
    if (service->succession.inheritance.fd >=
        0) // it has waited: what was revoked since was not seen
        (void)reload_request(service, LOADER_FILES);
    if (service->control != NULL)
        TRY(control_serve(service->control, info));
    watchdog_start(&service->watchdog, service->loop, on_watchdog, service);
    monitor_adopt(service->monitor, place);
    TRY(take_turn(service, info));
    service_post(service, WORKER_ACCEPT);
    say_serving(service);
    included_keep(service);
    return ERR_OK;
}

// stop undoes what start has done, as far as it came. It counts the exchanges that were cut; false when audit records
// were lost.
static bool stop(struct service *service, uint64_t *out_cut_count)
{
    const struct session_context *shared = &service->shared;
    uint64_t unwritten = 0;
    *out_cut_count = 0;
    service_post(service, WORKER_STOP);
    for (uint32_t w = 0; w < service->worker_count; w++)
        *out_cut_count += worker_join(service->workers[w]);
    service->worker_count = 0; // nobody is told anything any more
    struct succession *succession = &service->succession;
    ocsp_asker_destroy(service->asker);
    survey_stop(&service->survey);
    fleet_destroy(service->fleet);
    service->fleet = NULL;
    predecessors_stop(&succession->predecessors);
    *out_cut_count += succession->predecessors.cut_count;
    retirement_tell_end(succession->retirement, *out_cut_count);
    retirement_destroy(succession->retirement);
    control_end(service->control, *out_cut_count);
    monitor_destroy(service->monitor);
    upgrade_destroy(succession->upgrade);
    crl_fetches_destroy(service->crl_fetches);
    parent_checks_destroy(service->parent_checks);
    reload_stop(service);
    signals_stop(&service->signals, service->loop);
    if (shared->audit != NULL)
        unwritten = audit_log_close(shared->audit);
    control_destroy(service->control);
    if (unwritten > 0)
        log_error(LOG_RECORDS_LOST, "%" PRIu64 " audit records could not be written", unwritten);
    ticket_keys_destroy(shared->tickets);
    memory_watch_stop(&service->memory);
    ledger_destroy(shared->ledger);
    sources_destroy(shared->sources);
    refusals_destroy(shared->refusals);
    refusals_destroy(shared->refused_requests);
    overlaps_destroy(shared->overlaps);
    dns_channel_global_deinit();
    if (service->loop != NULL && ev_is_active(&service->lame_duck))
        ev_timer_stop(service->loop, &service->lame_duck);
    if (service->loop != NULL && ev_is_active(&succession->last_wait))
        ev_timer_stop(service->loop, &succession->last_wait);
    inheritance_deinit(&succession->inheritance);
    sockets_close(&service->sockets);
    close_loop(service);
    caging_deinit(&service->caging);
    free(service->workers);
    spread_destroy(service->spread);
    snapshot_unref(service->snapshot);
    blocklist_unref(service->blocks);
    block_state_deinit(&service->kept);
    return unwritten == 0;
}

int service_run(struct snapshot *snapshot, const struct diagnostics *findings,
                struct inheritance *inheritance, int keeper_fd, struct key_store *keys)
{
    struct service service = {.snapshot = snapshot,
                              .keys = keys,
                              .place = {.fd = -1, .file = {.fd = -1}},
                              .keeper = {.io = {.fd = -1}}};
    service.succession.inheritance = *inheritance;
    uint64_t cut_count = 0;
    log_configure(&snapshot->log);
    findings_log(findings, "");
    service.started_s = (int64_t)time(NULL);
    service.reloads.in_force_since_s = service.started_s;
    struct errinfo info = {.text = "no memory"};
    service.descriptors = limits_apply();
    scheduling_take_short_turns();
    signals_block(&service.signals, handled_signals, SIGNAL_COUNT);
    struct monitor_place place = {.fd = -1, .file = {.fd = -1}};
    const enum err error = start(&service, keeper_fd, &place, &info);
    if (error != ERR_OK) {
        monitor_place_close(&place);
        log_error(LOG_START_FAILED, "%s", info.text);
        if (service.succession.inheritance.fd >= 0) {
            if (control_is_given(service.control))
                control_leave(service.control); // the other process goes on with both
            monitor_leave(service.monitor);
        }
        inheritance_refuse(&service.succession.inheritance, info.text);
        (void)stop(&service, &cut_count);
        return error == ERR_INPUT ? EXIT_CONFIG : EXIT_FAILED;
    }
    log_info(LOG_SERVING,
             "serving with %" PRIu32 " worker%s and at most %" PRIu64
             " descriptors; config %s (%s)",
             snapshot->workers, snapshot->workers == 1 ? "" : "s", service.descriptors,
             source_label(snapshot->path), snapshot->id);
    ev_run(service.loop, 0);
    const bool is_whole = stop(&service, &cut_count);
    if (cut_count > 0)
        log_warning(LOG_STOPPED, "%" PRIu64 " requests or tunnels were ended by the stop",
                    cut_count);
    else
        log_info(LOG_STOPPED, "stopped; nothing was cut");
    return is_whole && (cut_count == 0 || service.is_interrupted) ? 0 : EXIT_FAILED;
}
