// The loop of a worker: listeners, mailbox, drain.
#include "proxy/worker/worker.h"

#include <errno.h>
#include <ev.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "proxy/log/log.h"
#include "proxy/loop/wakeup.h"
#include "proxy/net/listener.h"
#include "proxy/net/resolver.h"
#include "proxy/session/session.h"
#include "proxy/session/survey.h"
#include "proxy/worker/headroom.h"

enum { WORKER_MAGIC = 0x3E0A4E40, EXHAUSTED_LOG_EVERY_MS = 5000 };

enum mail {
    MAIL_DRAIN = 1,
    MAIL_STOP = 2,
    MAIL_ADOPT = 4,
    MAIL_SURVEY = 8,
    MAIL_CLOCK = 16,
    MAIL_PULSE = 32
};

// port is one listener of this worker.
struct port {
    struct worker *worker;                // borrowed
    const struct listener_config *config; // borrowed from the snapshot
    struct listener *listener;            // owned; NULL when not accepting
    int fd;                               // owned until the listener has it
};

// update is a new snapshot on its way to the worker.
struct update {
    struct snapshot *snapshot; // ref
    struct port *ports;        // owned; fd -1: go on with the one in the same place
};

// retired_resolver answers what was asked of it, and then goes.
struct retired_resolver {
    struct resolver *resolver;     // owned
    struct retired_resolver *next; // owned
};

struct worker {
    uint32_t magic;
    uint32_t index;
    pthread_t thread;          // its own, when it has begun anew
    struct ev_loop *loop;      // owned
    struct snapshot *snapshot; // ref
    struct port *ports;        // owned; one a listener
    struct session_context context;
    struct wakeup mail;               // owned
    _Atomic(struct update *) update;  // owned; put there by main, taken by the loop
    _Atomic(struct survey *) survey;  // borrowed; put there by main, taken by the loop
    atomic_bool owes_pulse;           // it was asked for a sign of life, and has not given it
    atomic_bool is_gone;              // the loop has ended: nobody opens the mailbox any more
    struct retired_resolver *retired; // owned
    atomic_uint letters;              // of enum mail; set by others, read by the loop
    ev_timer drain;                   // the end of patience
    ev_prepare drained;               // runs while draining: leaves the loop when nothing lives
    struct headroom headroom;
    bool has_ended;          // by a drain or a stop: not to begin anew
    bool is_stuck;           // could not begin anew, and has said so
    uint64_t cut_count;      // exchanges that were ended by us
    int64_t exhausted_at_ms; // monotonic; when it was last logged
    void (*on_exit)(void *arg);
    void (*on_adopted)(void *arg);
    void *arg; // borrowed
};

static void on_accept(void *arg, int fd, const struct ip_addr *peer, uint16_t peer_port)
{
    struct port *port = arg;
    struct worker *worker = port->worker;
    headroom_note(&worker->headroom, worker->context.ledger, fd);
    session_accept(&worker->context, port->config, fd, peer, peer_port);
}

static bool may_accept(void *arg)
{
    struct port *port = arg;
    struct worker *worker = port->worker;
    const bool has_room = headroom_has_room(&worker->headroom, worker->context.ledger,
                                            worker->mail.io.fd, worker->context.now_ms);
    if (!has_room)
        (void)sessions_make_room(&worker->context, NULL); // for the next time that is asked
    return has_room;
}

static void on_exhausted(void *arg, int error)
{
    struct port *port = arg;
    struct worker *worker = port->worker;
    const int64_t now_ms = worker->context.now_ms;
    if (worker->exhausted_at_ms != 0 && now_ms - worker->exhausted_at_ms < EXHAUSTED_LOG_EVERY_MS)
        return;
    worker->exhausted_at_ms = now_ms;
    log_error("listener %s: cannot accept: %s; waiting for connections to end (raise LimitNOFILE "
              "when this is no attack)",
              port->config->name, strerror(error));
}

static void stop_listeners(struct worker *worker)
{
    for (size_t i = 0; i < worker->snapshot->listener_count; i++) {
        listener_stop(worker->ports[i].listener);
        worker->ports[i].listener = NULL;
    }
}

static uint64_t open_exchanges(const struct worker *worker)
{
    uint64_t count = 0;
    for (size_t i = 0; i < EXCHANGE_DONE; i++)
        count += worker->context.exchange_counts[i];
    return count;
}

static void end_loop(struct worker *worker)
{
    worker->has_ended = true;
    ev_break(worker->loop, EVBREAK_ALL);
}

static void end_all(struct worker *worker, enum reason reason)
{
    stop_listeners(worker);
    worker->cut_count += open_exchanges(worker);
    sessions_end_all(&worker->context, reason);
    end_loop(worker);
}

static void on_drain_over(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct worker *worker = timer->data;
    ASSERT(worker->magic == WORKER_MAGIC);
    end_all(worker, REASON_DRAINED);
}

static void on_drained(struct ev_loop *loop, ev_prepare *prepare, int events)
{
    (void)loop;
    (void)events;
    struct worker *worker = prepare->data;
    ASSERT(worker->magic == WORKER_MAGIC);
    if (sessions_live(&worker->context) == 0)
        end_loop(worker);
}

static void begin_drain(struct worker *worker)
{
    if (worker->context.is_draining)
        return;
    stop_listeners(worker);
    sessions_begin_drain(&worker->context);
    ev_timer_set(&worker->drain, (ev_tstamp)worker->snapshot->timeouts.drain_ms / 1000., 0.);
    ev_timer_start(worker->loop, &worker->drain);
    ev_prepare_start(worker->loop, &worker->drained);
}

// open_port begins to accept from the port's descriptor.
static bool open_port(struct port *port)
{
    struct worker *worker = port->worker;
    const struct listener_events events = {
        .on_accept = on_accept,
        .may_accept = may_accept,
        .on_exhausted = on_exhausted,
        .arg = port,
    };
    port->listener = listener_start(worker->loop, port->fd, &events);
    if (port->listener == NULL)
        return false;
    port->fd = -1;
    return true;
}

static void fill_ports(struct worker *worker, const struct snapshot *snapshot, const int *fds,
                       struct port *out_ports)
{
    for (size_t i = 0; i < snapshot->listener_count; i++)
        out_ports[i] =
            (struct port){.worker = worker, .config = &snapshot->listeners[i], .fd = fds[i]};
}

// move_listener goes on with the old listener in the same place.
static void move_listener(struct worker *worker, struct port *port)
{
    for (size_t i = 0; i < worker->snapshot->listener_count; i++) {
        struct port *old = &worker->ports[i];
        if (old->listener == NULL || !listener_config_is_same_place(old->config, port->config))
            continue;
        port->listener = old->listener;
        old->listener = NULL;
        listener_set_arg(port->listener, port);
        return;
    }
}

// adopt_ports puts the new ports in the place of the old ones.
static void adopt_ports(struct worker *worker, const struct update *update)
{
    for (size_t i = 0; i < update->snapshot->listener_count; i++) {
        struct port *port = &update->ports[i];
        if (port->fd < 0)
            move_listener(worker, port);
        else if (!open_port(port))
            log_error("listener %s: no memory; worker %u does not serve it", port->config->name,
                      worker->index);
    }
    for (size_t i = 0; i < worker->snapshot->listener_count; i++) {
        if (worker->ports[i].listener != NULL)
            listener_accept_waiting(worker->ports[i].listener);
    }
    stop_listeners(worker);
    free(worker->ports);
    worker->ports = update->ports;
}

// drop_retired frees the old resolvers that have nothing to answer any more, or all of them.
static void drop_retired(struct worker *worker, bool is_final)
{
    struct retired_resolver **at = &worker->retired;
    while (*at != NULL) {
        struct retired_resolver *retired = *at;
        if (!is_final && !resolver_is_idle(retired->resolver)) {
            at = &retired->next;
            continue;
        }
        *at = retired->next;
        resolver_destroy(retired->resolver);
        free(retired);
    }
}

// adopt_resolver makes a new resolver where its settings have changed. Open questions stay with the old one.
static void adopt_resolver(struct worker *worker, const struct snapshot *snapshot)
{
    drop_retired(worker, false);
    if (resolver_options_equal(&worker->snapshot->resolver, &snapshot->resolver))
        return;
    struct errinfo info;
    struct resolver *resolver = NULL;
    struct retired_resolver *retired = malloc(sizeof *retired);
    if (retired == NULL ||
        resolver_create(worker->loop, &snapshot->resolver, &resolver, &info) != ERR_OK) {
        log_error("worker %u: the old resolver stays: %s", worker->index,
                  retired == NULL ? "no memory" : info.text);
        free(retired);
        return;
    }
    *retired = (struct retired_resolver){worker->context.resolver, worker->retired};
    worker->retired = retired;
    worker->context.resolver = resolver;
}

static void adopt(struct worker *worker)
{
    struct update *update = atomic_exchange(&worker->update, NULL);
    if (update == NULL)
        return;
    struct snapshot *old = worker->snapshot;
    adopt_ports(worker, update);
    adopt_resolver(worker, update->snapshot);
    worker->snapshot = update->snapshot;
    sessions_adopt(&worker->context, worker->snapshot);
    snapshot_unref(old);
    free(update);
    if (worker->context.is_draining)
        stop_listeners(worker);
    if (worker->on_adopted != NULL)
        worker->on_adopted(worker->arg);
}

// open_survey begins the one that main has put into the mailbox.
static void open_survey(struct worker *worker)
{
    struct survey *survey = atomic_exchange(&worker->survey, NULL);
    if (survey != NULL)
        survey_start(&worker->context, survey);
}

static void on_mail(void *arg, uint32_t rung)
{
    (void)rung;
    struct worker *worker = arg;
    ASSERT(worker->magic == WORKER_MAGIC);
    const unsigned letters = atomic_exchange(&worker->letters, 0);
    if ((letters & MAIL_PULSE) != 0)
        atomic_store(&worker->owes_pulse, false);
    if ((letters & MAIL_ADOPT) != 0)
        adopt(worker);
    if ((letters & MAIL_SURVEY) != 0)
        open_survey(worker);
    if ((letters & MAIL_CLOCK) != 0)
        sessions_judge_again(&worker->context);
    if ((letters & MAIL_DRAIN) != 0)
        begin_drain(worker);
    if ((letters & MAIL_STOP) != 0)
        end_all(worker, REASON_KILLED);
}

static void post(struct worker *worker, enum mail letter)
{
    (void)atomic_fetch_or(&worker->letters, (unsigned)letter);
    wakeup_send(&worker->mail);
}

// drop_update frees one that nobody has adopted. NULL is allowed.
static void drop_update(struct update *update)
{
    if (update == NULL)
        return;
    for (size_t i = 0; i < update->snapshot->listener_count; i++) {
        if (update->ports[i].fd >= 0)
            (void)close(update->ports[i].fd);
    }
    free(update->ports);
    snapshot_unref(update->snapshot);
    free(update);
}

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (fds[i] >= 0)
            (void)close(fds[i]);
    }
}

enum err worker_adopt(struct worker *worker, struct snapshot *snapshot, const int *listener_fds)
{
    struct update *update = calloc(1, sizeof *update);
    struct port *ports = calloc(snapshot->listener_count, sizeof *ports);
    if (update == NULL || ports == NULL) {
        free(update);
        free(ports);
        close_all(listener_fds, snapshot->listener_count);
        return ERR_MEMORY;
    }
    fill_ports(worker, snapshot, listener_fds, ports);
    *update = (struct update){.snapshot = snapshot_ref(snapshot), .ports = ports};
    ASSERT(atomic_exchange(&worker->update, update) == NULL);
    post(worker, MAIL_ADOPT);
    if (!atomic_load(&worker->is_gone))
        return ERR_OK;
    // Its loop has ended, maybe after it looked: whoever takes the letter out knows that it is alone.
    update = atomic_exchange(&worker->update, NULL);
    drop_update(update);
    return update == NULL ? ERR_OK : ERR_EOF;
}

bool worker_survey(struct worker *worker, struct survey *survey)
{
    ASSERT(atomic_exchange(&worker->survey, survey) == NULL);
    post(worker, MAIL_SURVEY);
    if (!atomic_load(&worker->is_gone) || atomic_exchange(&worker->survey, NULL) == NULL)
        return true;
    survey->counters = worker->context.counters; // nobody changes them any more
    return false;
}

bool worker_take_pulse(struct worker *worker)
{
    if (atomic_load(&worker->is_gone))
        return true;
    const bool is_alive = !atomic_exchange(&worker->owes_pulse, true);
    if (is_alive)
        post(worker, MAIL_PULSE);
    return is_alive || atomic_load(&worker->is_gone);
}

void worker_note_clock(struct worker *worker)
{
    post(worker, MAIL_CLOCK);
}

void worker_drain(struct worker *worker)
{
    post(worker, MAIL_DRAIN);
}

void worker_stop(struct worker *worker)
{
    post(worker, MAIL_STOP);
}

static void init_watchers(struct worker *worker)
{
    ev_timer_init(&worker->drain, on_drain_over, 0., 0.);
    ev_prepare_init(&worker->drained, on_drained);
    worker->drain.data = worker;
    worker->drained.data = worker;
}

// close_loop frees the loop, if there is one, and what hangs on it, but for the listeners.
static void close_loop(struct worker *worker)
{
    if (worker->loop == NULL)
        return;
    session_context_stop(&worker->context);
    resolver_destroy(worker->context.resolver);
    drop_retired(worker, true);
    wakeup_stop(&worker->mail, worker->loop);
    ev_loop_destroy(worker->loop);
    worker->loop = NULL;
}

// open_loop makes a loop with a resolver, and moves the worker to it: sessions there must be none. The DNS cache and
// the verdicts remembered are lost. An error changes nothing.
static enum err open_loop(struct worker *worker, struct errinfo *info)
{
    struct resolver *resolver = NULL;
    struct ev_loop *loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    if (loop == NULL)
        return errinfo_set(info, ERR_SYSTEM, "worker %u: cannot make an event loop: %s",
                           worker->index, strerror(errno));
    const enum err error = resolver_create(loop, &worker->snapshot->resolver, &resolver, info);
    if (error != ERR_OK) {
        ev_loop_destroy(loop);
        return error;
    }
    for (size_t i = 0; i < worker->snapshot->listener_count; i++) {
        if (worker->ports[i].listener != NULL)
            listener_move(worker->ports[i].listener, loop);
    }
    close_loop(worker);
    worker->loop = loop;
    worker->context.loop = loop;
    worker->context.resolver = resolver;
    session_context_start(&worker->context);
    wakeup_start(&worker->mail, loop);
    return ERR_OK;
}

// open_parts makes everything that can fail. What was made is freed by worker_destroy.
static enum err open_parts(struct worker *worker, struct errinfo *info)
{
    init_watchers(worker);
    if (!wakeup_init(&worker->mail, on_mail, worker))
        return errinfo_set(info, ERR_SYSTEM, "worker %u: cannot make a mailbox: %s", worker->index,
                           strerror(errno));
    if (getrandom(&worker->context.id_seed, sizeof worker->context.id_seed, 0) !=
        sizeof worker->context.id_seed)
        return errinfo_set(info, ERR_SYSTEM, "worker %u: no randomness", worker->index);
    worker->context.snapshot = worker->snapshot;
    TRY(open_loop(worker, info));
    for (size_t i = 0; i < worker->snapshot->listener_count; i++) {
        if (!open_port(&worker->ports[i]))
            return errinfo_set(info, ERR_MEMORY, "worker %u: no memory", worker->index);
    }
    return ERR_OK;
}

enum err worker_create(const struct worker_options *options, struct worker **out,
                       struct errinfo *info)
{
    *out = NULL;
    const size_t count = options->snapshot->listener_count;
    struct worker *worker = calloc(1, sizeof *worker);
    struct port *ports = calloc(count, sizeof *ports);
    if (worker == NULL || ports == NULL) {
        free(worker);
        free(ports);
        close_all(options->listener_fds, count);
        return errinfo_set(info, ERR_MEMORY, "worker %u: no memory", options->index);
    }
    worker->magic = WORKER_MAGIC;
    worker->index = options->index;
    worker->snapshot = snapshot_ref(options->snapshot);
    worker->context.audit = options->audit;
    worker->context.tickets = options->tickets;
    worker->context.ledger = options->ledger;
    worker->headroom.descriptors = options->descriptors;
    worker->headroom.base = options->base_descriptors;
    worker->context.upstreams.max = headroom_pooled_max(&worker->headroom);
    worker->context.dial_max = headroom_dials_max(&worker->headroom);
    ledger_set_room(options->ledger, headroom_sessions_max(&worker->headroom));
    worker->context.sources = options->sources;
    worker->context.refusals = options->refusals;
    worker->context.refused_requests = options->refused_requests;
    worker->on_exit = options->on_exit;
    worker->on_adopted = options->on_adopted;
    worker->arg = options->arg;
    worker->ports = ports;
    fill_ports(worker, worker->snapshot, options->listener_fds, ports);
    const enum err error = open_parts(worker, info);
    if (error == ERR_OK)
        *out = worker;
    else
        worker_destroy(worker);
    return error;
}

// answer_unread answers what is left in the mailbox when the loop has ended, so that nobody waits for it.
static void answer_unread(struct worker *worker)
{
    survey_finish(&worker->context);
    atomic_store(&worker->is_gone, true);
    struct survey *survey = atomic_exchange(&worker->survey, NULL);
    struct update *update = atomic_exchange(&worker->update, NULL);
    if (survey != NULL) {
        survey->counters = worker->context.counters;
        survey->on_done(survey->arg);
    }
    if (update != NULL && worker->on_adopted != NULL)
        worker->on_adopted(worker->arg);
    drop_update(update);
}

// settle ends what can end now, and tells whether nothing is left on the loop but what the worker itself has put
// there. A survey of no sessions is ready as it is.
static bool settle(struct worker *worker)
{
    sessions_reap(&worker->context);
    drop_retired(worker, false);
    if (sessions_live(&worker->context) > 0 || worker->context.is_draining)
        return false;
    survey_finish(&worker->context);
    return worker->retired == NULL && resolver_is_idle(worker->context.resolver);
}

static void *run(void *arg);

// be_stuck says, the first time, that the worker cannot begin anew.
static void be_stuck(struct worker *worker, const char *why)
{
    if (!worker->is_stuck)
        log_warning("worker %u keeps the memory of a crowd that has gone, and tries again each "
                    "second: %s",
                    worker->index, why);
    worker->is_stuck = true;
}

// succeed takes over from the thread that has started it. The old loop stays where there is no memory or
// descriptor for a new one; the next second tries again.
static void *succeed(void *arg)
{
    struct worker *worker = arg;
    struct errinfo info;
    (void)pthread_join(worker->thread, NULL);
    worker->thread = pthread_self();
    if (open_loop(worker, &info) == ERR_OK) {
        worker->is_stuck = false;
        (void)malloc_trim(0);
    } else {
        be_stuck(worker, info.text);
    }
    return run(worker);
}

// run is the worker's thread. When nobody is left of a crowd, another takes its place: libev's tables have room
// for the highest descriptor that there has ever been, and go with the loop only; malloc keeps small pieces
// for each thread, strewn over all the memory of the crowd, until it ends.
static void *run(void *arg)
{
    struct worker *worker = arg;
    pthread_t successor;
    do {
        ev_run(worker->loop, 0);
        if (worker->has_ended || !settle(worker))
            continue;
        const int error = pthread_create(&successor, NULL, succeed, worker);
        if (error == 0)
            return NULL;
        be_stuck(worker, strerror(error));
    } while (!worker->has_ended);
    sessions_reap(&worker->context);
    answer_unread(worker);
    if (worker->on_exit != NULL)
        worker->on_exit(worker->arg);
    return NULL;
}

enum err worker_start(struct worker *worker, struct errinfo *info)
{
    const int error = pthread_create(&worker->thread, NULL, run, worker);
    if (error != 0)
        return errinfo_set(info, ERR_SYSTEM, "worker %u: cannot start its thread: %s",
                           worker->index, strerror(error));
    return ERR_OK;
}

uint64_t worker_join(struct worker *worker)
{
    (void)pthread_join(worker->thread, NULL);
    return worker->cut_count;
}

void worker_destroy(struct worker *worker)
{
    if (worker == NULL)
        return;
    for (size_t i = 0; i < worker->snapshot->listener_count; i++) {
        listener_stop(worker->ports[i].listener);
        if (worker->ports[i].fd >= 0)
            (void)close(worker->ports[i].fd);
    }
    close_loop(worker);
    drop_update(atomic_exchange(&worker->update, NULL));
    wakeup_deinit(&worker->mail);
    snapshot_unref(worker->snapshot);
    free(worker->ports);
    worker->magic = 0;
    free(worker);
}
