// How something new comes into force while everything runs.
//
// A reload builds a whole new snapshot on a thread of its own. Only when all of it is good, its new sockets are open
// and its audit log too, does each worker get it. Until then nothing has changed. Blocks make a revision: the snapshot in
// force with another list, handed over in the same way. So does what takes trust away, which is read by itself when a
// reload is refused, and beside one that takes long. The order of all this, and what is tried again, is the rollout's.
#include "proxy/service/reload.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "auth/base/text.h"
#include "proxy/config/source.h"
#include "proxy/keys/key_store.h"
#include "proxy/log/log.h"
#include "proxy/ocsp/ocsp_asker.h"
#include "proxy/service/constants.h"
#include "proxy/service/crl_fetches.h"
#include "proxy/service/exposure.h"
#include "proxy/service/parent_checks.h"
#include "proxy/service/monitor.h"
#include "proxy/service/findings.h"
#include "proxy/service/fleet.h"
#include "proxy/service/included_keeper.h"
#include "proxy/service/included_report.h"
#include "proxy/service/upgrade.h"

enum { REMIND_EVERY_S = 60 * 60 };
static const ev_tstamp tick_s = 0.5;

// note_failing notes whether what is on the disk is refused. New files do not make a configuration good that was.
static void note_failing(struct service *service, bool is_failing, int64_t now_s)
{
    struct reload_outcome *reloads = &service->reloads;
    if (!is_failing && !service->rollout.has_refused_file)
        reloads->failing_since_s = 0;
    else if (reloads->failing_since_s == 0)
        reloads->failing_since_s = now_s;
    reloads->reminded_at_s = now_s;
}

// on_look says once an hour that what is on the disk is still refused. An old process leaves it to the one that serves.
static void on_look(void *arg, int64_t now_s)
{
    struct service *service = arg;
    struct reload_outcome *reloads = &service->reloads;
    if (reloads->failing_since_s == 0 || service->lead.is_led ||
        now_s - reloads->reminded_at_s < REMIND_EVERY_S)
        return;
    reloads->reminded_at_s = now_s;
    log_error(LOG_RELOAD_FAILED, "reload still fails, for %" PRId64 " minutes now: %s",
              (now_s - reloads->failing_since_s) / 60,
              reloads->is_last_good ? "a file was refused, see the log" : reloads->message);
}

// keep_outcome notes how the last reload went, whether something on the disk is refused, and takes its findings over.
static void keep_outcome(struct service *service, bool is_good, bool is_failing,
                         struct diagnostics *findings)
{
    struct reload_outcome *reloads = &service->reloads;
    diagnostics_deinit(&reloads->findings);
    reloads->findings = *findings;
    diagnostics_init(findings);
    reloads->last_at_s = (int64_t)time(NULL);
    reloads->is_last_good = is_good;
    reloads->is_last_partial = false;
    if (is_good)
        reloads->good++;
    else
        reloads->failed++;
    note_failing(service, is_failing, reloads->last_at_s);
}

// be_done is the end of a reload, however it went. The service manager is told where it waits for that.
static void be_done(struct service *service)
{
    service->reloads.done = service->reloads.begun;
    if (service->reloads.is_told)
        keeper_link_notify(&service->keeper, "READY=1");
    service->reloads.is_told = false;
}

// miss_taking says that there was no memory for what takes trust away.
static void miss_taking(const struct service *service)
{
    if ((service->rollout.missed & ROLLOUT_TAKINGS) == 0)
        log_error(LOG_NO_MEMORY,
                  "reload: no memory for what takes trust away: not everything that was revoked or "
                  "denied since is in force; it is tried twice a second");
}

// begin_reload has the loader read what the rollout has decided on.
static void begin_reload(struct service *service)
{
    struct rollout *rollout = &service->rollout;
    if (service->stopping_at_s != 0) {
        rollout_declined(rollout);
        return;
    }
    service->reloads.begun++;
    // Of an old process the service manager hears nothing.
    service->reloads.is_told =
        rollout->scope == LOADER_ALL && service->succession.retirement == NULL;
    if (service->reloads.is_told)
        keeper_link_notify_reloading(&service->keeper);
    service->loader.is_patient = rollout->is_patient;
    service->loader.is_afresh = service->lead.is_afresh;
    if (loader_start(&service->loader, service->snapshot, rollout->scope))
        return;
    rollout_not_loaded(rollout);
    service->reloads.is_refused = true;
    struct diagnostics none;
    diagnostics_init(&none);
    keep_outcome(service, false, true, &none);
    (void)snprintf(service->reloads.message, sizeof service->reloads.message,
                   "no memory; the old configuration stays in force");
    log_error(LOG_RELOAD_FAILED, "reload: %s", service->reloads.message);
    be_done(service);
}

// begin_taking has the taker read what takes trust away. What the configuration file denies is denied in old processes, too,
// whether it comes into force or not.
static void begin_taking(struct service *service)
{
    if (service->rollout.taking_scope == LOADER_TAKING_ALL)
        predecessors_take(&service->succession.predecessors);
    if (loader_start(&service->taker, service->snapshot, service->rollout.taking_scope))
        return;
    miss_taking(service);
    rollout_not_taken(&service->rollout);
}

// begin_comparison has the taker read what takes trust away from what the loader has read, if that is good.
static void begin_comparison(struct service *service)
{
    const struct loader *loader = &service->loader;
    loader_join(&service->loader);
    if (loader->error != ERR_OK ||
        !loader_start(&service->taker, loader->snapshot, service->rollout.taking_scope))
        rollout_taken(&service->rollout);
}

const char *reload_refusal(const struct service *service)
{
    if (service->stopping_at_s != 0)
        return "the proxy is draining: it reads nothing any more but what takes trust away";
    if (upgrade_is_under_way(service->succession.upgrade))
        return "an upgrade is under way, and the new process reads the configuration anyway";
    if (source_is_stdin(service->snapshot->path))
        return "the configuration came from stdin (-c -), which cannot be read again: restart the "
               "proxy with the new one (files that it names are picked up when they change)";
    return NULL;
}

void reload_watch_files(struct service *service)
{
    watcher_begin(service->watcher);
    const struct snapshot_file *file = service->snapshot->files;
    for (; file != NULL; file = file->next)
        watcher_add(service->watcher, file->path);
    watcher_commit(service->watcher);
    horizon_watch(&service->horizon, service->snapshot);
}

// move_audit takes the audit log to where the new configuration wants it.
static enum err move_audit(struct service *service, const struct snapshot *snapshot,
                           struct errinfo *info)
{
    const struct snapshot *old = service->snapshot;
    bool has_same_outlets = snapshot->audit_outlet_count == old->audit_outlet_count;
    for (size_t i = 0; has_same_outlets && i < old->audit_outlet_count; i++)
        has_same_outlets =
            outlet_settings_equal(&snapshot->audit_outlets[i], &old->audit_outlets[i]);
    const struct audit_log_target target = {
        .path = strcmp(snapshot->audit_path, old->audit_path) == 0 ? NULL : snapshot->audit_path,
        .has_other_chain = !chain_settings_equal(snapshot->audit_chain, old->audit_chain),
        .chain = snapshot->audit_chain,
        .has_other_outlets = !has_same_outlets,
        .outlets = snapshot->audit_outlets,
        .outlet_count = snapshot->audit_outlet_count,
    };
    if (target.path == NULL && !target.has_other_chain && has_same_outlets)
        return ERR_OK;
    return audit_log_move(service->shared.audit, &target, info);
}

// prepared is what a reload has opened before anything changes.
struct prepared {
    struct snapshot
        *revision; // ref; of what was loaded, where trust was taken away meanwhile; or NULL
    struct sockets sockets;
    struct monitor_place place;
};

// open_place opens where metrics and health are asked for; in an old process it is the other one's.
static enum err open_place(const struct service *service, const struct snapshot *snapshot,
                           struct monitor_place *out, struct errinfo *info)
{
    if (service->succession.retirement == NULL)
        return monitor_place_open(snapshot, &service->place, out, info);
    *out = service->place;
    out->is_kept = true;
    return ERR_OK;
}

// prepare_revision makes a revision of what was loaded if files that it has read take more away by now: before it a newer
// state of them came into force, of which nothing may be given back.
static enum err prepare_revision(const struct service *service, struct snapshot *snapshot,
                                 struct snapshot **out, struct errinfo *info)
{
    const struct loader *taker = &service->taker;
    if (taker->error == ERR_OK && (taker->taking == NULL || !taker->taking->takes_more))
        return ERR_OK;
    if (taker->error == ERR_OK &&
        snapshot_revise(snapshot, service->blocks, taker->taking, out) == ERR_OK)
        return ERR_OK;
    return errinfo_set(info, ERR_MEMORY, "no memory for what takes trust away from it");
}

// prepare does all of a reload that can fail, beside the loading itself.
static enum err prepare(struct service *service, struct snapshot *snapshot, struct prepared *out,
                        struct errinfo *info)
{
    const struct snapshot *old = service->snapshot;
    TRY(prepare_revision(service, snapshot, &out->revision, info));
    TRY(snapshot_may_follow(out->revision == NULL ? snapshot : out->revision, old, info));
    TRY(caging_may_write(&service->caging, snapshot, info));
    if (key_store_source(service->keys)->is_in_use)
        TRY(exposure_judge(snapshot, service->caging.sandbox.landlock > 0, NULL, info));
    TRY(sockets_open_next(snapshot, old, &service->sockets, &out->sockets, info));
    enum err error = open_place(service, snapshot, &out->place, info);
    if (error != ERR_OK) {
        sockets_close(&out->sockets);
        return error;
    }
    error = monitor_place_set_own(snapshot, &out->sockets, &out->place);
    if (error == ERR_OK)
        error = move_audit(service, snapshot, info);
    if (error != ERR_OK) {
        sockets_close(&out->sockets);
        monitor_place_close(&out->place);
    }
    return error;
}

// miss_workers is the end of a reload that a worker had no memory for: it goes on as before.
static void miss_workers(struct service *service)
{
    service->reloads.good--;
    service->reloads.failed++;
    service->reloads.is_last_good = false;
    note_failing(service, true, (int64_t)time(NULL));
    (void)snprintf(
        service->reloads.message, sizeof service->reloads.message,
        "no memory to hand the new configuration to each worker: it is tried twice a second, and "
        "until then those without it go on as before; reload again");
    log_error(LOG_RELOAD_FAILED, "reload: %s", service->reloads.message);
}

// miss_included is the end of a reload that has refused an included file: everything else is in force.
static void miss_included(struct service *service)
{
    char data[sizeof service->reloads.message];
    struct text text;
    text_init(&text, data, sizeof data);
    included_format(service->snapshot, &text);
    service->reloads.is_last_good = false;
    service->reloads.is_last_partial = true;
    (void)snprintf(service->reloads.message, sizeof service->reloads.message,
                   "reloaded in part: config %.100s (%s), generation %" PRIu64 "; %.450s",
                   service->snapshot->path, service->snapshot->id, service->rollout.generation,
                   text_slice(&text).len > 0 ? data : "");
    log_error(LOG_RELOADED_IN_PART, "%s", service->reloads.message);
}

// be_adopted notes that every worker has what was handed over last, or lacked the memory for it.
static void be_adopted(struct service *service)
{
    struct rollout *rollout = &service->rollout;
    const bool have_all = rollout_has_all(rollout);
    if (rollout->is_adopting_taking && have_all) {
        log_warning(
            LOG_TRUST_TAKEN, "reload: %s; %s, generation %" PRIu64,
            service->stopping_at_s != 0 ? "the proxy drains, and reloads nothing any more"
            : service->lead.is_led
                ? "what else has changed comes into force when the process that serves says so"
            : rollout->is_patient      ? "the private keys are waited for"
            : rollout->is_taken_beside ? "what else has changed is still being read"
            : rollout->is_tried_again
                ? "a certificate or its key is not whole yet, and is read again for 10 s"
                : "the files on the disk were rejected as a whole, see above",
            service->snapshot->taking->takes_more
                ? "what takes trust away (CRLs, `denied`, removed CAs, lists of a `deny`) is in force all the same"
                : "no further trust is taken away",
            rollout->generation);
        rollout->is_adopting_taking = false;
    }
    if (!rollout->is_adopting_reload)
        return;
    rollout->is_adopting_reload = false;
    be_done(service);
    predecessors_compare(&service->succession.predecessors, service->snapshot->id,
                         rollout->scope == LOADER_ALL);
    if (!have_all) {
        miss_workers(service);
        return;
    }
    if (!included_is_whole(service->snapshot)) {
        miss_included(service);
        return;
    }
    (void)snprintf(service->reloads.message, sizeof service->reloads.message,
                   "reloaded: config %.300s (%s), generation %" PRIu64, service->snapshot->path,
                   service->snapshot->id, rollout->generation);
    log_info(LOG_RELOADED, "%s", service->reloads.message);
}

// hand_over gives a snapshot to every worker, with the sockets that it has not taken yet. Only the first time that a worker
// has no memory for it is logged.
static void hand_over(struct service *service, struct snapshot *snapshot, struct sockets *sockets)
{
    struct rollout *rollout = &service->rollout;
    const bool is_again = !rollout_has_all(rollout);
    bool is_whole = true;
    uint32_t count = 0;
    snapshot->generation = ++rollout->generation;
    snapshot->are_blocks_unknown = service->are_blocks_unknown;
    for (uint32_t w = 0; w < service->worker_count; w++) {
        const enum err error = worker_adopt(service->workers[w], snapshot, sockets_of(sockets, w));
        if (error == ERR_OK)
            count++;
        else if (error != ERR_EOF && !is_again)
            log_error(LOG_NO_MEMORY,
                      "worker %" PRIu32
                      ": no memory for a new state; it continues as before until it "
                      "has one, and is given it twice a second",
                      w);
        is_whole &= error == ERR_OK || error == ERR_EOF;
    }
    snapshot_unref(service->snapshot);
    service->snapshot = snapshot;
    if (rollout_handed(rollout, count, is_whole))
        be_adopted(service); // no worker is there to say it
}

// configure_asker has OCSP responders be found by the snapshot in force. Without memory it is tried again with each tick.
static void configure_asker(struct service *service)
{
    service->is_asker_old = !ocsp_asker_configure(service->asker, &service->snapshot->resolver);
}

// take_over brings a reload's snapshot into force.
static void take_over(struct service *service, struct snapshot *snapshot, struct prepared *prepared)
{
    struct sockets *sockets = &prepared->sockets;
    log_configure(&snapshot->log);
    fleet_adopt(service->fleet, snapshot);
    fleet_apply_tickets(service->fleet, snapshot);
    service_apply_limits(service, snapshot);
    const bool is_resolver_new =
        !resolver_options_equal(&service->snapshot->resolver, &snapshot->resolver);
    resolver_options_carry(&snapshot->resolver, &service->snapshot->resolver);
    snapshot->blocks = blocklist_ref(service->blocks);
    service->reloads.in_force_since_s = (int64_t)time(NULL);
    sockets_carry(sockets, snapshot, &service->sockets, service->snapshot);
    if (service->succession.retirement == NULL)
        monitor_adopt(service->monitor, &prepared->place);
    parent_checks_adopt(service->parent_checks, snapshot);
    if (prepared->revision == NULL) {
        hand_over(service, snapshot, sockets);
    } else {
        snapshot_renew(prepared->revision);
        hand_over(service, prepared->revision, sockets);
        snapshot_unref(snapshot);
    }
    if (is_resolver_new)
        configure_asker(service);
    sockets_close(&service->sockets);
    service->sockets = *sockets;
    reload_watch_files(service);
    crl_fetches_adopt(service->crl_fetches);
    if (service->succession.retirement == NULL)
        included_keep(service);
}

// revise hands the snapshot in force over again, with today's blocks and `taking`. False without memory for it.
static bool revise(struct service *service, struct taking *taking)
{
    struct snapshot *revision = NULL;
    if (snapshot_revise(service->snapshot, service->blocks, taking, &revision) != ERR_OK) {
        service->rollout.generation++; // of the one that is missed
        (void)rollout_handed(&service->rollout, 0, false);
        return false;
    }
    hand_over(service, revision, &service->sockets);
    horizon_follow(&service->horizon, revision);
    return true;
}

// say_failed makes the sentence about a reload that failed: the first error, where there is one.
static void say_failed(struct service *service, const struct diagnostics *diagnostics,
                       const struct errinfo *info)
{
    char data[sizeof service->reloads.message];
    struct text text;
    size_t at = 0;
    text_init(&text, data, sizeof data);
    text_append_format(
        &text, "reload failed, the old configuration (%s) stays in force: ", service->snapshot->id);
    while (at < diagnostics->count && diagnostics->items[at].severity != SEVERITY_ERROR)
        at++;
    if (at == diagnostics->count) {
        text_append_format(&text, "%.500s", info->text);
    } else {
        const struct diagnostic *first = &diagnostics->items[at];
        text_append_format(&text, "%.200s:%" PRIu32 ":%" PRIu32 ": %.280s", first->file,
                           first->line, first->column, first->message);
    }
    (void)string_copy(service->reloads.message, sizeof data, text_slice(&text));
}

// warn_of_taken says what is unusual about the lists that a taking has brought into force after `before`.
static void warn_of_taken(const struct service *service, const struct snapshot *before)
{
    struct diagnostics diagnostics;
    diagnostics_init(&diagnostics);
    snapshot_warn_of_lists(service->snapshot, before, &diagnostics);
    findings_log(&diagnostics, "reload: ");
    diagnostics_deinit(&diagnostics);
}

// finish_taking brings into force what takes trust away, whatever else is wrong. Beside a reload, and in a drain, only what does take
// some: the rest comes with the reload, or not at all.
static void finish_taking(struct service *service)
{
    struct loader *taker = &service->taker;
    loader_join(taker);
    struct taking *taking = taker->taking;
    struct snapshot *before = snapshot_ref(service->snapshot);
    if (taking != NULL && !taking->takes_more &&
        (service->rollout.state != ROLLOUT_IDLE || service->stopping_at_s != 0))
        taking = NULL;
    const bool is_whole = taker->error == ERR_OK && (taking == NULL || revise(service, taking));
    if (!is_whole)
        miss_taking(service);
    rollout_took(&service->rollout, is_whole, taking != NULL);
    warn_of_taken(service, before);
    snapshot_unref(before);
    loader_clear(taker);
}

// log_refused logs what is wrong with a reload that is refused.
static void log_refused(const struct service *service, const struct diagnostics *diagnostics,
                        const struct errinfo *info)
{
    findings_log(diagnostics, "reload: ");
    log_error(LOG_RELOAD_FAILED, "reload failed, the old configuration (%s) stays in force: %s",
              service->snapshot->id, info->text);
}

// refuse_reload keeps what is in force, and says so unless it will be tried again soon.
static void refuse_reload(struct service *service, struct diagnostics *diagnostics,
                          const struct errinfo *info)
{
    const bool is_pair =
        diagnostics->pair_count > 0 &&
        diagnostics->pair_count == diagnostics->error_count - diagnostics->included_count;
    reload_watch_files(service); // links may lead elsewhere by now
    service->reloads.is_refused = true;
    if (!rollout_refused(&service->rollout, is_pair)) {
        if (!service->reloads.is_repeat)
            log_refused(service, diagnostics, info);
        say_failed(service, diagnostics, info);
        keep_outcome(service, false, true, diagnostics);
    }
    be_done(service);
}

// is_left_out tells whether the process that serves has something else in force.
static bool is_left_out(const struct service *service, const struct snapshot *snapshot)
{
    return service->lead.is_led && strcmp(snapshot->id, service->lead.wanted) != 0;
}

// leave_out keeps what is in force though what was read is good.
static void leave_out(struct service *service, const struct snapshot *snapshot)
{
    struct reload_lead *lead = &service->lead;
    (void)string_copy(lead->other, sizeof lead->other, slice_of_string(snapshot->id));
    lead->is_other_partial = !included_is_whole(snapshot);
    service->reloads.is_refused = true;
    if (lead->is_first)
        rollout_not_loaded(&service->rollout);
    else
        rollout_declined(&service->rollout);
    if (!service->reloads.is_repeat)
        log_info(LOG_RELOADING,
                 "reload: what was read is the configuration %s; the process that serves has %s in "
                 "force, so that it does not come into force here",
                 snapshot->id, lead->wanted);
    reload_watch_files(service);
    be_done(service);
}

// accept_reload brings a good configuration into force, whose sockets are open.
static void accept_reload(struct service *service, struct snapshot *snapshot,
                          struct diagnostics *diagnostics, struct prepared *prepared)
{
    rollout_accepted(&service->rollout, true);
    constants_warn(service->snapshot, service->worker_count, snapshot, diagnostics);
    snapshot_warn_of_lists(prepared->revision == NULL ? snapshot : prepared->revision,
                           service->snapshot, diagnostics);
    constants_keep(service->snapshot, snapshot);
    findings_log(diagnostics, "reload: ");
    keep_outcome(service, true, !included_is_whole(snapshot), diagnostics);
    (void)string_copy(service->reloads.message, sizeof service->reloads.message,
                      SLICE_LITERAL("it is good, and is being handed to the workers"));
    take_over(service, snapshot, prepared);
}

// finish_reload takes the loader's result, a whole configuration or none.
static void finish_reload(struct service *service)
{
    struct diagnostics *diagnostics = &service->loader.diagnostics;
    struct snapshot *snapshot = service->loader.snapshot;
    struct prepared prepared = {0};
    struct errinfo info = {.text = "see above"};
    enum err error = service->loader.error;
    // What was taken away meanwhile is given back only by a whole new snapshot.
    const bool is_same = error == ERR_OK && service->rollout.scope == LOADER_FILES &&
                         service->snapshot->taking == NULL &&
                         strcmp(snapshot->id, service->snapshot->id) == 0 &&
                         snapshot_has_same_files(snapshot, service->snapshot);
    const bool is_other = error == ERR_OK && is_left_out(service, snapshot);
    if (error == ERR_OK && !is_same && !is_other)
        error = prepare(service, snapshot, &prepared, &info);
    service->reloads.is_refused = false;
    service->lead.other[0] = '\0';
    if (error == ERR_OK && !is_same && !is_other) {
        accept_reload(service, snapshot, diagnostics, &prepared);
    } else {
        if (is_other) {
            leave_out(service, snapshot);
        } else if (is_same) {
            rollout_accepted(&service->rollout, false);
            reload_watch_files(service);
            note_failing(service, !included_is_whole(service->snapshot), (int64_t)time(NULL));
            be_done(service);
        } else {
            refuse_reload(service, diagnostics, &info);
        }
        snapshot_unref(prepared.revision);
        snapshot_unref(snapshot);
    }
    service->loader.snapshot = NULL;
    loader_clear(&service->loader);
}

// put_off has what takes trust away go before a reload that waits for the private keys.
static void put_off(struct service *service)
{
    log_warning(LOG_KEY_HOLDER,
                "reload: the process that holds the private keys does not answer; what takes trust "
                "away does not wait for it, all else does");
    rollout_put_off(&service->rollout);
    loader_clear(&service->loader);
}

static void finish_load(struct service *service)
{
    loader_join(&service->loader);
    loader_join(&service->taker);
    if (service->loader.is_put_off)
        put_off(service);
    else
        finish_reload(service);
    loader_clear(&service->taker);
}

static bool needs_tick(const struct service *service)
{
    return service->rollout.missed != 0 || service->rollout.state == ROLLOUT_LOADING ||
           service->is_asker_old;
}

// advance takes every step that can be taken now.
static void advance(struct service *service)
{
    for (;;) {
        switch (rollout_next(&service->rollout)) {
        case ROLLOUT_REVISE:
            (void)revise(service, service->snapshot->taking);
            break;
        case ROLLOUT_LOAD:
            begin_reload(service);
            break;
        case ROLLOUT_FINISH:
            finish_load(service);
            break;
        case ROLLOUT_TAKE:
            begin_taking(service);
            break;
        case ROLLOUT_FINISH_TAKING:
            finish_taking(service);
            break;
        case ROLLOUT_COMPARE:
            begin_comparison(service);
            break;
        case ROLLOUT_WAIT:
            if (needs_tick(service) && !ev_is_active(&service->tick))
                ev_timer_again(service->loop, &service->tick);
            return;
        }
    }
}

uint64_t reload_request(struct service *service, enum loader_scope scope)
{
    const uint64_t number = service->reloads.begun + 1;
    service->rollout.pending |= scope;
    advance(service);
    return number;
}

void reload_take(struct service *service)
{
    rollout_take_all(&service->rollout);
    advance(service);
}

uint64_t reload_revise(struct service *service)
{
    const uint64_t generation = service->rollout.generation + 1;
    service->rollout.pending |= ROLLOUT_REVISION;
    advance(service);
    return generation;
}

static void on_files_changed(void *arg)
{
    struct service *service = arg;
    rollout_changed(&service->rollout);
    (void)reload_request(service, LOADER_FILES);
}

static void on_loaded(void *arg, uint32_t rung)
{
    (void)rung;
    struct service *service = arg;
    rollout_loaded(&service->rollout);
    advance(service);
}

static void on_taken(void *arg, uint32_t rung)
{
    (void)rung;
    struct service *service = arg;
    rollout_taken(&service->rollout);
    advance(service);
}

static void on_adopted(void *arg, uint32_t rung)
{
    struct service *service = arg;
    if (rollout_adopted(&service->rollout, rung))
        be_adopted(service);
    advance(service);
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)events;
    struct service *service = timer->data;
    rollout_tick(&service->rollout);
    if (service->is_asker_old)
        configure_asker(service);
    if (!needs_tick(service))
        ev_timer_stop(loop, timer);
    advance(service);
}

bool reload_start(struct service *service)
{
    diagnostics_init(&service->reloads.findings);
    note_failing(service, !included_is_whole(service->snapshot), (int64_t)time(NULL));
    ev_timer_init(&service->tick, on_tick, 0., tick_s);
    service->tick.data = service;
    horizon_init(&service->horizon, service->loop, on_look, service);
    service->watcher = watcher_create(service->loop, on_files_changed, service);
    return service->watcher != NULL &&
           wakeup_start(&service->loader.done, service->loop, on_loaded, service) &&
           wakeup_start(&service->taker.done, service->loop, on_taken, service) &&
           wakeup_start(&service->adopted, service->loop, on_adopted, service);
}

void reload_stop(struct service *service)
{
    loader_clear(&service->taker); // it may look at what the other one has loaded
    loader_clear(&service->loader);
    watcher_destroy(service->watcher);
    horizon_stop(&service->horizon);
    if (service->loop != NULL)
        ev_timer_stop(service->loop, &service->tick);
    wakeup_stop(&service->loader.done);
    wakeup_stop(&service->taker.done);
    wakeup_stop(&service->adopted);
    diagnostics_deinit(&service->reloads.findings);
}
