// The writer:
//   1. takes the whole queue at once (a stack: the newest first) and turns it round,
//   2. seals each record when its turn comes (proxy/audit/sealer.h), adds checkpoints, and writes all in batches with one system call each; what a full disk did not take is tried again,
//      and meanwhile the log counts as failing; so does a stdout that nobody reads,
//   3. tells of lost records as soon as something can be written again,
//   4. looks whether the file is still there, before each batch and each half second,
//   5. sleeps until somebody pushes onto the empty queue and wakes it, and lets more come for a moment:
//      on a busy proxy a wake-up for every record costs more than the record.
#include "proxy/audit/audit_log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "auth/base/share.h"
#include "proxy/audit/sealer.h"
#include "proxy/audit/sink.h"
#include "proxy/clock/clock.h"

enum {
    DEFAULT_MAX_DECISIONS = 16384,
    DEFAULT_MAX_REFUSALS = 1024,
    MAX_ADMINS = 256,
    WRITE_BATCH = 64,
    SEALS_MAX = WRITE_BATCH + 8, // of lines that are not written yet: a batch, and checkpoints
    TAIL_MAX = 128 * 1024,       // bytes of a file that are searched for its last line
    RETRY_MS = 500,
    LOOK_MS = 500, // for whether the file is still there
    GATHER_MS = 2,
    FULL_AFTER_MS = 1000, // without a byte taken, of a stdout that somebody has to read
    STOP_MS = 5000,       // for all that waits, at the end, likewise
};

// seal_ring holds the ends of the first waiting lines, those that have one.
struct seal_ring {
    size_t first;
    size_t count;
    struct seal_text seals[SEALS_MAX];
};

// chain_change is a chain that the writer is to go on with.
struct chain_change {
    struct chain_settings *chain; // owned; NULL: no chain
};

// next_target is what main asks of the writer; NULL: nothing.
struct next_target {
    _Atomic(char *) path;                 // owned
    _Atomic(struct chain_change *) chain; // owned
    atomic_bool must_reopen;
};

// sharing of the file with other processes.
struct sharing {
    atomic_bool is_on;
    atomic_bool was_on; // and nothing was written since
};

struct audit_log {
    char *path;                       // owned; the writer's once it runs
    struct next_target next;          // where the writer is to go on
    struct audit_log_options options; // `path`, `chain` and `outlets` unused
    uint32_t max[AUDIT_KIND_COUNT];   // of `queued`
    pthread_t thread;
    struct sink sink; // owned; the writer's
    int wake_fd;      // owned; eventfd
    // Shared by all threads.
    _Atomic(struct audit_record *) pushed;         // newest first
    atomic_uint_fast32_t queued[AUDIT_KIND_COUNT]; // reserved, or queued and not yet written
    atomic_uint_fast64_t lost;                     // not told yet
    atomic_uint_fast64_t lost_ever;
    atomic_uint_fast64_t removed;
    atomic_uint_fast32_t instance;
    atomic_bool is_asleep;
    atomic_bool is_failing;
    atomic_bool must_stop;
    struct sharing sharing;
    atomic_int_fast64_t behind_since_ms; // monotonic; when something began to wait; 0: nothing does
    atomic_int_fast64_t stop_by_ms;      // monotonic; how long a stop waits for a slow reader
    // The writer's own.
    struct audit_record *waiting; // oldest first
    struct audit_record **waiting_end;
    size_t written_of_first; // bytes of the first line that are in the file already
    struct sealer sealer;
    struct seal_ring ring;
    struct outlet_list outlets; // the receivers beside the file; main's, too
};

static void wake(struct audit_log *log)
{
    const uint64_t one = 1;
    while (write(log->wake_fd, &one, sizeof one) < 0 && errno == EINTR) {
    }
}

// take_pushed moves what the workers have pushed after what waits, oldest first.
static void take_pushed(struct audit_log *log)
{
    struct audit_record *newest = atomic_exchange(&log->pushed, NULL);
    struct audit_record *oldest = NULL;
    struct audit_record **end = newest == NULL ? log->waiting_end : &newest->next;
    while (newest != NULL) {
        struct audit_record *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    *log->waiting_end = oldest;
    log->waiting_end = oldest == NULL ? log->waiting_end : end;
}

// seal_at gives the end of the line that waits at this place.
static struct seal_text *seal_at(struct audit_log *log, size_t index)
{
    return &log->ring.seals[(log->ring.first + index) % SEALS_MAX];
}

// body_of gives a record without its last two bytes, which the seal has.
static struct slice body_of(const struct audit_record *record)
{
    return slice_of(record->data, record->len - 2);
}

// seal_next makes the end of the first waiting record that has none.
static void seal_next(struct audit_log *log, const struct audit_record *record)
{
    struct seal_text *seal = seal_at(log, log->ring.count++);
    sealer_seal(&log->sealer, body_of(record), seal);
    outlet_list_offer(&log->outlets, body_of(record), slice_of(seal->data, seal->len - 1));
}

// drop_first frees the first waiting record, which is in the file as a whole.
static void drop_first(struct audit_log *log)
{
    struct audit_record *first = log->waiting;
    log->waiting = first->next;
    if (log->waiting == NULL)
        log->waiting_end = &log->waiting;
    if (first->kind != AUDIT_KIND_OTHER)
        atomic_fetch_sub(&log->queued[first->kind], 1);
    if (first->holder != NULL && log->options.on_written != NULL)
        log->options.on_written(log->options.arg, first->holder);
    log->written_of_first = 0;
    if (log->ring.count > 0) {
        log->ring.first = (log->ring.first + 1) % SEALS_MAX;
        log->ring.count--;
    }
    free(first);
}

static void set_failing(struct audit_log *log, int error)
{
    const bool is_failing = error != 0;
    if (atomic_exchange(&log->is_failing, is_failing) != is_failing &&
        log->options.on_problem != NULL)
        log->options.on_problem(log->path, error);
}

// note_written frees what `count` bytes have brought into the file.
static void note_written(struct audit_log *log, size_t count)
{
    while (count > 0) {
        const size_t left =
            body_of(log->waiting).len + seal_at(log, 0)->len - log->written_of_first;
        if (count < left) {
            log->written_of_first += count;
            return;
        }
        count -= left;
        drop_first(log);
    }
}

// line_parts are the pieces of the lines that go out together.
struct line_parts {
    struct iovec items[2 * WRITE_BATCH];
    int count;
    size_t skip; // bytes that are written already
};

static void add_part(struct line_parts *parts, char *data, size_t len)
{
    const size_t skipped = parts->skip < len ? parts->skip : len;
    parts->skip -= skipped;
    if (len > skipped)
        parts->items[parts->count++] = (struct iovec){data + skipped, len - skipped};
}

// begin_beside tells whether other processes append to the file too, and can be kept out for a moment: not where the descriptor
// is theirs as well. So it is once more when they have ended: they may have ended the line that we were in, or left one of theirs.
static bool begin_beside(struct audit_log *log)
{
    const bool is_shared = atomic_load(&log->sharing.is_on);
    const bool was_shared = atomic_exchange(&log->sharing.was_on, false);
    if ((!is_shared && !was_shared) || log->sink.kind != SINK_FILE || sink_is_stdout(log->path))
        return false;
    if (!sink_begin_beside(&log->sink))
        log->written_of_first = 0;
    return true;
}

// write_lines writes some of the first `max` waiting lines; false when the file takes nothing now.
static bool write_lines(struct audit_log *log, size_t max)
{
    const bool is_with_others = begin_beside(log);
    struct line_parts parts = {.skip = log->written_of_first};
    struct audit_record *at = log->waiting;
    for (size_t i = 0; at != NULL && i < max; at = at->next, i++) {
        if (i == log->ring.count)
            seal_next(log, at);
        add_part(&parts, at->data, body_of(at).len);
        add_part(&parts, seal_at(log, i)->data, seal_at(log, i)->len);
    }
    outlet_list_flush(&log->outlets); // one wake-up for all of them
    const int patience_ms = atomic_load(&log->is_failing) ? 0 : FULL_AFTER_MS;
    const ssize_t written = is_with_others
                                ? sink_write_beside(&log->sink, parts.items, parts.count)
                                : sink_write(&log->sink, parts.items, parts.count, patience_ms);
    if (written < 0 && errno == EINTR)
        return true;
    if (written <= 0) {
        set_failing(log, written < 0 ? errno : ENOSPC);
        return false;
    }
    set_failing(log, 0);
    note_written(log, (size_t)written);
    return true;
}

// add_checkpoint puts a checkpoint after the lines that are sealed, so that it covers them and nothing else.
static void add_checkpoint(struct audit_log *log, bool is_end)
{
    if (atomic_load(&log->is_failing) || log->ring.count == SEALS_MAX)
        return;
    struct audit_record *record =
        sealer_checkpoint(&log->sealer, wall_clock_ms(), monotonic_ms(), is_end);
    if (record == NULL)
        return;
    struct audit_record **at = &log->waiting;
    for (size_t i = 0; i < log->ring.count; i++)
        at = &(*at)->next;
    record->next = *at;
    *at = record;
    if (record->next == NULL)
        log->waiting_end = &record->next;
    seal_next(log, record);
}

// write_batch writes some of what waits, with a checkpoint where it is time for one.
static bool write_batch(struct audit_log *log)
{
    if (sealer_is_due(&log->sealer, monotonic_ms()))
        add_checkpoint(log, false);
    return log->waiting != NULL && write_lines(log, WRITE_BATCH);
}

// end_lines ends what this file has of this instance with a checkpoint. What waits stays for what comes next.
static void end_lines(struct audit_log *log, bool is_end)
{
    if (log->ring.count > 0 || sink_is_removed(&log->sink))
        return; // the file takes nothing now, or is gone
    add_checkpoint(log, is_end);
    while (log->ring.count > 0 && write_lines(log, log->ring.count)) {
    }
}

// tell_lost queues a record about lost ones, once the others can be written again.
static void tell_lost(struct audit_log *log)
{
    if (atomic_load(&log->lost) == 0 || atomic_load(&log->is_failing))
        return;
    struct audit_record *record = audit_record_create(AUDIT_LOST_CAP);
    if (record == NULL)
        return;
    audit_lost_format(wall_clock_ms(), atomic_exchange(&log->lost, 0), record);
    *log->waiting_end = record;
    log->waiting_end = &record->next;
}

// queue_loss queues a record about what a receiver has lost.
static void queue_loss(void *arg, const char *label, uint64_t count)
{
    struct audit_log *log = arg;
    struct audit_record *record = audit_sink_lost_create(wall_clock_ms(), label, count);
    if (record == NULL)
        return;
    *log->waiting_end = record;
    log->waiting_end = &record->next;
}

// ends_torn_line tells whether a line without its end can only be ours, or a crash's.
static bool ends_torn_line(const struct audit_log *log)
{
    return !atomic_load(&log->sharing.is_on);
}

// reopen opens the path once more; gives an errno, and keeps the old file, when that cannot be done, or when it is still
// there. A half-written first record starts again in another file; the same one, and the reader of a pipe, get the
// rest of it.
static int reopen(struct audit_log *log)
{
    char *next_path = atomic_exchange(&log->next.path, NULL);
    if (next_path != NULL) {
        free(log->path);
        log->path = next_path;
    }
    struct sink sink;
    if (sink_is_at(&log->sink, log->path))
        return 0;
    if (!sink_open(&sink, log->path, ends_torn_line(log)))
        return errno;
    if (!sink_is_same_stream(&log->sink, &sink))
        log->written_of_first = 0;
    sink_close(&log->sink);
    log->sink = sink;
    return 0;
}

// find_last names the last line of the file.
static struct seal_link find_last(const struct audit_log *log)
{
    struct seal_link link = {.kind = SEAL_LINK_NONE};
    bool is_all = false;
    char *data = malloc(TAIL_MAX);
    if (data != NULL)
        link = seal_link_find(sink_read_end(&log->sink, data, TAIL_MAX, &is_all), is_all);
    free(data);
    return link;
}

// begin_instance goes on with another chain, which it takes over, or NULL.
static void begin_instance(struct audit_log *log, struct seal_link after,
                           struct chain_settings *chain)
{
    sealer_deinit(&log->sealer);
    sealer_begin(&log->sealer, after, chain, monotonic_ms());
    atomic_store_explicit(&log->instance, log->sealer.instance, memory_order_relaxed);
}

// change_chain ends the instance and begins another, if main asks for it. Lines that the file did not take yet stay
// those of the instance that has sealed them.
static void change_chain(struct audit_log *log)
{
    struct chain_change *change = atomic_exchange(&log->next.chain, NULL);
    if (change == NULL)
        return;
    if (log->sealer.seq > 0)
        end_lines(log, true);
    begin_instance(log, sealer_link(&log->sealer, find_last(log)), change->chain);
    free(change);
}

// has_place tells whether there is a file to write to; one that was removed is made again at its path.
static bool has_place(struct audit_log *log)
{
    if (sink_is_stdout(log->path) || !sink_is_removed(&log->sink))
        return true;
    const int error = reopen(log);
    set_failing(log, error);
    if (error != 0)
        return false;
    const uint64_t count = atomic_fetch_add_explicit(&log->removed, 1, memory_order_relaxed) + 1;
    if (log->options.on_removed != NULL)
        log->options.on_removed(log->path, count);
    return true;
}

// has_lines tells whether there is something to write.
static bool has_lines(const struct audit_log *log)
{
    return log->waiting != NULL ||
           (!atomic_load(&log->is_failing) && sealer_is_due(&log->sealer, monotonic_ms()));
}

// is_late tells whether the process wants to end and has waited long enough for the reader of what we write.
static bool is_late(const struct audit_log *log)
{
    return log->sink.kind != SINK_FILE && atomic_load(&log->must_stop) &&
           monotonic_ms() > atomic_load(&log->stop_by_ms);
}

// note_behind notes since when something waits.
static void note_behind(struct audit_log *log)
{
    if (log->waiting == NULL)
        atomic_store(&log->behind_since_ms, 0);
    else if (atomic_load(&log->behind_since_ms) == 0)
        atomic_store(&log->behind_since_ms, monotonic_ms());
}

// write_all writes what has been pushed. Whether to reopen is asked after taking, so that no record
// submitted after audit_log_reopen goes to the old file.
static void write_all(struct audit_log *log)
{
    take_pushed(log);
    note_behind(log);
    outlet_list_look(&log->outlets, queue_loss, log);
    change_chain(log);
    const bool must_reopen = atomic_exchange(&log->next.must_reopen, false);
    if (must_reopen && sealer_has_unsigned(&log->sealer))
        end_lines(log, false);
    const int error = must_reopen ? reopen(log) : 0;
    if (error != 0 && log->options.on_problem != NULL)
        log->options.on_problem(log->path, error);
    if (!has_place(log))
        return;
    tell_lost(log);
    while (has_lines(log) && !is_late(log) && has_place(log) && write_batch(log)) {
    }
    note_behind(log);
}

// sleep_until_woken waits for a push; a failing log tries again by itself.
static void sleep_until_woken(struct audit_log *log)
{
    atomic_store(&log->is_asleep, true);
    const bool has_work = atomic_load(&log->pushed) != NULL || atomic_load(&log->must_stop) ||
                          atomic_load(&log->next.must_reopen) ||
                          atomic_load(&log->next.chain) != NULL;
    if (!has_work) {
        struct pollfd woken = {.fd = log->wake_fd, .events = POLLIN};
        const bool must_retry = log->waiting != NULL || atomic_load(&log->lost) != 0;
        (void)poll(&woken, 1, must_retry ? RETRY_MS : LOOK_MS);
    }
    atomic_store(&log->is_asleep, false);
    uint64_t count = 0;
    (void)!read(log->wake_fd, &count, sizeof count);
}

// gather waits a moment for further records. No push wakes the writer now: a wake-up asks for something else, at once.
static void gather(const struct audit_log *log)
{
    struct pollfd woken = {.fd = log->wake_fd, .events = POLLIN};
    if (!atomic_load(&log->must_stop) && !atomic_load(&log->next.must_reopen))
        (void)poll(&woken, 1, GATHER_MS);
}

static void *run(void *arg)
{
    struct audit_log *log = arg;
    while (!atomic_load(&log->must_stop)) {
        write_all(log);
        sleep_until_woken(log);
        gather(log);
    }
    write_all(log);
    tell_lost(log);
    write_all(log);
    if (log->waiting == NULL && log->sealer.seq > 0 && !is_late(log))
        end_lines(log, true);
    return NULL;
}

// cannot_open says why, by errno, and what to do about the case that a new path often is.
static enum err cannot_open(const char *path, struct errinfo *info)
{
    return errinfo_set(info, ERR_SYSTEM, "cannot open the audit log %s: %s%s", sink_label(path),
                       strerror(errno), errno == ENOENT ? ": make its folder first" : "");
}

static enum err start(struct audit_log *log, const struct audit_log_options *options,
                      struct errinfo *info)
{
    const struct chain_settings *settings = options->chain;
    if (!sink_open(&log->sink, log->path, ends_torn_line(log)))
        return cannot_open(log->path, info);
    struct chain_settings *chain = NULL;
    if (settings != NULL && (chain = chain_settings_copy(settings)) == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory for the audit log");
    begin_instance(log, find_last(log), chain);
    TRY(outlet_list_change(&log->outlets, options->outlets, options->outlet_count, info));
    log->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (log->wake_fd < 0 || pthread_create(&log->thread, NULL, run, log) != 0)
        return errinfo_set(info, ERR_SYSTEM, "cannot start the writer of the audit log %s",
                           log->path);
    return ERR_OK;
}

static void free_change(struct chain_change *change)
{
    if (change != NULL)
        chain_settings_destroy(change->chain);
    free(change);
}

static void destroy(struct audit_log *log)
{
    (void)outlet_list_close(&log->outlets);
    outlet_list_deinit(&log->outlets);
    sink_close(&log->sink);
    if (log->wake_fd >= 0)
        (void)close(log->wake_fd);
    free(log->path);
    free(atomic_load(&log->next.path));
    free_change(atomic_load(&log->next.chain));
    sealer_deinit(&log->sealer);
    free(log);
}

enum err audit_log_open(const struct audit_log_options *options, struct audit_log **out,
                        struct errinfo *info)
{
    *out = NULL;
    struct audit_log *log = calloc(1, sizeof *log);
    if (log == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory for the audit log");
    log->options = *options;
    log->options.path = NULL;
    log->options.chain = NULL;
    log->options.outlets = NULL;
    outlet_list_init(&log->outlets, options->on_outlet);
    log->max[AUDIT_KIND_DECISION] =
        options->max_decisions == 0 ? DEFAULT_MAX_DECISIONS : options->max_decisions;
    log->max[AUDIT_KIND_REFUSAL] =
        options->max_refusals == 0 ? DEFAULT_MAX_REFUSALS : options->max_refusals;
    log->max[AUDIT_KIND_REQUESTS] = log->max[AUDIT_KIND_REFUSAL];
    log->max[AUDIT_KIND_ADMIN] = MAX_ADMINS;
    log->sink.fd = -1;
    log->wake_fd = -1;
    atomic_store(&log->sharing.is_on, options->is_shared);
    log->waiting_end = &log->waiting;
    log->path = strdup(options->path);
    const enum err error = log->path == NULL
                               ? errinfo_set(info, ERR_MEMORY, "no memory for the audit log")
                               : start(log, options, info);
    if (error == ERR_OK)
        *out = log;
    else
        destroy(log);
    return error;
}

uint64_t audit_log_close(struct audit_log *log)
{
    atomic_store(&log->stop_by_ms, monotonic_ms() + STOP_MS);
    atomic_store(&log->must_stop, true);
    wake(log);
    (void)pthread_join(log->thread, NULL);
    uint64_t unwritten = atomic_load(&log->lost);
    while (log->waiting != NULL) {
        drop_first(log);
        unwritten++;
    }
    unwritten += outlet_list_close(&log->outlets);
    destroy(log);
    return unwritten;
}

bool audit_log_is_failing(const struct audit_log *log)
{
    return atomic_load_explicit(&log->is_failing, memory_order_relaxed) ||
           outlet_list_is_failing(&log->outlets);
}

bool audit_log_is_full(const struct audit_log *log)
{
    return audit_log_is_failing(log) ||
           atomic_load_explicit(&log->queued[AUDIT_KIND_DECISION], memory_order_relaxed) >=
               log->max[AUDIT_KIND_DECISION];
}

static void wake_if_asleep(struct audit_log *log)
{
    if (atomic_exchange(&log->is_asleep, false))
        wake(log);
}

// push queues the record, in no more memory than its text needs.
static void push(struct audit_log *log, struct audit_record *record)
{
    struct audit_record *fitted = realloc(record, sizeof *record + record->len);
    if (fitted != NULL)
        record = fitted;
    record->next = atomic_load_explicit(&log->pushed, memory_order_relaxed);
    while (!atomic_compare_exchange_weak(&log->pushed, &record->next, record)) {
    }
    wake_if_asleep(log);
}

bool audit_log_reserve(struct audit_log *log, uint32_t held)
{
    atomic_uint_fast32_t *queued = &log->queued[AUDIT_KIND_DECISION];
    uint_fast32_t in_use = atomic_load(queued);
    do {
        if (!share_may_take(held, in_use, log->max[AUDIT_KIND_DECISION]))
            return false;
    } while (!atomic_compare_exchange_weak(queued, &in_use, in_use + 1));
    return true;
}

void audit_log_give_back(struct audit_log *log)
{
    atomic_fetch_sub(&log->queued[AUDIT_KIND_DECISION], 1);
}

void audit_log_submit_decision(struct audit_log *log, struct audit_record *record, void *holder)
{
    record->kind = AUDIT_KIND_DECISION;
    record->holder = holder;
    push(log, record);
}

void audit_log_submit(struct audit_log *log, struct audit_record *record)
{
    push(log, record);
}

void audit_log_submit_bounded(struct audit_log *log, enum audit_kind kind,
                              struct audit_record *record, uint32_t count)
{
    atomic_uint_fast32_t *queued = &log->queued[kind];
    const bool has_room = record != NULL && atomic_fetch_add(queued, 1) < log->max[kind];
    if (has_room) {
        record->kind = kind;
        push(log, record);
        return;
    }
    if (record != NULL)
        atomic_fetch_sub(queued, 1);
    audit_log_note_lost(log, count);
    audit_record_destroy(record);
}

void audit_log_look(const struct audit_log *log, struct audit_log_status *out)
{
    const int64_t behind_since_ms =
        atomic_load_explicit(&log->behind_since_ms, memory_order_relaxed);
    *out = (struct audit_log_status){
        .lag_ms = behind_since_ms == 0 ? 0 : monotonic_ms() - behind_since_ms,
        .queued = atomic_load_explicit(&log->queued[AUDIT_KIND_DECISION], memory_order_relaxed),
        .lost = atomic_load_explicit(&log->lost_ever, memory_order_relaxed),
        .instance = (uint32_t)atomic_load_explicit(&log->instance, memory_order_relaxed),
        .removed = atomic_load_explicit(&log->removed, memory_order_relaxed),
        .is_failing = audit_log_is_failing(log),
        .is_full = audit_log_is_full(log),
    };
}

size_t audit_log_look_at_sinks(struct audit_log *log, struct outlet_status out[OUTLETS_MAX])
{
    return outlet_list_statuses(&log->outlets, out);
}

void audit_log_note_lost(struct audit_log *log, uint64_t count)
{
    atomic_fetch_add(&log->lost, count);
    atomic_fetch_add_explicit(&log->lost_ever, count, memory_order_relaxed);
    wake_if_asleep(log);
}

// change_of copies the chain of a target. NULL: no memory.
static struct chain_change *change_of(const struct audit_log_target *target)
{
    struct chain_change *change = calloc(1, sizeof *change);
    if (change == NULL || target->chain == NULL)
        return change;
    change->chain = chain_settings_copy(target->chain);
    if (change->chain != NULL)
        return change;
    free(change);
    return NULL;
}

// can_open tells whether the file at the path can be written. What is in it stays as it is: it can be the writer's own.
static enum err can_open(const char *path, struct errinfo *info)
{
    struct sink sink;
    if (!sink_open(&sink, path, false))
        return cannot_open(path, info);
    sink_close(&sink);
    return ERR_OK;
}

enum err audit_log_move(struct audit_log *log, const struct audit_log_target *target,
                        struct errinfo *info)
{
    if (target->path != NULL)
        TRY(can_open(target->path, info));
    struct chain_change *change = target->has_other_chain ? change_of(target) : NULL;
    char *path = target->path == NULL ? NULL : strdup(target->path);
    enum err error = ERR_OK;
    if ((target->has_other_chain && change == NULL) || (target->path != NULL && path == NULL))
        error = errinfo_set(info, ERR_MEMORY, "no memory for the audit log");
    else if (target->has_other_outlets)
        error = outlet_list_change(&log->outlets, target->outlets, target->outlet_count, info);
    if (error != ERR_OK) {
        free_change(change);
        free(path);
        return error;
    }
    if (change != NULL)
        free_change(atomic_exchange(&log->next.chain, change));
    if (path != NULL) {
        free(atomic_exchange(&log->next.path, path));
        atomic_store(&log->next.must_reopen, true);
    }
    wake(log);
    return ERR_OK;
}

void audit_log_share(struct audit_log *log, bool is_shared)
{
    if (!is_shared && atomic_load(&log->sharing.is_on))
        atomic_store(&log->sharing.was_on, true);
    atomic_store(&log->sharing.is_on, is_shared);
}

void audit_log_reopen(struct audit_log *log)
{
    atomic_store(&log->next.must_reopen, true);
    wake(log);
}
