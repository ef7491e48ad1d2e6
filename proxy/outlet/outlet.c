// The thread:
//   1. connects; after a failure it waits, longer each time, up to half a minute. A connection that did not last counts as one:
//      a receiver that takes a line and hangs up would empty the queue,
//   2. takes the first lines of the queue and sends them together; a receiver that takes nothing for ten seconds is gone,
//   3. drops lines once the receiver's kernel has acknowledged them. After a new connection the others are sent again:
//      syslog and plain lines have no acknowledgement of their own, so what the receiver's kernel had, and the receiver
//      has not read, is gone without a trace.
// Each wait of the thread ends at `stop_at_ms`, which only ever gets earlier.
#include "proxy/outlet/outlet.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "proxy/clock/clock.h"
#include "proxy/outlet/outlet_link.h"
#include "proxy/outlet/syslog_header.h"

enum {
    QUEUE_MAX = 16 * 1024 * 1024, // bytes that wait
    BACKOFF_MIN_MS = 250,
    BACKOFF_MAX_MS = 30000,
    LASTING_MS = 5000, // a connection that was there for so long was a good one
    AWAY_MS = 1000,    // until a required receiver counts as gone
    PREFIX_CAP = SYSLOG_HEADER_CAP + 32,
    BATCH_CAP = 16 * 1024, // bytes that are sent at once, unless one line is longer; a TLS record
    BATCH_LINES = 64,
    ARRIVAL_MS = 50, // between two looks at what has arrived
};

struct outlet_line {
    struct outlet_line *next;
    uint64_t end; // of what was sent: bytes of the connection after it
    size_t len;
    char data[];
};

// line_queue is what waits to be sent.
struct line_queue {
    pthread_mutex_t mutex;
    struct outlet_line *first;
    struct outlet_line **end;
    struct outlet_line *unsent; // the first one that is not on its way; NULL: none
    size_t bytes;               // of all of them
    uint64_t queued;            // lines that were ever put here
    uint64_t arrived;           // those of them that have arrived
    bool must_wake; // nothing waited when a line came, and outlet_flush was not called yet
};

// outlet_ending is how long the end of a receiver may take.
struct outlet_ending {
    atomic_int_fast64_t stop_at_ms;       // monotonic; INT64_MAX: it goes on
    atomic_int_fast64_t down_patience_ms; // of the end, once the receiver cannot be reached
    atomic_bool must_stop;
    atomic_bool has_ended;
};

struct outlet {
    struct outlet_settings
        settings; // its strings and `tls` are owned; the thread's, but for form and label
    outlet_event_fn on_event;
    pthread_t thread;
    int wake_fd; // owned; eventfd
    struct line_queue queue;
    struct server_trust *next_tls; // ref; that the thread is to go on with; the mutex of the queue
    atomic_bool is_outdated;       // there is one
    atomic_bool is_required;
    atomic_uint_fast64_t lost; // not taken yet
    atomic_uint_fast64_t lost_ever;
    struct outlet_ending ending;
    atomic_bool is_trying;             // to connect, or connected
    atomic_int_fast64_t down_since_ms; // monotonic; 0: the receiver is there
    // The thread's own.
    struct outlet_link link;
    char *message; // owned; that is sent
    size_t message_cap;
    bool has_stalled;     // it took nothing for a while, and has not taken what waited then
    uint64_t stalled_at;  // lines that were ever queued by then
    struct errinfo told;  // the problem that was told last; empty: none
    int64_t backoff_ms;   // before the next try
    int64_t retry_at_ms;  // monotonic
    int64_t connected_ms; // monotonic; when the connection was made
    char host[SYSLOG_HOST_MAX + 1];
    int pid;
};

static void wake(struct outlet *outlet)
{
    const uint64_t one = 1;
    while (write(outlet->wake_fd, &one, sizeof one) < 0 && errno == EINTR) {
    }
}

// lose counts a line that its receiver will not get.
static void lose(struct outlet *outlet)
{
    atomic_fetch_add(&outlet->lost, 1);
    atomic_fetch_add_explicit(&outlet->lost_ever, 1, memory_order_relaxed);
}

void outlet_offer(struct outlet *outlet, struct slice body, struct slice end)
{
    const size_t len = body.len + end.len;
    struct line_queue *queue = &outlet->queue;
    struct outlet_line *line = malloc(sizeof *line + len);
    (void)pthread_mutex_lock(&queue->mutex);
    const bool has_room = line != NULL && queue->bytes + len <= QUEUE_MAX;
    if (has_room) {
        line->next = NULL;
        line->len = len;
        (void)bytes_copy(line->data, len, body);
        (void)bytes_copy(line->data + body.len, len - body.len, end);
        if (queue->unsent == NULL) {
            queue->unsent = line;
            queue->must_wake = true;
        }
        *queue->end = line;
        queue->end = &line->next;
        queue->bytes += len;
        queue->queued++;
    }
    (void)pthread_mutex_unlock(&queue->mutex);
    if (!has_room) {
        free(line);
        lose(outlet);
    }
}

void outlet_flush(struct outlet *outlet)
{
    (void)pthread_mutex_lock(&outlet->queue.mutex);
    const bool must_wake = outlet->queue.must_wake;
    outlet->queue.must_wake = false;
    (void)pthread_mutex_unlock(&outlet->queue.mutex);
    if (must_wake)
        wake(outlet);
}

// ends are the first line of the queue, and the first one that is not on its way; NULL: there is none.
struct ends {
    const struct outlet_line *first;
    const struct outlet_line *unsent;
};

static struct ends ends_of(struct outlet *outlet)
{
    (void)pthread_mutex_lock(&outlet->queue.mutex);
    const struct ends ends = {outlet->queue.first, outlet->queue.unsent};
    (void)pthread_mutex_unlock(&outlet->queue.mutex);
    return ends;
}

// free_lines frees this line and those after it.
static void free_lines(struct outlet_line *line)
{
    while (line != NULL) {
        struct outlet_line *next = line->next;
        free(line);
        line = next;
    }
}

static void tell(const struct outlet *outlet, enum outlet_event event, const char *problem)
{
    if (outlet->on_event != NULL)
        outlet->on_event(outlet->settings.label, event, problem);
}

// be_up notes that the receiver is there.
static void be_up(struct outlet *outlet)
{
    outlet->has_stalled = false;
    atomic_store(&outlet->down_since_ms, 0);
    if (outlet->told.text[0] != '\0')
        tell(outlet, OUTLET_WORKS, NULL);
    outlet->told.text[0] = '\0';
}

// drop_arrived drops the lines that the receiver's kernel has.
static void drop_arrived(struct outlet *outlet)
{
    struct line_queue *queue = &outlet->queue;
    const uint64_t arrived = outlet_link_arrived(&outlet->link);
    struct outlet_line *dropped = NULL;
    (void)pthread_mutex_lock(&queue->mutex);
    while (queue->first != queue->unsent && queue->first->end <= arrived) {
        struct outlet_line *line = queue->first;
        queue->first = line->next;
        queue->bytes -= line->len;
        queue->arrived++;
        line->next = dropped;
        dropped = line;
    }
    if (queue->first == NULL)
        queue->end = &queue->first;
    const bool is_over = queue->arrived >= outlet->stalled_at;
    (void)pthread_mutex_unlock(&queue->mutex);
    free_lines(dropped);
    if (is_over && outlet->has_stalled)
        be_up(outlet);
}

// be_stalled notes that the receiver takes nothing. What is queued by now has to arrive before it counts as up again; what
// comes later does not, or a receiver that keeps up with a steady stream would be down for ever.
static void be_stalled(struct outlet *outlet)
{
    (void)pthread_mutex_lock(&outlet->queue.mutex);
    outlet->stalled_at = outlet->queue.queued;
    (void)pthread_mutex_unlock(&outlet->queue.mutex);
    outlet->has_stalled = true;
}

// be_sent notes that this many lines are on their way.
static void be_sent(struct outlet *outlet, size_t count)
{
    struct line_queue *queue = &outlet->queue;
    const uint64_t end = outlet_link_written(&outlet->link);
    (void)pthread_mutex_lock(&queue->mutex);
    for (size_t i = 0; i < count; i++) {
        queue->unsent->end = end;
        queue->unsent = queue->unsent->next;
    }
    (void)pthread_mutex_unlock(&queue->mutex);
}

// hang_up ends the connection. What the receiver's kernel does not have waits for the next one. With `finishes` the receiver
// gets a moment for what is under way; what it has by then is dropped first, in case it breaks the connection.
static void hang_up(struct outlet *outlet, bool finishes)
{
    if (outlet_link_is_open(&outlet->link))
        drop_arrived(outlet);
    if (finishes)
        outlet_link_finish(&outlet->link);
    if (finishes && outlet_link_is_open(&outlet->link))
        drop_arrived(outlet);
    outlet_link_close(&outlet->link);
    (void)pthread_mutex_lock(&outlet->queue.mutex);
    outlet->queue.unsent = outlet->queue.first;
    (void)pthread_mutex_unlock(&outlet->queue.mutex);
}

// stop_by makes the end no later than this.
static void stop_by(struct outlet *outlet, int64_t at_ms)
{
    int_fast64_t now_planned = atomic_load(&outlet->ending.stop_at_ms);
    while (at_ms < now_planned &&
           !atomic_compare_exchange_weak(&outlet->ending.stop_at_ms, &now_planned, at_ms)) {
    }
}

// is_over tells whether the process waits for the thread, and has waited long enough.
static bool is_over(const struct outlet *outlet)
{
    return monotonic_ms() >= atomic_load(&outlet->ending.stop_at_ms);
}

// be_down notes that the receiver cannot be reached, and when to try again.
static void be_down(struct outlet *outlet, const char *problem)
{
    const int64_t now_ms = monotonic_ms();
    const bool has_lasted =
        outlet_link_is_open(&outlet->link) && now_ms - outlet->connected_ms >= LASTING_MS;
    hang_up(outlet, false);
    atomic_store(&outlet->is_trying, false);
    if (has_lasted)
        outlet->backoff_ms = BACKOFF_MIN_MS;
    outlet->retry_at_ms = has_lasted ? now_ms : now_ms + outlet->backoff_ms;
    if (!has_lasted && outlet->backoff_ms < BACKOFF_MAX_MS)
        outlet->backoff_ms =
            outlet->backoff_ms * 2 < BACKOFF_MAX_MS ? outlet->backoff_ms * 2 : BACKOFF_MAX_MS;
    if (atomic_load(&outlet->down_since_ms) == 0)
        atomic_store(&outlet->down_since_ms, now_ms);
    if (strcmp(outlet->told.text, problem) == 0)
        return;
    (void)errinfo_set(&outlet->told, ERR_SYSTEM, "%s", problem);
    tell(outlet, OUTLET_FAILS, problem);
}

// note_connected notes a connection. Who took nothing in the one before has to take what waited then: each connection has room
// in the kernels for something, also where nobody reads.
static void note_connected(struct outlet *outlet)
{
    outlet->connected_ms = monotonic_ms();
    if (!outlet->has_stalled)
        be_up(outlet);
}

// has_connection connects if it is time for that.
static bool has_connection(struct outlet *outlet)
{
    struct errinfo info;
    if (outlet_link_is_open(&outlet->link))
        return true;
    if (monotonic_ms() < outlet->retry_at_ms && !atomic_load(&outlet->ending.must_stop)) {
        outlet_link_wait(&outlet->link, 0, outlet->retry_at_ms);
        return false;
    }
    atomic_store(&outlet->is_trying, true);
    const enum err error = outlet_link_open(&outlet->link, &outlet->settings, &info);
    if (error == ERR_OK)
        note_connected(outlet);
    else if (!atomic_load(&outlet->is_outdated))
        be_down(outlet, info.text);
    if (error != ERR_OK && atomic_load(&outlet->ending.must_stop)) {
        stop_by(outlet, monotonic_ms() + atomic_load(&outlet->ending.down_patience_ms));
        outlet_link_wait(&outlet->link, 0, monotonic_ms() + BACKOFF_MIN_MS / 4);
    }
    return error == ERR_OK;
}

// add_message writes what stands for the line on its way after what is there. False: there is no room.
static bool add_message(const struct outlet *outlet, struct slice line, struct text *out)
{
    char header_data[SYSLOG_HEADER_CAP];
    struct text header;
    const bool is_lines = outlet->settings.form == OUTLET_LINES;
    if (out->cap - out->len < PREFIX_CAP + line.len + 1)
        return false;
    text_init(&header, header_data, sizeof header_data);
    if (!is_lines)
        syslog_header_append(&header, line, outlet->host, outlet->pid);
    if (!is_lines && outlet_link_is_stream(&outlet->link))
        text_append_format(out, "%zu ", header.len + line.len);
    text_append(out, text_slice(&header));
    text_append(out, line);
    text_append_string(out, is_lines ? "\n" : "");
    return true;
}

// batch is what is sent at once: messages of some lines.
struct batch {
    struct text text;
    size_t count;
};

// has_room_for has memory for the message of a line.
static bool has_room_for(struct outlet *outlet, size_t len)
{
    const size_t cap = PREFIX_CAP + len + 1 > BATCH_CAP ? PREFIX_CAP + len + 1 : BATCH_CAP;
    if (cap <= outlet->message_cap)
        return true;
    char *larger = realloc(outlet->message, cap);
    if (larger == NULL)
        return false;
    outlet->message = larger;
    outlet->message_cap = cap;
    return true;
}

// peek_lines gives up to `max` lines that are to be sent, which stay in the queue. Only the thread itself drops them.
static size_t peek_lines(struct outlet *outlet, size_t max, const struct outlet_line **out)
{
    size_t count = 0;
    (void)pthread_mutex_lock(&outlet->queue.mutex);
    for (const struct outlet_line *at = outlet->queue.unsent; at != NULL && count < max;
         at = at->next)
        out[count++] = at;
    (void)pthread_mutex_unlock(&outlet->queue.mutex);
    return count;
}

// gather makes a batch of the queue, which is not empty. Without memory it is empty.
static void gather(struct outlet *outlet, struct batch *out)
{
    const struct outlet_line *lines[BATCH_LINES];
    const size_t count =
        peek_lines(outlet, outlet_link_is_stream(&outlet->link) ? BATCH_LINES : 1, lines);
    out->count = 0;
    if (count == 0 || !has_room_for(outlet, lines[0]->len))
        return;
    text_init(&out->text, outlet->message, outlet->message_cap);
    while (out->count < count) {
        const struct outlet_line *line = lines[out->count];
        if (!add_message(outlet, slice_of(line->data, line->len), &out->text))
            return;
        out->count++;
    }
}

// send_lines sends what waits, or a part of it, or ends the connection.
static void send_lines(struct outlet *outlet)
{
    struct errinfo info = {.text = "no memory"};
    struct batch batch;
    gather(outlet, &batch);
    const enum err error = batch.count == 0
                               ? ERR_MEMORY
                               : outlet_link_send(&outlet->link, text_slice(&batch.text), &info);
    if (error == ERR_LIMIT)
        lose(outlet);
    if (error == ERR_TIMEOUT)
        be_stalled(outlet);
    if (error == ERR_OK || error == ERR_LIMIT)
        be_sent(outlet, batch.count);
    else
        be_down(outlet, info.text);
}

// adopt goes on with what outlet_adapt has brought: a new connection, at once.
static void adopt(struct outlet *outlet)
{
    (void)pthread_mutex_lock(&outlet->queue.mutex);
    struct server_trust *before = outlet->settings.tls;
    outlet->settings.tls = outlet->next_tls;
    outlet->next_tls = NULL;
    atomic_store(&outlet->is_outdated, false);
    (void)pthread_mutex_unlock(&outlet->queue.mutex);
    hang_up(outlet, true);
    server_trust_unref(before);
    outlet->backoff_ms = BACKOFF_MIN_MS;
    outlet->retry_at_ms = 0;
}

// rest waits for something to do: more lines, the receiver's word, or its acknowledgement of what is on its way.
static void rest(struct outlet *outlet)
{
    const bool has_sent = ends_of(outlet).first != NULL;
    const bool must_stop = atomic_load(&outlet->ending.must_stop);
    if ((must_stop && !has_sent) || atomic_load(&outlet->is_outdated))
        return;
    outlet_link_wait(&outlet->link, POLLIN,
                     has_sent ? monotonic_ms() + (must_stop ? 1 : ARRIVAL_MS) : INT64_MAX);
}

// step does one thing, or waits for something to do. False: the thread ends.
static bool step(struct outlet *outlet)
{
    struct errinfo info;
    if (is_over(outlet) ||
        (atomic_load(&outlet->ending.must_stop) && ends_of(outlet).first == NULL))
        return false;
    if (atomic_load(&outlet->is_outdated))
        adopt(outlet);
    if (!has_connection(outlet))
        return true;
    if (outlet_link_listen(&outlet->link, &info) != ERR_OK) {
        be_down(outlet, info.text);
        return true;
    }
    drop_arrived(outlet);
    // Looked at after everything that takes a wake-up without looking.
    if (ends_of(outlet).unsent != NULL)
        send_lines(outlet);
    else
        rest(outlet);
    return true;
}

static void *run(void *arg)
{
    struct outlet *outlet = arg;
    while (step(outlet)) {
    }
    hang_up(outlet, true);
    atomic_store(&outlet->ending.has_ended, true);
    return NULL;
}

uint64_t outlet_take_lost(struct outlet *outlet)
{
    return atomic_load(&outlet->down_since_ms) == 0 ? atomic_exchange(&outlet->lost, 0) : 0;
}

const char *outlet_label(const struct outlet *outlet)
{
    return outlet->settings.label;
}

bool outlet_is_required(const struct outlet *outlet)
{
    return atomic_load(&outlet->is_required);
}

bool outlet_is_failing(struct outlet *outlet)
{
    const int64_t down_since_ms = atomic_load(&outlet->down_since_ms);
    if (!outlet_is_required(outlet))
        return false;
    (void)pthread_mutex_lock(&outlet->queue.mutex);
    const bool is_half_full = outlet->queue.bytes > QUEUE_MAX / 2;
    (void)pthread_mutex_unlock(&outlet->queue.mutex);
    return is_half_full || (down_since_ms != 0 && monotonic_ms() - down_since_ms > AWAY_MS);
}

void outlet_look(struct outlet *outlet, struct outlet_status *out)
{
    (void)pthread_mutex_lock(&outlet->queue.mutex);
    const uint64_t queued_bytes = outlet->queue.bytes;
    (void)pthread_mutex_unlock(&outlet->queue.mutex);
    *out = (struct outlet_status){
        .label = outlet->settings.label,
        .form = outlet->settings.form,
        .is_required = outlet_is_required(outlet),
        .is_up = atomic_load(&outlet->down_since_ms) == 0,
        .queued_bytes = queued_bytes,
        .lost = atomic_load_explicit(&outlet->lost_ever, memory_order_relaxed),
    };
}

bool outlet_is_for(const struct outlet *outlet, const struct outlet_settings *settings)
{
    return outlet_settings_is_same_place(&outlet->settings, settings);
}

void outlet_adapt(struct outlet *outlet, const struct outlet_settings *settings)
{
    atomic_store(&outlet->is_required, settings->is_required);
    (void)pthread_mutex_lock(&outlet->queue.mutex);
    const bool is_outdated = atomic_load(&outlet->is_outdated);
    const struct server_trust *now = is_outdated ? outlet->next_tls : outlet->settings.tls;
    const bool is_other = !server_trust_equal(now, settings->tls);
    if (is_other) {
        server_trust_unref(outlet->next_tls);
        outlet->next_tls = server_trust_ref(settings->tls);
        atomic_store(&outlet->is_outdated, true);
    }
    (void)pthread_mutex_unlock(&outlet->queue.mutex);
    if (is_other)
        wake(outlet);
}

void outlet_stop(struct outlet *outlet, struct outlet_patience patience)
{
    const bool is_up = atomic_load(&outlet->is_trying);
    atomic_store(&outlet->ending.down_patience_ms, patience.down_ms);
    atomic_store(&outlet->ending.must_stop, true);
    stop_by(outlet, monotonic_ms() + (is_up ? patience.up_ms : patience.down_ms));
    wake(outlet);
}

bool outlet_has_ended(const struct outlet *outlet)
{
    return atomic_load(&outlet->ending.has_ended);
}

static void destroy(struct outlet *outlet)
{
    free_lines(outlet->queue.first);
    outlet_link_deinit(&outlet->link);
    if (outlet->wake_fd >= 0)
        (void)close(outlet->wake_fd);
    (void)pthread_mutex_destroy(&outlet->queue.mutex);
    server_trust_unref(outlet->settings.tls);
    server_trust_unref(outlet->next_tls);
    free((char *)(uintptr_t)outlet->settings.label);
    free((char *)(uintptr_t)outlet->settings.unix_path);
    free(outlet->message);
    free(outlet);
}

uint64_t outlet_count_unsent(const struct outlet *outlet)
{
    uint64_t unsent = atomic_load(&outlet->lost);
    for (const struct outlet_line *line = outlet->queue.first; line != NULL; line = line->next)
        unsent++;
    return unsent;
}

uint64_t outlet_close(struct outlet *outlet)
{
    char said[64];
    if (outlet == NULL)
        return 0;
    (void)pthread_join(outlet->thread, NULL);
    const uint64_t unsent = outlet_count_unsent(outlet);
    (void)snprintf(said, sizeof said, "%llu records were not sent", (unsigned long long)unsent);
    if (unsent > 0)
        tell(outlet, OUTLET_LOSES, said);
    destroy(outlet);
    return unsent;
}

enum err outlet_open(const struct outlet_settings *settings, outlet_event_fn on_event,
                     struct outlet **out, struct errinfo *info)
{
    struct outlet *outlet = calloc(1, sizeof *outlet);
    *out = NULL;
    if (outlet == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory for a sink of the audit log");
    outlet->settings = *settings;
    outlet->settings.tls = server_trust_ref(settings->tls);
    outlet->settings.label = strdup(settings->label);
    outlet->settings.unix_path = settings->unix_path == NULL ? NULL : strdup(settings->unix_path);
    outlet->on_event = on_event;
    outlet->queue.end = &outlet->queue.first;
    outlet->backoff_ms = BACKOFF_MIN_MS;
    atomic_init(&outlet->is_required, settings->is_required);
    atomic_init(&outlet->is_trying, true);
    atomic_init(&outlet->ending.stop_at_ms, INT64_MAX);
    atomic_init(&outlet->down_since_ms, monotonic_ms());
    outlet->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    (void)pthread_mutex_init(&outlet->queue.mutex, NULL);
    (void)gethostname(outlet->host, sizeof outlet->host - 1);
    outlet->pid = (int)getpid();
    outlet_link_init(&outlet->link, outlet->wake_fd, &outlet->ending.stop_at_ms,
                     &outlet->is_outdated);
    const bool has_strings = outlet->settings.label != NULL &&
                             (settings->unix_path == NULL || outlet->settings.unix_path != NULL);
    if (has_strings && outlet->wake_fd >= 0 &&
        pthread_create(&outlet->thread, NULL, run, outlet) == 0) {
        *out = outlet;
        return ERR_OK;
    }
    destroy(outlet);
    return errinfo_set(info, ERR_SYSTEM, "cannot start a sink of the audit log, %s",
                       settings->label);
}
