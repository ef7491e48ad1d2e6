// The order, and what ends it at any point, is in proxy/handover/handover_message.h.
#include "proxy/service/upgrade.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/mem.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proxy/audit/sink.h"
#include "proxy/config/source.h"
#include "proxy/fleet/ticket_set.h"
#include "proxy/log/log.h"
#include "proxy/service/blocks_message.h"
#include "proxy/service/counts_message.h"
#include "proxy/service/ocsp_message.h"
#include "proxy/service/state.h"

// What the new process gets of the signals that have come meanwhile, and in which order.
static const int passed_on[] = {SIGUSR1, SIGHUP, SIGTERM, SIGINT};

// For a process that has said that it fails, to end by itself; or that was told to serve, to say that it does.
static const ev_tstamp grace_s = 2.;

enum upgrade_state {
    UPGRADE_NONE,
    UPGRADE_STARTED,   // the new process prepares itself
    UPGRADE_PREPARED,  // it has; we wait until no command is under way
    UPGRADE_COMMITTED, // it makes ready to serve
    UPGRADE_GIVEN,     // it was told to serve: nothing that this process does ends it any more
    UPGRADE_ENDING,    // it has failed, and is about to end
};

struct upgrade {
    struct service *service; // borrowed
    struct upgrade_events events;
    enum upgrade_state state;
    struct handover_link *link; // owned; to the new process
    int64_t pid;                // of the new process; 0: the keeper has not told it yet
    ev_timer patience;
    ev_prepare turn;  // runs while it waits for commands to end
    bool is_ended;    // the process is gone
    uint64_t signals; // that have come since the start: bit by number
    struct upgrade_outcome outcome;
};

const struct upgrade_outcome *upgrade_outcome_of(const struct upgrade *upgrade)
{
    return &upgrade->outcome;
}

bool upgrade_is_under_way(const struct upgrade *upgrade)
{
    return upgrade != NULL && upgrade->state != UPGRADE_NONE;
}

static bool is_rollout_idle(const struct service *service)
{
    const struct rollout *rollout = &service->rollout;
    return rollout->state == ROLLOUT_IDLE && rollout->taking_state == ROLLOUT_IDLE &&
           rollout->adopting_count == 0 && rollout->pending == 0;
}

// is_reload_coming tells whether a whole configuration may come into force, with other listeners. Files alone may change
// meanwhile: the commit waits for them.
static bool is_reload_coming(const struct rollout *rollout)
{
    return (rollout->pending & LOADER_ALL) != 0 ||
           (rollout->state != ROLLOUT_IDLE && rollout->scope == LOADER_ALL);
}

const char *upgrade_refusal(const struct service *service)
{
    const struct succession *succession = &service->succession;
    if (succession->retirement != NULL)
        return "this is an old process: another one serves";
    if (service->stopping_at_s != 0 || ev_is_active(&service->lame_duck))
        return "the proxy is draining, or about to";
    if (upgrade_is_under_way(succession->upgrade))
        return "an upgrade is under way";
    if (succession->predecessors.count == PREDECESSORS_MAX)
        return "there are four old processes with tunnels already: wait until one has ended, or "
               "end its tunnels";
    if (source_is_stdin(service->snapshot->path))
        return "the configuration came from stdin (-c -), which cannot be read again: restart the "
               "proxy";
    if (!sink_is_file(service->snapshot->audit_path))
        return "the audit log is a stream, in which the lines of two processes would mix: restart "
               "the proxy";
    if (is_reload_coming(&service->rollout))
        return "a reload is under way: try again";
    return NULL;
}

// ---- the end ------------------------------------------------------------------------------------

static void stop_watching(struct upgrade *upgrade)
{
    struct ev_loop *loop = upgrade->service->loop;
    ev_timer_stop(loop, &upgrade->patience);
    ev_prepare_stop(loop, &upgrade->turn);
}

// conclude ends an upgrade, with what is said about it in `message`.
static void conclude(struct upgrade *upgrade, bool is_good)
{
    stop_watching(upgrade);
    upgrade->state = UPGRADE_NONE;
    upgrade->outcome.is_last_good = is_good;
    upgrade->outcome.done = upgrade->outcome.begun;
    if (is_good)
        log_info(LOG_UPGRADE, "upgrade: %s", upgrade->outcome.message);
    else
        log_error(LOG_UPGRADE, "upgrade: %s", upgrade->outcome.message);
}

static bool has_come(const struct upgrade *upgrade, int number)
{
    return (upgrade->signals & UINT64_C(1) << number) != 0;
}

// go_on_serving is the end of an upgrade that has failed.
static void go_on_serving(struct upgrade *upgrade)
{
    struct service *service = upgrade->service;
    handover_link_destroy(upgrade->link);
    upgrade->link = NULL;
    conclude(upgrade, false);
    predecessors_pause(&service->succession.predecessors, false);
    audit_log_share(service->shared.audit, service->succession.predecessors.count > 0);
    upgrade->events.pause(service, false);
    upgrade->events.leave(service, false);
    if (service->stopping_at_s != 0)
        return;
    keeper_link_notify(&service->keeper, "READY=1");
    if (has_come(upgrade, SIGHUP))
        (void)kill(getpid(), SIGHUP);
}

// say_failed makes the sentence about it.
static void say_failed(struct upgrade *upgrade, const char *why)
{
    (void)snprintf(upgrade->outcome.message, sizeof upgrade->outcome.message,
                   "failed, and this process goes on: %.480s", why);
}

// kill_new ends the new process for certain.
static void kill_new(const struct upgrade *upgrade)
{
    keeper_link_signal(&upgrade->service->keeper, upgrade->pid, SIGKILL);
}

static void start_grace(struct upgrade *upgrade)
{
    struct ev_loop *loop = upgrade->service->loop;
    ev_timer_stop(loop, &upgrade->patience);
    ev_timer_set(&upgrade->patience, grace_s, 0.);
    ev_timer_start(loop, &upgrade->patience);
}

// fail ends the new process, which was not told to serve, and the upgrade when that is gone.
static void fail(struct upgrade *upgrade, const char *why, bool is_ended_at_once)
{
    if (upgrade->state == UPGRADE_ENDING)
        return;
    upgrade->state = UPGRADE_ENDING;
    say_failed(upgrade, why);
    handover_link_pause(upgrade->link);
    stop_watching(upgrade);
    if (upgrade->is_ended) {
        go_on_serving(upgrade);
        return;
    }
    if (is_ended_at_once)
        kill_new(upgrade);
    start_grace(upgrade);
}

// pass_on gives the new process the signals that have come meanwhile.
static void pass_on(const struct upgrade *upgrade)
{
    for (size_t i = 0; i < sizeof passed_on / sizeof *passed_on; i++) {
        if (has_come(upgrade, passed_on[i]))
            keeper_link_signal(&upgrade->service->keeper, upgrade->pid, passed_on[i]);
    }
}

// retire is the good end.
static void retire(struct upgrade *upgrade)
{
    struct service *service = upgrade->service;
    struct handover_link *link = upgrade->link;
    upgrade->link = NULL;
    (void)snprintf(upgrade->outcome.message, sizeof upgrade->outcome.message,
                   "process %d serves now; this one, %d, goes on until its tunnels have ended",
                   (int)upgrade->pid, (int)getpid());
    // One that has asked whether it may serve asks what is in force here, too.
    const bool is_led = upgrade->state == UPGRADE_GIVEN;
    pass_on(upgrade);
    conclude(upgrade, true);
    upgrade->events.retire(service, link, is_led);
}

void upgrade_concede(struct upgrade *upgrade)
{
    if (upgrade != NULL && upgrade->state == UPGRADE_GIVEN)
        retire(upgrade);
}

static void on_patience_over(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct upgrade *upgrade = timer->data;
    if (upgrade->state == UPGRADE_ENDING) {
        kill_new(upgrade);
        return;
    }
    if (upgrade->state == UPGRADE_GIVEN) {
        upgrade_concede(upgrade);
        return;
    }
    // It may just have become ready. One of an older version may serve already, with clients that its end would cut off.
    handover_link_hear(upgrade->link);
    if (upgrade->state != UPGRADE_NONE && upgrade->state != UPGRADE_GIVEN)
        fail(upgrade, "the new process did not say in time that it serves, and was ended", true);
}

// describe_end says how the process has ended.
static void describe_end(int status, struct errinfo *out)
{
    if (WIFSIGNALED(status))
        (void)errinfo_set(out, ERR_SYSTEM, "the new process was ended by signal %d (%s)",
                          WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        (void)errinfo_set(out, ERR_SYSTEM,
                          "the new process ended with exit status %d; its lines are in the log",
                          WEXITSTATUS(status));
}

void upgrade_on_started(struct upgrade *upgrade, int64_t pid)
{
    upgrade->pid = pid;
    if (upgrade->state == UPGRADE_ENDING) // it failed before that was known
        kill_new(upgrade);
}

void upgrade_on_not_started(struct upgrade *upgrade, const char *why)
{
    if (upgrade->state == UPGRADE_NONE)
        return;
    upgrade->is_ended = true;
    if (upgrade->state == UPGRADE_ENDING)
        go_on_serving(upgrade);
    else
        fail(upgrade, why, false);
}

void upgrade_on_ended(struct upgrade *upgrade, int64_t pid, int status)
{
    struct errinfo info;
    if (pid != upgrade->pid || upgrade->state == UPGRADE_NONE)
        return;
    if (upgrade->state != UPGRADE_ENDING)
        handover_link_hear(upgrade->link); // it may have said why
    if (upgrade->state == UPGRADE_NONE)
        return; // or that it serves: its end is another matter
    upgrade->is_ended = true;
    if (upgrade->state == UPGRADE_ENDING) {
        go_on_serving(upgrade);
        return;
    }
    describe_end(status, &info);
    fail(upgrade, info.text, false);
}

static void on_link_end(void *arg, const char *why)
{
    struct upgrade *upgrade = arg;
    if (why != NULL && upgrade->state != UPGRADE_GIVEN)
        fail(upgrade, why, true);
    else
        start_grace(upgrade); // it is about to end, which says more; if it does not it hangs
}

// ---- handing over -------------------------------------------------------------------------------

static bool send_text(struct handover_link *link, const char *control, const char *state)
{
    const struct handover_message hello = {
        .kind = HANDOVER_HELLO,
        .format = HANDOVER_FORMAT,
        .number = (uint64_t)getpid(),
        .control = slice_of_string(control == NULL ? "" : control),
        .state = slice_of_string(state == NULL ? "" : state),
    };
    return handover_link_send(link, &hello, NULL, 0);
}

// send_listener sends all sockets of a listener, as many a message as go beside one.
static bool send_listener(struct handover_link *link, const struct service *service, size_t index)
{
    const struct sockets *sockets = &service->sockets;
    const struct listener_config *config = &service->snapshot->listeners[index];
    const struct handover_message message = {
        .kind = HANDOVER_LISTENER,
        .name = slice_of_string(config->name),
        .configured = config->address,
        .bound = sockets->bound[index],
    };
    int *fds = calloc((size_t)sockets->worker_count * sockets->shares, sizeof *fds);
    if (fds == NULL)
        return false;
    const size_t count = sockets_copies(sockets, index, fds);
    bool is_sent = true;
    for (size_t at = 0; at < count && is_sent; at += HANDOVER_FDS_MAX) {
        const size_t left = count - at;
        is_sent = handover_link_send(link, &message, fds + at,
                                     left < HANDOVER_FDS_MAX ? left : HANDOVER_FDS_MAX);
    }
    free(fds);
    return is_sent;
}

// send_admin sends the socket at which metrics are asked for, if there is one.
static bool send_admin(const struct upgrade *upgrade)
{
    const struct monitor_place *place = &upgrade->service->place;
    const int fd = upgrade->events.admin_fd(upgrade->service);
    struct handover_message message = {.kind = HANDOVER_ADMIN, .name = SLICE_LITERAL("admin")};
    if (fd < 0)
        return true;
    if (place->settings->socket_path == NULL) {
        message.configured = place->settings->address;
        message.bound = place->bound;
    } else {
        message.kind = HANDOVER_ADMIN_FILE;
        message.text = slice_of_string(place->settings->socket_path);
    }
    return handover_link_send(upgrade->link, &message, &fd, 1);
}

// send_start sends what the new process needs to prepare itself.
static bool send_start(const struct upgrade *upgrade)
{
    struct handover_link *link = upgrade->link;
    const struct service *service = upgrade->service;
    const struct snapshot *snapshot = service->snapshot;
    if (!send_text(link, snapshot->control_path, snapshot->state_path))
        return false;
    for (size_t l = 0; l < snapshot->listener_count; l++) {
        if (!send_listener(link, service, l))
            return false;
    }
    const int control_fd = upgrade->events.control_fd(service);
    const struct handover_message control = {.kind = HANDOVER_CONTROL};
    if (control_fd >= 0 && !handover_link_send(link, &control, &control_fd, 1))
        return false;
    return send_admin(upgrade) && handover_link_say(link, HANDOVER_BEGIN, 0);
}

static bool send_tickets(struct handover_link *link, const struct service *service)
{
    uint8_t keys[TICKET_EXPORT_CAP];
    const size_t len = ticket_keys_export(service->shared.tickets, keys);
    const struct handover_message message = {.kind = HANDOVER_TICKETS,
                                             .bytes = slice_of(keys, len)};
    const bool is_sent = len == 0 || handover_link_send(link, &message, NULL, 0);
    OPENSSL_cleanse(keys, sizeof keys);
    return is_sent;
}

// send_secrets sends those that the fleet shares: the store may be away when the new process begins.
static bool send_secrets(const struct upgrade *upgrade)
{
    char set_data[TICKET_SET_TEXT_MAX];
    struct text set;
    text_init(&set, set_data, sizeof set_data);
    upgrade->events.write_secrets(upgrade->service, &set);
    const struct handover_message message = {.kind = HANDOVER_SECRETS, .bytes = text_slice(&set)};
    const bool is_sent = set.len == 0 || handover_link_send(upgrade->link, &message, NULL, 0);
    OPENSSL_cleanse(set_data, sizeof set_data);
    return is_sent;
}

// send_rest sends what may have changed since, and nothing changes after it.
static bool send_rest(const struct upgrade *upgrade)
{
    struct handover_link *link = upgrade->link;
    const struct service *service = upgrade->service;
    const bool is_kept = service->blocks_problem.text[0] == '\0';
    if (service->kept.words != NULL && !blocks_message_send_state(link, &service->kept))
        return false;
    return send_tickets(link, service) && send_secrets(upgrade) &&
           ocsp_message_send(link, service->shared.ocsp) &&
           counts_message_send(link, service->shared.ledger, true) &&
           predecessors_pass_on(&service->succession.predecessors, link) &&
           handover_link_say(link, HANDOVER_COMMIT,
                             HANDOVER_COMMIT_ASKS | (is_kept ? HANDOVER_COMMIT_KEPT : 0));
}

// may_commit tells whether nothing is under way that would change what is handed over, or that somebody waits for, and whether the
// keeper, which may be slower than what it has started, has said who that is: signals go to it from then on.
static bool may_commit(const struct upgrade *upgrade)
{
    const struct service *service = upgrade->service;
    const struct predecessors *predecessors = &service->succession.predecessors;
    return upgrade->pid != 0 && is_rollout_idle(service) && upgrade->events.is_quiet(service) &&
           predecessors_have_obeyed(predecessors, predecessors->newest);
}

static void on_turn(struct ev_loop *loop, ev_prepare *turn, int events)
{
    (void)events;
    struct upgrade *upgrade = turn->data;
    struct service *service = upgrade->service;
    if (!may_commit(upgrade))
        return;
    ev_prepare_stop(loop, turn);
    predecessors_pause(&service->succession.predecessors, true);
    upgrade->events.leave(service, true);
    upgrade->state = UPGRADE_COMMITTED;
    if (!send_rest(upgrade))
        fail(upgrade, "no memory, or no descriptors, to hand over", true);
}

// give decides that the new process serves. If it dies before it does the keeper tells, and this one goes on.
static void give(struct upgrade *upgrade)
{
    if (!handover_link_say(upgrade->link, HANDOVER_YOURS, 0)) {
        fail(upgrade, "no memory to tell the new process that it shall serve", true);
        return;
    }
    upgrade->state = UPGRADE_GIVEN;
    start_grace(upgrade);
}

static void on_message(void *arg, const struct handover_message *message, int *fds, size_t fd_count)
{
    (void)fds;
    (void)fd_count;
    struct upgrade *upgrade = arg;
    struct errinfo info;
    if (message->kind == HANDOVER_FAILED) { // also in its turn: it does not serve
        (void)errinfo_set(&info, ERR_INPUT, "%.*s", (int)message->text.len,
                          (const char *)message->text.data);
        fail(upgrade, info.text, false);
    } else if (upgrade->state == UPGRADE_GIVEN) {
        if (message->kind == HANDOVER_SERVING)
            retire(upgrade);
    } else if (message->kind == HANDOVER_PREPARED && upgrade->state == UPGRADE_STARTED) {
        upgrade->state = UPGRADE_PREPARED;
        upgrade->events.pause(upgrade->service, true);
        ev_prepare_start(upgrade->service->loop, &upgrade->turn);
    } else if (message->kind == HANDOVER_READY && upgrade->state == UPGRADE_COMMITTED) {
        give(upgrade);
    } else if (message->kind == HANDOVER_SERVING && upgrade->state == UPGRADE_COMMITTED) {
        retire(upgrade); // a process of an older version does not ask
    } else {
        fail(upgrade, "the new process says what does not fit", true);
    }
}

// ---- the beginning ------------------------------------------------------------------------------

// start has the program started with its end of the link; `fds` are both ends.
static enum err start(struct upgrade *upgrade, int *fds, struct errinfo *info)
{
    struct service *service = upgrade->service;
    const struct handover_events events = {
        .on_message = on_message, .on_end = on_link_end, .arg = upgrade};
    upgrade->link = handover_link_create(service->loop, fds[0], &events);
    fds[0] = -1;
    if (upgrade->link == NULL || !send_start(upgrade))
        return errinfo_set(info, ERR_MEMORY, "no memory, or no descriptors, to hand over");
    if (!keeper_link_start(&service->keeper, fds[1]))
        return errinfo_set(info, ERR_SYSTEM, "the keeper cannot be asked for a new process: %m");
    return ERR_OK;
}

uint64_t upgrade_request(struct service *service, int64_t patience_ms)
{
    struct upgrade *upgrade = service->succession.upgrade;
    struct errinfo info;
    int fds[2] = {-1, -1};
    upgrade->outcome.begun++;
    upgrade->is_ended = false;
    upgrade->signals = 0;
    upgrade->state = UPGRADE_STARTED;
    upgrade->pid = 0;
    ev_timer_init(&upgrade->patience, on_patience_over, (ev_tstamp)patience_ms / 1000., 0.);
    ev_prepare_init(&upgrade->turn, on_turn);
    upgrade->patience.data = upgrade;
    upgrade->turn.data = upgrade;
    keeper_link_notify_reloading(&service->keeper);
    audit_log_share(service->shared.audit, true);
    log_info(LOG_UPGRADE, "upgrade: the program is started once more");
    enum err error = ERR_SYSTEM;
    if (handover_pair(fds))
        error = start(upgrade, fds, &info);
    else
        (void)errinfo_set(&info, ERR_SYSTEM, "no link to the new process: %m");
    for (size_t i = 0; i < 2; i++) {
        if (fds[i] >= 0)
            (void)close(fds[i]);
    }
    if (error == ERR_OK) {
        ev_timer_start(service->loop, &upgrade->patience);
    } else {
        say_failed(upgrade, info.text);
        go_on_serving(upgrade);
    }
    return upgrade->outcome.begun;
}

void upgrade_note_signal(struct upgrade *upgrade, int number)
{
    if (upgrade_is_under_way(upgrade))
        upgrade->signals |= UINT64_C(1) << number;
}

void upgrade_abandon(struct upgrade *upgrade)
{
    if (upgrade != NULL &&
        (upgrade->state == UPGRADE_STARTED || upgrade->state == UPGRADE_PREPARED))
        fail(upgrade, "the proxy is to end", true);
}

struct upgrade *upgrade_create(struct service *service, const struct upgrade_events *events)
{
    struct upgrade *upgrade = calloc(1, sizeof *upgrade);
    if (upgrade == NULL)
        return NULL;
    upgrade->service = service;
    upgrade->events = *events;
    return upgrade;
}

void upgrade_destroy(struct upgrade *upgrade)
{
    if (upgrade == NULL)
        return;
    if (upgrade->state != UPGRADE_NONE) {
        if (upgrade->state != UPGRADE_GIVEN)
            kill_new(upgrade);
        pass_on(upgrade); // it may serve already, and was not to
        stop_watching(upgrade);
        handover_link_destroy(upgrade->link);
    }
    free(upgrade);
}
