// How something new comes into force while everything runs.
//
// A reload builds a whole new snapshot on a thread of its own; only when all of it is good, its new sockets
// are open and its audit log too, does each worker get it. Until then nothing has changed. Blocks make a
// revision: the snapshot in force with another list, handed over in the same way. So does what takes trust away,
// which is read by itself when a reload is refused. One hand-over at a time:
// whatever comes meanwhile waits until every worker has adopted the last one. What a worker had no memory for is
// handed over again, twice a second, until each has it.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "auth/base/text.h"
#include "proxy/config/source.h"
#include "proxy/log/log.h"
#include "proxy/process/notify.h"
#include "proxy/service/service_internal.h"

enum { RETRIES_MAX = 20, REMIND_EVERY_S = 60 * 60 };
static const ev_tstamp retry_after_s = 0.5;

// log_finding writes a finding in the log, its hint on a line of its own.
static void log_finding(const struct diagnostic *finding)
{
    char data[DIAGNOSTIC_TEXT_CAP];
    diagnostic_format(finding, data, sizeof data);
    char *rest = data;
    for (const char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        if (finding->severity == SEVERITY_ERROR)
            log_error("reload: %s", line);
        else
            log_warning("reload: %s", line);
    }
}

// log_findings writes what loading has found where operators look; notes are for `check`.
static void log_findings(const struct diagnostics *diagnostics)
{
    for (size_t i = 0; i < diagnostics->count; i++) {
        if (diagnostics->items[i].severity != SEVERITY_NOTE)
            log_finding(&diagnostics->items[i]);
    }
}

// note_failing notes whether what is on the disk is refused. New files do not make a configuration good that was.
static void note_failing(struct service *service, bool is_failing, int64_t now_s)
{
    struct reload_outcome *reloads = &service->reloads;
    if (!is_failing && !service->has_refused_file)
        reloads->failing_since_s = 0;
    else if (reloads->failing_since_s == 0)
        reloads->failing_since_s = now_s;
    reloads->reminded_at_s = now_s;
}

void reload_remind(struct service *service, int64_t now_s)
{
    struct reload_outcome *reloads = &service->reloads;
    if (reloads->failing_since_s == 0 || now_s - reloads->reminded_at_s < REMIND_EVERY_S)
        return;
    reloads->reminded_at_s = now_s;
    log_error("reload still fails, for %" PRId64 " minutes now: %s%s",
              (now_s - reloads->failing_since_s) / 60,
              reloads->is_last_good ? "the configuration file was refused, see the log" : "",
              reloads->is_last_good ? "" : reloads->message);
}

// keep_outcome notes how the last reload went, and takes its findings over.
static void keep_outcome(struct service *service, bool is_good, struct diagnostics *findings)
{
    struct reload_outcome *reloads = &service->reloads;
    diagnostics_deinit(&reloads->findings);
    reloads->findings = *findings;
    diagnostics_init(findings);
    reloads->last_at_s = (int64_t)time(NULL);
    reloads->is_last_good = is_good;
    if (is_good)
        reloads->good++;
    else
        reloads->failed++;
    note_failing(service, !is_good, reloads->last_at_s);
}

// count_done notes the end of a reload, and tells the service manager where it waits for that.
static void count_done(struct service *service)
{
    service->reloads.done = service->reloads.begun;
    if (service->reloads.is_told)
        notify_send("READY=1");
    service->reloads.is_told = false;
}

// be_done is the end of a reload, however it went.
static void be_done(struct service *service)
{
    count_done(service);
    control_go_on(service->control);
}

static void begin_reload(struct service *service, enum loader_scope scope)
{
    service->reloads.begun++;
    service->reloads.is_told = scope == LOADER_ALL;
    if (service->reloads.is_told)
        notify_send_reloading();
    service->loader = loader_start(service->snapshot, scope, &service->loaded);
    if (service->loader != NULL)
        return;
    struct diagnostics none;
    diagnostics_init(&none);
    keep_outcome(service, false, &none);
    (void)snprintf(service->reloads.message, sizeof service->reloads.message,
                   "no memory; the old configuration stays in force");
    log_error("reload: %s", service->reloads.message);
    be_done(service);
}

const char *reload_refusal(const struct service *service)
{
    if (service->is_stopping)
        return "the proxy is draining: it reloads nothing any more";
    if (source_is_stdin(service->snapshot->path))
        return "the configuration came from stdin (-c -), which cannot be read again: restart the "
               "proxy with the new one (files that it names are picked up when they change)";
    return NULL;
}

uint64_t reload_request(struct service *service, enum loader_scope scope)
{
    if (service->is_stopping)
        return 0;
    if (service->loader == NULL && service->adopting_count == 0) {
        begin_reload(service, scope);
        return service->reloads.begun;
    }
    const bool is_whole = service->must_reload_again && service->again == LOADER_ALL;
    service->again = is_whole ? LOADER_ALL : scope;
    service->must_reload_again = true;
    return service->reloads.begun + 1;
}

// reload_again starts the reload that was asked for while another one was under way.
static void reload_again(struct service *service)
{
    if (!service->must_reload_again)
        return;
    service->must_reload_again = false;
    (void)reload_request(service, service->again);
}

void reload_watch_files(struct service *service)
{
    watcher_begin(service->watcher);
    const struct snapshot_file *file = service->snapshot->files;
    for (; file != NULL; file = file->next)
        watcher_add(service->watcher, file->path);
    watcher_commit(service->watcher);
    horizon_watch(service->horizon, service->snapshot);
}

void reload_on_files_changed(void *arg)
{
    struct service *service = arg;
    service->retry_count = 0;
    (void)reload_request(service, LOADER_FILES);
}

void reload_on_retry(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    (void)reload_request(timer->data, LOADER_FILES);
}

// may_retry: a certificate without its key yet is normal while files are being changed. Whatever else is wrong is
// said at once; when its file changes again it is read again.
static bool may_retry(struct service *service, enum loader_scope scope,
                      const struct diagnostics *diagnostics)
{
    const bool is_pair =
        diagnostics->pair_count > 0 && diagnostics->pair_count == diagnostics->error_count;
    if (scope != LOADER_FILES || !is_pair || service->must_reload_again ||
        service->retry_count == RETRIES_MAX)
        return false;
    service->retry_count++;
    ev_timer_set(&service->retry, retry_after_s, 0.);
    ev_timer_start(service->loop, &service->retry);
    return true;
}

// prepare does all of a reload that can fail, beside the loading itself.
static enum err prepare(struct service *service, struct snapshot *snapshot, struct sockets *out,
                        struct errinfo *info)
{
    const struct snapshot *old = service->snapshot;
    TRY(snapshot_may_follow(snapshot, old, info));
    TRY(sockets_open(snapshot, service->worker_count, old, &service->sockets, out, info));
    enum err error = snapshot_set_own_endpoints(snapshot, out->bound, out->listener_count);
    if (error == ERR_OK && strcmp(snapshot->audit_path, old->audit_path) != 0)
        error = audit_log_move(service->audit, snapshot->audit_path, info);
    if (error != ERR_OK)
        sockets_close(out);
    return error;
}

// try_again has what did not reach every worker tried once more in a while.
static void try_again(struct service *service)
{
    service->missed.repeat = retry_after_s;
    ev_timer_again(service->loop, &service->missed);
}

// hand_over gives a snapshot to every worker, with the sockets that are new in it. False when there was no
// memory for one of them: then it is tried again, and only the first lack is logged.
static bool hand_over(struct service *service, struct snapshot *snapshot, struct sockets *sockets)
{
    const bool is_again = ev_is_active(&service->missed);
    bool is_whole = true;
    snapshot->generation = ++service->generation;
    for (uint32_t w = 0; w < service->worker_count; w++) {
        const enum err error =
            worker_adopt(service->workers[w], snapshot, sockets_take(sockets, w));
        if (error == ERR_OK)
            service->adopting_count++;
        else if (error != ERR_EOF && !is_again)
            log_error("worker %" PRIu32
                      ": no memory for a new state; it continues as before until it "
                      "has one, and is given it twice a second",
                      w);
        is_whole &= error == ERR_OK || error == ERR_EOF;
        sockets_taken(sockets, w);
    }
    snapshot_unref(service->snapshot);
    service->snapshot = snapshot;
    service->is_handed_to_all = is_whole;
    if (!is_whole)
        try_again(service);
    else if (!service->must_take)
        ev_timer_stop(service->loop, &service->missed);
    if (is_whole && service->adopting_count == 0)
        service->adopted_generation = service->generation;
    return is_whole;
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
    log_error("reload: %s", service->reloads.message);
}

// be_adopted notes that every worker has what was handed over last, or will not get it.
static void be_adopted(struct service *service)
{
    if (service->is_handed_to_all)
        service->adopted_generation = service->generation;
    if (service->is_adopting_taking && service->is_handed_to_all)
        log_warning(
            "reload: %s; what takes trust away (CRLs, `denied`, removed CAs, lists of a `deny`) is in force all the same, generation %" PRIu64,
            ev_is_active(&service->retry)
                ? "a certificate or its key is not whole yet, and is read again for 10 s"
                : "the files on the disk were rejected as a whole, see above",
            service->generation);
    service->is_adopting_taking &= !service->is_handed_to_all;
    if (!service->is_adopting_reload)
        return;
    service->is_adopting_reload = false;
    count_done(service);
    if (!service->is_handed_to_all) {
        miss_workers(service);
        return;
    }
    (void)snprintf(service->reloads.message, sizeof service->reloads.message,
                   "reloaded: config %.300s (%s), generation %" PRIu64, service->snapshot->path,
                   service->snapshot->id, service->generation);
    log_info("%s", service->reloads.message);
}

// take_over brings a reload's snapshot into force.
static void take_over(struct service *service, struct snapshot *snapshot, struct sockets *sockets)
{
    ticket_keys_configure(service->tickets, &snapshot->tickets.settings);
    service_apply_limits(service, snapshot);
    snapshot->blocks = blocklist_ref(service->blocks);
    service->must_revise = false;
    service->must_take &= service->has_refused_file; // for what that denies
    service->is_adopting_taking = false;
    service->is_adopting_reload = true;
    service->snapshot_at_s = (int64_t)time(NULL);
    ev_timer_stop(service->loop, &service->missed); // it has all that was missed
    (void)hand_over(service, snapshot, sockets);
    if (service->must_take)
        try_again(service);
    sockets_close(&service->sockets);
    service->sockets = *sockets;
    reload_watch_files(service);
    control_follow_audit(service->control);
    if (service->adopting_count > 0)
        return;
    be_adopted(service); // no worker is there to say it
    control_go_on(service->control);
}

static uint64_t revise(struct service *service, struct taking *taking)
{
    struct snapshot *revision = NULL;
    service->must_revise = false;
    if (snapshot_revise(service->snapshot, service->blocks, taking, &revision) != ERR_OK) {
        service->is_handed_to_all = false;
        try_again(service);
        return 0;
    }
    // Every socket stays where it is.
    const bool is_whole = hand_over(service, revision, &service->sockets);
    horizon_follow(service->horizon, revision);
    return is_whole ? service->generation : 0;
}

uint64_t reload_revise(struct service *service)
{
    if (service->adopting_count == 0)
        return revise(service, service->snapshot->taking);
    service->must_revise = true;
    return service->generation + 1;
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

// miss_taking has what takes trust away read again in a while: there was no memory for it.
static void miss_taking(struct service *service)
{
    if (!service->must_take)
        log_error("reload: no memory for what takes trust away: not everything that was revoked or "
                  "denied since is in force; it is tried twice a second");
    service->must_take = true;
    try_again(service);
}

// begin_taking has what takes trust away read by itself, after a reload of that scope was refused. What one
// of everything has missed is read with it.
static void begin_taking(struct service *service, enum loader_scope refused)
{
    if (!service->must_take || refused == LOADER_ALL)
        service->taking_scope = refused == LOADER_ALL ? LOADER_TAKING_ALL : LOADER_TAKING;
    service->loader = loader_start(service->snapshot, service->taking_scope, &service->loaded);
    if (service->loader == NULL)
        miss_taking(service);
}

// warn_of_taken says what is unusual about the lists that a taking has brought into force after `before`.
static void warn_of_taken(const struct service *service, const struct snapshot *before)
{
    struct diagnostics diagnostics;
    diagnostics_init(&diagnostics);
    snapshot_warn_of_lists(service->snapshot, before, &diagnostics);
    log_findings(&diagnostics);
    diagnostics_deinit(&diagnostics);
}

// finish_taking brings into force what takes trust away, whatever else is wrong.
static void finish_taking(struct service *service)
{
    struct taking *taking = NULL;
    struct snapshot *before = snapshot_ref(service->snapshot);
    const enum err error = loader_finish_taking(service->loader, &taking);
    service->loader = NULL;
    service->is_loaded = false;
    if (error == ERR_OK && taking != NULL)
        (void)revise(service, taking);
    if (error != ERR_OK || (taking != NULL && service->snapshot->taking != taking)) {
        miss_taking(service);
    } else {
        service->must_take = false;
        service->is_adopting_taking |= taking != NULL;
    }
    warn_of_taken(service, before);
    snapshot_unref(before);
    taking_unref(taking);
    if (service->adopting_count == 0)
        reload_again(service);
}

// refuse_reload keeps what is in force, and says so unless it will be tried again soon.
static void refuse_reload(struct service *service, enum loader_scope scope,
                          struct diagnostics *diagnostics, const struct errinfo *info)
{
    reload_watch_files(service); // links may lead elsewhere by now
    service->has_refused_file |= scope == LOADER_ALL;
    begin_taking(service, scope);
    if (may_retry(service, scope, diagnostics)) {
        be_done(service);
        return;
    }
    log_findings(diagnostics);
    log_error("reload failed, the old configuration (%s) stays in force: %s", service->snapshot->id,
              info->text);
    say_failed(service, diagnostics, info);
    keep_outcome(service, false, diagnostics);
    be_done(service);
    reload_again(service);
}

static bool is_same_path(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

// warn_of_constants says what a reload cannot change.
static void warn_of_constants(const struct service *service, const struct snapshot *snapshot,
                              struct diagnostics *diagnostics)
{
    const struct snapshot *now = service->snapshot;
    if (snapshot->workers != service->worker_count)
        (void)diagnostics_add(diagnostics, SEVERITY_WARNING, snapshot->path, 0, 0,
                              "`workers` cannot change without a restart; it stays %" PRIu32,
                              service->worker_count);
    if (!is_same_path(snapshot->control_path, now->control_path) ||
        !is_same_path(snapshot->state_path, now->state_path))
        (void)diagnostics_add(diagnostics, SEVERITY_WARNING, snapshot->path, 0, 0,
                              "`control` cannot change without a restart; it stays %s",
                              now->control_path == NULL ? "off" : now->control_path);
}

// keep_control: what a reload says about `control` is what is in force.
static void keep_control(const struct service *service, struct snapshot *snapshot)
{
    struct arena *arena = snapshot->arena;
    const struct snapshot *now = service->snapshot;
    if (now->control_path == NULL) {
        snapshot->control_path = NULL;
        snapshot->state_path = NULL;
        return;
    }
    const char *path = arena_copy_string(arena, slice_of_string(now->control_path));
    const char *state = arena_copy_string(arena, slice_of_string(now->state_path));
    if (path == NULL || state == NULL)
        return; // then it warns once more, the next time
    snapshot->control_path = path;
    snapshot->state_path = state;
}

// finish_reload takes the loader's result, a whole configuration or none.
static void finish_reload(struct service *service)
{
    struct diagnostics diagnostics;
    struct snapshot *snapshot = NULL;
    struct sockets sockets;
    struct errinfo info = {.text = "see above"};
    const enum loader_scope scope = loader_scope_of(service->loader);
    enum err error = loader_finish(service->loader, &diagnostics, &snapshot);
    service->loader = NULL;
    service->is_loaded = false;
    ev_timer_stop(service->loop, &service->retry);
    // What was taken away meanwhile is given back only by a whole new snapshot.
    const bool is_same = error == ERR_OK && scope == LOADER_FILES &&
                         service->snapshot->taking == NULL &&
                         snapshot_has_same_files(snapshot, service->snapshot);
    service->has_refused_file &= error != ERR_OK || scope != LOADER_ALL;
    if (error == ERR_OK && !is_same)
        error = prepare(service, snapshot, &sockets, &info);
    if (error != ERR_OK) {
        refuse_reload(service, scope, &diagnostics, &info);
    } else if (is_same) {
        reload_watch_files(service);
        note_failing(service, false, (int64_t)time(NULL));
        be_done(service);
    } else {
        warn_of_constants(service, snapshot, &diagnostics);
        snapshot_warn_of_lists(snapshot, service->snapshot, &diagnostics);
        keep_control(service, snapshot);
        log_findings(&diagnostics);
        keep_outcome(service, true, &diagnostics);
        (void)string_copy(service->reloads.message, sizeof service->reloads.message,
                          SLICE_LITERAL("it is good, and is being handed to the workers"));
    }
    diagnostics_deinit(&diagnostics);
    if (error == ERR_OK && !is_same) {
        take_over(service, snapshot, &sockets);
        return;
    }
    snapshot_unref(snapshot);
    if (is_same)
        reload_again(service);
}

static void finish_loading(struct service *service)
{
    if (loader_is_taking(service->loader))
        finish_taking(service);
    else
        finish_reload(service);
}

void reload_on_loaded(void *arg, uint32_t rung)
{
    (void)rung;
    struct service *service = arg;
    if (service->loader == NULL)
        return;
    service->is_loaded = true;
    if (service->adopting_count == 0)
        finish_loading(service);
}

void reload_on_adopted(void *arg, uint32_t rung)
{
    struct service *service = arg;
    service->adopting_count -= rung < service->adopting_count ? rung : service->adopting_count;
    if (service->adopting_count > 0)
        return;
    be_adopted(service);
    control_go_on(service->control);
    if (service->must_revise && revise(service, service->snapshot->taking) == 0) {
        service->has_failed_to_revise = true;
        control_go_on(service->control);
        service->has_failed_to_revise = false;
    }
    if (service->adopting_count > 0)
        return;
    if (service->is_loaded)
        finish_loading(service);
    else
        reload_again(service);
}

void reload_on_missed(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct service *service = timer->data;
    (void)loop;
    (void)events;
    if (service->adopting_count > 0)
        return;
    if (!service->must_take && service->is_handed_to_all)
        ev_timer_stop(service->loop, timer);
    if (!service->is_handed_to_all)
        (void)revise(service, service->snapshot->taking);
    if (service->must_take && service->loader == NULL)
        begin_taking(service, LOADER_FILES);
}

void reload_drop(struct service *service)
{
    struct diagnostics diagnostics;
    struct snapshot *snapshot = NULL;
    if (service->loader == NULL)
        return;
    if (loader_is_taking(service->loader)) {
        struct taking *taking = NULL;
        (void)!loader_finish_taking(service->loader, &taking);
        taking_unref(taking);
        return;
    }
    if (loader_finish(service->loader, &diagnostics, &snapshot) == ERR_OK)
        snapshot_unref(snapshot);
    diagnostics_deinit(&diagnostics);
}
