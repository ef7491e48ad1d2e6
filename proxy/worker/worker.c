// A worker on its loop: listeners, what is in its mailbox, a new snapshot, its end.
#include "proxy/worker/worker.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "proxy/keys/key_line.h"
#include "proxy/log/log.h"
#include "proxy/loop/busy_poll.h"
#include "proxy/net/listener.h"
#include "proxy/net/resolver.h"
#include "proxy/session/accept.h"
#include "proxy/session/session.h"
#include "proxy/session/sessions.h"
#include "proxy/session/scan.h"
#include "proxy/worker/headroom.h"
#include "proxy/worker/spread.h"

enum { WORKER_MAGIC = 0x3E0A4E40 };

static const ev_tstamp late_s = 1.; // between two tries

// message is what others post to a worker beside worker_message.
enum message {
    MESSAGE_ADOPT = LOOP_FIRST_OWN << 1,
    MESSAGE_SCAN = LOOP_FIRST_OWN << 2,
    MESSAGE_PULSE = LOOP_FIRST_OWN << 3,
    MESSAGE_NEWCOMERS = LOOP_FIRST_OWN << 7,
};

// port is one socket of a listener of this worker.
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
    size_t port_count;
};

struct worker {
    uint32_t magic;
    struct loop_thread thread;
    // owned; of listener l the `shares` at [share * listener_count + l]; an fd of -1 without a listener: none
    struct port *ports;
    size_t port_count;
    uint32_t shares;       // sockets of one listener that it may have
    struct spread *spread; // borrowed
    uint32_t seat;         // its own there
    ev_prepare telling;    // tells the others how many sessions there are
    // its snapshot is a reference of the worker, its resolver is owned
    struct session_context context;
    struct key_desk *keys;           // borrowed; NULL: no private key is apart
    struct key_line *key_line;       // owned; on the loop; where there is a desk
    _Atomic(struct update *) update; // owned; put there by main, taken by the loop
    _Atomic(struct scan *) scan;     // borrowed; put there by main, taken by the loop
    atomic_bool owes_pulse;          // it was asked for a sign of life, and has not given it
    atomic_bool is_gone;             // the loop has ended: nobody opens the mailbox any more
    ev_timer late; // while its resolver is that of an older configuration, for lack of memory
    struct headroom headroom;
    struct busy_poll busy_poll;
    uint64_t cut_count;           // exchanges that were ended by us
    const struct wakeup *adopted; // borrowed
};

static void tell_sessions(const struct worker *worker)
{
    spread_tell(worker->spread, worker->seat, sessions_live(&worker->context));
}

// admit begins a session.
static void admit(struct worker *worker, const struct newcomer *newcomer)
{
    headroom_note(&worker->headroom, worker->context.ledger, newcomer->fd);
    session_accept(&worker->context, &worker->context.snapshot->listeners[newcomer->listener],
                   newcomer->fd, &newcomer->address, newcomer->port);
    tell_sessions(worker);
}

static void on_accept(void *arg, int fd, const struct ip_addr *peer, uint16_t peer_port)
{
    const struct port *port = arg;
    struct worker *worker = port->worker;
    const struct snapshot *snapshot = worker->context.snapshot;
    const struct newcomer newcomer = {.fd = fd,
                                      .address = *peer,
                                      .port = peer_port,
                                      .listener = (uint32_t)(port->config - snapshot->listeners)};
    if (!spread_hand(worker->spread, worker->seat, snapshot->generation, &newcomer))
        admit(worker, &newcomer);
}

// admit_all begins the sessions of what others have handed to this worker.
static void admit_all(struct worker *worker, const struct newcomer *newcomers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        admit(worker, &newcomers[i]);
}

// admit_newcomers empties the inbox. What comes later is under the snapshot of `generation`.
static void admit_newcomers(struct worker *worker, uint64_t generation)
{
    struct newcomer newcomers[SPREAD_INBOX];
    admit_all(worker, newcomers, spread_take(worker->spread, worker->seat, generation, newcomers));
}

// leave_spread empties the inbox for the last time.
static void leave_spread(struct worker *worker)
{
    struct newcomer newcomers[SPREAD_INBOX];
    admit_all(worker, newcomers, spread_leave(worker->spread, worker->seat, newcomers));
}

static void on_prepare(struct ev_loop *loop, ev_prepare *prepare, int events)
{
    (void)loop;
    (void)events;
    const struct worker *worker = prepare->data;
    tell_sessions(worker);
}

static bool may_accept(void *arg)
{
    struct port *port = arg;
    struct worker *worker = port->worker;
    const bool has_room = headroom_has_room(&worker->headroom, worker->context.ledger,
                                            worker->thread.mail.io.fd, worker->context.now_ms);
    if (!has_room)
        (void)sessions_make_room(&worker->context, NULL); // for the next time that is asked
    return has_room;
}

static void on_exhausted(void *arg, int error)
{
    const struct port *port = arg;
    log_error(
        LOG_ACCEPT_FAILED,
        "listener %s: cannot accept: %s; waiting for connections to end (raise LimitNOFILE if this is not an attack)",
        port->config->name, strerror(error));
}

// stop_listeners ends what brings connections: those that others hand to it, too.
static void stop_listeners(struct worker *worker)
{
    leave_spread(worker);
    for (size_t i = 0; i < worker->port_count; i++) {
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

static bool is_empty(void *owner)
{
    const struct worker *worker = owner;
    return sessions_live(&worker->context) == 0;
}

static void end_all(void *owner, bool is_late)
{
    struct worker *worker = owner;
    stop_listeners(worker);
    worker->cut_count += open_exchanges(worker);
    sessions_end_all(&worker->context, is_late ? REASON_DRAINED : REASON_KILLED);
}

static int64_t begin_drain(void *owner)
{
    struct worker *worker = owner;
    stop_listeners(worker);
    sessions_begin_drain(&worker->context);
    return worker->context.snapshot->timeouts.drain_ms;
}

// accept_waiting takes what waits in the queues of the sockets that are given up.
static void accept_waiting(const struct worker *worker)
{
    for (size_t i = 0; i < worker->port_count; i++) {
        if (worker->ports[i].listener != NULL)
            listener_accept_waiting(worker->ports[i].listener);
    }
}

static void begin_retire(void *owner)
{
    struct worker *worker = owner;
    accept_waiting(worker);
    stop_listeners(worker);
    sessions_begin_retire(&worker->context);
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
    port->listener = listener_start(worker->thread.loop, port->fd, &events);
    if (port->listener == NULL)
        return false;
    port->fd = -1;
    return true;
}

// make_ports takes the descriptors over and leaves -1 in their place. NULL without memory: then it takes none.
static struct port *make_ports(struct worker *worker, const struct snapshot *snapshot, int *fds)
{
    const size_t count = snapshot->listener_count * worker->shares;
    struct port *ports = calloc(count, sizeof *ports);
    for (size_t i = 0; ports != NULL && i < count; i++) {
        const size_t listener = i % snapshot->listener_count;
        ports[i] =
            (struct port){.worker = worker, .config = &snapshot->listeners[listener], .fd = fds[i]};
        fds[i] = -1;
    }
    return ports;
}

// drop_ports closes and frees them.
static void drop_ports(struct port *ports, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        listener_stop(ports[i].listener);
        if (ports[i].fd >= 0)
            (void)close(ports[i].fd);
    }
    free(ports);
}

// take_port goes on with an old listener in the same place, or with its descriptor where there was no memory to listen.
// With several sockets in one place it does not matter which port has which.
static void take_port(struct worker *worker, struct port *port)
{
    for (size_t i = 0; i < worker->port_count; i++) {
        struct port *old = &worker->ports[i];
        if ((old->listener == NULL && old->fd < 0) ||
            !listener_config_is_same_place(old->config, port->config))
            continue;
        port->listener = old->listener;
        port->fd = old->fd;
        old->listener = NULL;
        old->fd = -1;
        if (port->listener != NULL)
            listener_set_arg(port->listener, port);
        return;
    }
}

// adopt_ports puts the new ports in the place of the old ones.
static void adopt_ports(struct worker *worker, const struct update *update)
{
    for (size_t i = 0; i < update->port_count; i++) {
        struct port *port = &update->ports[i];
        if (port->fd < 0)
            take_port(worker, port);
        if (port->fd >= 0 && !open_port(port))
            log_error(LOG_NO_MEMORY,
                      "listener %s: no memory; %s does not serve it until the next reload",
                      port->config->name, worker->thread.name);
    }
    accept_waiting(worker);
    drop_ports(worker->ports, worker->port_count);
    worker->ports = update->ports;
    worker->port_count = update->port_count;
}

// take_resolver makes a new resolver by a snapshot. Open questions stay with the old one.
static enum err take_resolver(struct worker *worker, const struct snapshot *snapshot,
                              struct errinfo *info)
{
    struct resolver *resolver = NULL;
    TRY(resolver_create(worker->thread.loop, &snapshot->resolver, &resolver, info));
    resolver_retire(worker->context.resolver);
    resolver_count_into(resolver, &worker->context.counters.dns);
    worker->context.resolver = resolver;
    return ERR_OK;
}

// adopt_resolver takes a new resolver where its settings have changed, or should have before. Without memory it is tried again.
static void adopt_resolver(struct worker *worker, const struct snapshot *snapshot)
{
    struct errinfo info;
    const bool is_late = ev_is_active(&worker->late);
    if (!is_late &&
        resolver_options_equal(&worker->context.snapshot->resolver, &snapshot->resolver))
        return;
    if (take_resolver(worker, snapshot, &info) == ERR_OK) {
        ev_timer_stop(worker->thread.loop, &worker->late);
        return;
    }
    log_error(LOG_RESOLVER_FAILED,
              "%s: the old resolver stays for now; tried again every second: %s",
              worker->thread.name, info.text);
    ev_timer_again(worker->thread.loop, &worker->late);
}

// on_late tries again what adopt_resolver had no memory for.
static void on_late(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct worker *worker = timer->data;
    struct session_context *context = &worker->context;
    struct errinfo info;
    (void)events;
    ASSERT(worker->magic == WORKER_MAGIC);
    if (take_resolver(worker, context->snapshot, &info) != ERR_OK)
        return;
    ev_timer_stop(loop, timer);
    sessions_take_resolver(context);
}

static void adopt(struct worker *worker)
{
    struct update *update = atomic_exchange(&worker->update, NULL);
    if (update == NULL)
        return;
    struct snapshot *old = worker->context.snapshot;
    admit_newcomers(worker, update->snapshot->generation);
    adopt_ports(worker, update);
    adopt_resolver(worker, update->snapshot);
    if (update->snapshot->busy_poll_us != old->busy_poll_us)
        busy_poll_start(&worker->busy_poll, worker->thread.loop, update->snapshot->busy_poll_us);
    sessions_adopt(&worker->context, update->snapshot);
    snapshot_unref(old);
    free(update);
    if (worker->context.is_leaving)
        stop_listeners(worker);
    wakeup_send(worker->adopted);
}

// open_scan begins the one that main has put into the mailbox.
static void open_scan(struct worker *worker)
{
    struct scan *scan = atomic_exchange(&worker->scan, NULL);
    if (scan != NULL)
        scan_start(&worker->context, scan);
}

// begin_accepting lets in who waits, and who comes from now on.
static void begin_accepting(const struct worker *worker)
{
    for (size_t i = 0; i < worker->port_count; i++) {
        if (worker->ports[i].listener != NULL)
            listener_release(worker->ports[i].listener);
    }
}

static void on_messages(void *owner, unsigned messages)
{
    struct worker *worker = owner;
    ASSERT(worker->magic == WORKER_MAGIC);
    if ((messages & WORKER_ACCEPT) != 0)
        begin_accepting(worker);
    if ((messages & MESSAGE_PULSE) != 0)
        atomic_store(&worker->owes_pulse, false);
    if ((messages & MESSAGE_NEWCOMERS) != 0)
        admit_newcomers(worker, worker->context.snapshot->generation);
    if ((messages & MESSAGE_ADOPT) != 0)
        adopt(worker);
    if ((messages & MESSAGE_SCAN) != 0)
        open_scan(worker);
    if ((messages & WORKER_OCSP_ANSWERED) != 0)
        sessions_note_answers(&worker->context);
    if ((messages & WORKER_LEASES) != 0)
        sessions_note_leases(&worker->context);
    if ((messages & WORKER_CLOCK_SET) != 0)
        sessions_note_clock(&worker->context);
    if ((messages & WORKER_OCSP_LOST) != 0)
        sessions_judge_again(&worker->context);
}

// drop_update frees one that nobody has adopted. NULL is allowed.
static void drop_update(struct update *update)
{
    if (update == NULL)
        return;
    drop_ports(update->ports, update->port_count);
    snapshot_unref(update->snapshot);
    free(update);
}

enum err worker_adopt(struct worker *worker, struct snapshot *snapshot, int *listener_fds)
{
    struct update *update = calloc(1, sizeof *update);
    struct port *ports = update == NULL ? NULL : make_ports(worker, snapshot, listener_fds);
    if (ports == NULL) {
        free(update);
        return ERR_MEMORY;
    }
    *update = (struct update){.snapshot = snapshot_ref(snapshot),
                              .ports = ports,
                              .port_count = snapshot->listener_count * worker->shares};
    ASSERT(atomic_exchange(&worker->update, update) == NULL);
    loop_thread_post(&worker->thread, MESSAGE_ADOPT);
    if (!atomic_load(&worker->is_gone))
        return ERR_OK;
    // Its loop has ended, maybe after it looked: the thread that takes the letter out knows that it is alone.
    update = atomic_exchange(&worker->update, NULL);
    drop_update(update);
    return update == NULL ? ERR_OK : ERR_EOF;
}

bool worker_scan(struct worker *worker, struct scan *scan)
{
    ASSERT(atomic_exchange(&worker->scan, scan) == NULL);
    loop_thread_post(&worker->thread, MESSAGE_SCAN);
    if (!atomic_load(&worker->is_gone) || atomic_exchange(&worker->scan, NULL) == NULL)
        return true;
    scan->counters = worker->context.counters; // nobody changes them any more
    return false;
}

bool worker_take_pulse(struct worker *worker)
{
    if (atomic_load(&worker->is_gone))
        return true;
    const bool is_alive = !atomic_exchange(&worker->owes_pulse, true);
    if (is_alive)
        loop_thread_post(&worker->thread, MESSAGE_PULSE);
    return is_alive || atomic_load(&worker->is_gone);
}

void worker_post(struct worker *worker, enum worker_message message)
{
    loop_thread_post(&worker->thread, message);
}

// leave_loop frees what the worker has on its loop, but for the listeners.
static void leave_loop(struct worker *worker)
{
    if (worker->context.loop == NULL)
        return;
    busy_poll_stop(&worker->busy_poll);
    ev_prepare_stop(worker->context.loop, &worker->telling);
    ev_timer_stop(worker->context.loop, &worker->late);
    sessions_stop(&worker->context);
    resolver_destroy(worker->context.resolver);
    key_line_destroy(worker->key_line);
    worker->key_line = NULL;
    worker->context.loop = NULL;
}

// enter_loop makes a resolver on the loop and moves the worker there. It must have no sessions. The DNS cache and the
// verdicts remembered are lost. An error changes nothing.
static enum err enter_loop(void *owner, struct ev_loop *loop, struct errinfo *info)
{
    struct worker *worker = owner;
    struct resolver *resolver = NULL;
    struct key_line *key_line = NULL;
    TRY(resolver_create(loop, &worker->context.snapshot->resolver, &resolver, info));
    if (worker->keys != NULL && (key_line = key_line_create(worker->keys, loop)) == NULL) {
        resolver_destroy(resolver);
        return errinfo_set(info, ERR_MEMORY, "no memory for a line to the private keys");
    }
    for (size_t i = 0; i < worker->port_count; i++) {
        if (worker->ports[i].listener != NULL)
            listener_move(worker->ports[i].listener, loop);
    }
    leave_loop(worker);
    worker->context.loop = loop;
    worker->context.resolver = resolver;
    worker->key_line = key_line;
    resolver_count_into(resolver, &worker->context.counters.dns);
    sessions_start(&worker->context);
    ev_prepare_start(loop, &worker->telling);
    busy_poll_start(&worker->busy_poll, loop, worker->context.snapshot->busy_poll_us);
    return ERR_OK;
}

// answer_unread answers what is left in the mailbox when the loop has ended, so that nobody waits for it.
static void answer_unread(struct worker *worker)
{
    scan_finish(&worker->context);
    atomic_store(&worker->is_gone, true);
    struct scan *scan = atomic_exchange(&worker->scan, NULL);
    struct update *update = atomic_exchange(&worker->update, NULL);
    if (scan != NULL) {
        scan->counters = worker->context.counters;
        scan->on_done(scan->arg);
    }
    if (update != NULL)
        wakeup_send(worker->adopted);
    drop_update(update);
}

static void on_thread_exit(void *owner)
{
    struct worker *worker = owner;
    sessions_reap(&worker->context);
    answer_unread(worker);
}

// may_renew ends what can end now, and tells whether nothing is left on the loop but what the worker itself has put
// there: without sessions nobody waits for a resolver, and a scan is ready as it is.
static bool may_renew(void *owner)
{
    struct worker *worker = owner;
    sessions_reap(&worker->context);
    if (sessions_live(&worker->context) > 0)
        return false;
    scan_finish(&worker->context);
    return true;
}

static const struct loop_thread_events thread_events = {
    .on_messages = on_messages,
    .begin_drain = begin_drain,
    .begin_retire = begin_retire,
    .is_empty = is_empty,
    .end_all = end_all,
    .on_exit = on_thread_exit,
    .may_renew = may_renew,
    .renew = enter_loop,
};

// free_worker frees one whose thread never ran or has been joined.
static void free_worker(struct worker *worker)
{
    struct newcomer newcomers[SPREAD_INBOX];
    const size_t unseen = spread_leave(worker->spread, worker->seat, newcomers);
    for (size_t i = 0; i < unseen; i++)
        (void)close(newcomers[i].fd);
    drop_ports(worker->ports, worker->port_count);
    leave_loop(worker);
    drop_update(atomic_exchange(&worker->update, NULL));
    loop_thread_deinit(&worker->thread);
    client_counts_deinit(&worker->context.client_counts);
    free(worker->context.tops);
    snapshot_unref(worker->context.snapshot);
    worker->magic = 0;
    free(worker);
}

// start makes everything that can fail, and the thread. What was made is freed by free_worker.
static enum err start(struct worker *worker, const struct worker_options *options,
                      struct errinfo *info)
{
    const char *name = worker->thread.name;
    TRY(loop_thread_init(&worker->thread, &thread_events, worker, options->index, info));
    if (getrandom(&worker->context.id_seed, sizeof worker->context.id_seed, 0) !=
        sizeof worker->context.id_seed)
        return errinfo_set(info, ERR_SYSTEM, "%s: no randomness", name);
    TRY(enter_loop(worker, worker->thread.loop, info));
    for (size_t i = 0; i < worker->port_count; i++) {
        if (worker->ports[i].fd >= 0 && !open_port(&worker->ports[i]))
            return errinfo_set(info, ERR_MEMORY, "%s: no memory", name);
        if (worker->ports[i].listener != NULL)
            listener_hold(worker->ports[i].listener);
    }
    spread_sit(worker->spread, worker->seat, &worker->thread, MESSAGE_NEWCOMERS,
               worker->context.snapshot->generation);
    return loop_thread_start(&worker->thread, options->exits, info);
}

enum err worker_start(const struct worker_options *options, struct worker **out,
                      struct errinfo *info)
{
    const struct session_context *context = options->context;
    struct worker *worker = calloc(1, sizeof *worker);
    *out = NULL;
    if (worker == NULL)
        return errinfo_set(info, ERR_MEMORY, "worker %u: no memory", options->index);
    worker->shares = options->shares;
    worker->spread = options->spread;
    worker->seat = options->index;
    worker->keys = options->keys;
    struct port *ports = make_ports(worker, context->snapshot, options->listener_fds);
    if (ports == NULL) {
        free(worker);
        return errinfo_set(info, ERR_MEMORY, "worker %u: no memory", options->index);
    }
    worker->magic = WORKER_MAGIC;
    ev_timer_init(&worker->late, on_late, 0., late_s);
    worker->late.data = worker;
    ev_prepare_init(&worker->telling, on_prepare);
    worker->telling.data = worker;
    worker->port_count = context->snapshot->listener_count * worker->shares;
    worker->context = *context;
    worker->context.snapshot = snapshot_ref(context->snapshot);
    worker->headroom.descriptors = options->descriptors;
    worker->headroom.base = options->base_descriptors;
    worker->context.upstreams.max = headroom_pooled_max(&worker->headroom);
    worker->context.dial_max = headroom_dials_max(&worker->headroom);
    ledger_set_room(context->ledger, headroom_sessions_max(&worker->headroom));
    worker->adopted = options->adopted;
    worker->ports = ports;
    const enum err error = start(worker, options, info);
    if (error == ERR_OK)
        *out = worker;
    else
        free_worker(worker);
    return error;
}

uint64_t worker_join(struct worker *worker)
{
    loop_thread_join(&worker->thread);
    const uint64_t cut_count = worker->cut_count;
    free_worker(worker);
    return cut_count;
}
