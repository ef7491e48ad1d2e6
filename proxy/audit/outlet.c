// The thread:
//   1. connects; after a failure it waits, longer each time, up to half a minute,
//   2. takes the first line of the queue and sends it as a whole; a receiver that takes nothing for ten seconds is gone,
//   3. drops the line once the kernel has it. After a new connection the line that was under way is sent again: syslog
//      and plain lines have no acknowledgement, so what the old connection still held is gone without a trace.
#include "proxy/audit/outlet.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "proxy/audit/syslog_header.h"
#include "proxy/clock/clock.h"
#include "proxy/net/sockaddr.h"

enum {
    QUEUE_MAX = 16 * 1024 * 1024, // bytes that wait
    CONNECT_MS = 5000,
    SEND_MS = 10000, // without a byte taken
    BACKOFF_MIN_MS = 250,
    BACKOFF_MAX_MS = 30000,
    AWAY_MS = 1000,     // until a required receiver counts as gone
    STOP_UP_MS = 5000,  // for what waits, at the end
    STOP_DOWN_MS = 500, // likewise, if nobody is there
    PREFIX_CAP = SYSLOG_HEADER_CAP + 32,
};

struct outlet_line {
    struct outlet_line *next;
    size_t len;
    char data[];
};

struct outlet {
    struct outlet_settings settings; // its strings are those below
    char *label;                     // owned
    char *unix_path;                 // owned, or NULL
    outlet_problem_fn on_problem;
    pthread_t thread;
    pthread_mutex_t mutex; // of the queue
    struct outlet_line *first;
    struct outlet_line **end;
    size_t bytes;
    int wake_fd; // owned; eventfd
    atomic_uint_fast64_t lost;
    atomic_bool must_stop;
    atomic_int_fast64_t down_since_ms; // monotonic; 0: the receiver is there
    // The thread's own.
    int fd; // owned; -1: no connection
    bool is_datagram;
    bool has_told; // of the problem
    int backoff_ms;
    char host[SYSLOG_HOST_MAX + 1];
};

static void wake(struct outlet *outlet)
{
    const uint64_t one = 1;
    while (write(outlet->wake_fd, &one, sizeof one) < 0 && errno == EINTR) {
    }
}

void outlet_offer(struct outlet *outlet, struct slice body, struct slice end)
{
    const size_t len = body.len + end.len;
    struct outlet_line *line = malloc(sizeof *line + len);
    (void)pthread_mutex_lock(&outlet->mutex);
    const bool has_room = line != NULL && outlet->bytes + len <= QUEUE_MAX;
    const bool was_empty = outlet->first == NULL;
    if (has_room) {
        line->next = NULL;
        line->len = len;
        (void)bytes_copy(line->data, len, body);
        (void)bytes_copy(line->data + body.len, len - body.len, end);
        *outlet->end = line;
        outlet->end = &line->next;
        outlet->bytes += len;
    }
    (void)pthread_mutex_unlock(&outlet->mutex);
    if (!has_room) {
        free(line);
        atomic_fetch_add(&outlet->lost, 1);
    } else if (was_empty) {
        wake(outlet);
    }
}

// peek gives the first line, which stays in the queue; NULL: there is none.
static struct outlet_line *peek(struct outlet *outlet)
{
    (void)pthread_mutex_lock(&outlet->mutex);
    struct outlet_line *line = outlet->first;
    (void)pthread_mutex_unlock(&outlet->mutex);
    return line;
}

static void drop_first(struct outlet *outlet)
{
    (void)pthread_mutex_lock(&outlet->mutex);
    struct outlet_line *line = outlet->first;
    outlet->first = line->next;
    if (outlet->first == NULL)
        outlet->end = &outlet->first;
    outlet->bytes -= line->len;
    (void)pthread_mutex_unlock(&outlet->mutex);
    free(line);
}

// must_end tells whether the process waits for the thread, and has waited long enough.
static bool must_end(const struct outlet *outlet, int64_t stop_at_ms)
{
    return atomic_load(&outlet->must_stop) && monotonic_ms() >= stop_at_ms;
}

// pause_until waits for an event of `fd` (-1: none) or to be woken, at most `max_ms`; true for the event.
static bool pause_until(struct outlet *outlet, int fd, short events, int max_ms)
{
    uint64_t count = 0;
    struct pollfd fds[] = {{.fd = outlet->wake_fd, .events = POLLIN}, {.fd = fd, .events = events}};
    if (poll(fds, 2, max_ms) <= 0)
        return false;
    if (fds[0].revents != 0)
        (void)!read(outlet->wake_fd, &count, sizeof count);
    return fds[1].revents != 0;
}

static void disconnect(struct outlet *outlet, const char *problem)
{
    if (outlet->fd >= 0)
        (void)close(outlet->fd);
    outlet->fd = -1;
    if (atomic_load(&outlet->down_since_ms) == 0)
        atomic_store(&outlet->down_since_ms, monotonic_ms());
    if (!outlet->has_told && outlet->on_problem != NULL)
        outlet->on_problem(outlet->label, problem);
    outlet->has_told = true;
}

// finish_connect waits for a connection that is being made; gives an errno.
static int finish_connect(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    int error = 0;
    socklen_t len = sizeof error;
    if (poll(&ready, 1, CONNECT_MS) <= 0)
        return ETIMEDOUT;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 ? error : errno;
}

// try_connect makes a socket and connects it; gives an errno.
static int try_connect(struct outlet *outlet, int family, int type, const struct sockaddr *address,
                       socklen_t len)
{
    const unsigned patience_ms = 3 * SEND_MS;
    outlet->fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (outlet->fd < 0)
        return errno;
    outlet->is_datagram = type == SOCK_DGRAM;
    int error = connect(outlet->fd, address, len) == 0 ? 0 : errno;
    if (error == EINPROGRESS)
        error = finish_connect(outlet->fd);
    if (error == 0 && family != AF_UNIX) {
        (void)socket_set(outlet->fd, SOL_SOCKET, SO_KEEPALIVE);
        (void)setsockopt(outlet->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience_ms,
                         sizeof patience_ms);
    }
    if (error != 0) {
        (void)close(outlet->fd);
        outlet->fd = -1;
    }
    return error;
}

static int connect_unix(struct outlet *outlet)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct sockaddr *as_any = (const struct sockaddr *)&address;
    if (!string_copy(address.sun_path, sizeof address.sun_path, slice_of_string(outlet->unix_path)))
        return ENAMETOOLONG;
    if (outlet->settings.form == OUTLET_LINES)
        return try_connect(outlet, AF_UNIX, SOCK_STREAM, as_any, sizeof address);
    const int error = try_connect(outlet, AF_UNIX, SOCK_DGRAM, as_any, sizeof address);
    return error == EPROTOTYPE ? try_connect(outlet, AF_UNIX, SOCK_STREAM, as_any, sizeof address)
                               : error;
}

static int connect_now(struct outlet *outlet)
{
    struct socket_address address;
    if (outlet->unix_path != NULL)
        return connect_unix(outlet);
    socket_address_make(&outlet->settings.endpoint.address, outlet->settings.endpoint.port,
                        &address);
    return try_connect(outlet, address.storage.ss_family, SOCK_STREAM,
                       (const struct sockaddr *)&address.storage, address.len);
}

// has_connection connects if need be; after a failure it waits before the next one.
static bool has_connection(struct outlet *outlet)
{
    if (outlet->fd >= 0)
        return true;
    const int error = connect_now(outlet);
    if (error == 0) {
        outlet->backoff_ms = BACKOFF_MIN_MS;
        atomic_store(&outlet->down_since_ms, 0);
        if (outlet->has_told && outlet->on_problem != NULL)
            outlet->on_problem(outlet->label, NULL);
        outlet->has_told = false;
        return true;
    }
    disconnect(outlet, strerror(error));
    const int64_t until_ms = monotonic_ms() + outlet->backoff_ms;
    if (atomic_load(&outlet->must_stop))
        (void)pause_until(outlet, -1, 0, BACKOFF_MIN_MS / 4);
    while (!atomic_load(&outlet->must_stop) && monotonic_ms() < until_ms)
        (void)pause_until(outlet, -1, 0, (int)(until_ms - monotonic_ms()));
    outlet->backoff_ms =
        outlet->backoff_ms * 2 < BACKOFF_MAX_MS ? outlet->backoff_ms * 2 : BACKOFF_MAX_MS;
    return false;
}

// make_prefix writes what stands in front of the line, and gives what stands after it.
static const char *make_prefix(const struct outlet *outlet, struct slice line, struct text *out)
{
    char header_data[SYSLOG_HEADER_CAP];
    struct text header;
    if (outlet->settings.form == OUTLET_LINES)
        return "\n";
    text_init(&header, header_data, sizeof header_data);
    syslog_header_append(&header, line, outlet->host, (int)getpid());
    if (!outlet->is_datagram)
        text_append_format(out, "%zu ", header.len + line.len);
    text_append(out, text_slice(&header));
    return "";
}

// drop_sent takes what was sent off the parts.
static void drop_sent(struct iovec *parts, size_t count, size_t sent)
{
    for (size_t i = 0; i < count; i++) {
        const size_t taken = sent < parts[i].iov_len ? sent : parts[i].iov_len;
        parts[i].iov_base = (char *)parts[i].iov_base + taken;
        parts[i].iov_len -= taken;
        sent -= taken;
    }
}

// send_parts sends all of them; gives an errno. EMSGSIZE: a datagram that is too large for the receiver.
static int send_parts(struct outlet *outlet, struct iovec *parts, size_t count)
{
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
    int64_t until_ms = monotonic_ms() + SEND_MS;
    while (parts[0].iov_len + parts[1].iov_len + parts[2].iov_len > 0) {
        const ssize_t sent = sendmsg(outlet->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            drop_sent(parts, count, (size_t)sent);
            until_ms = monotonic_ms() + SEND_MS;
            continue;
        }
        if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
            return errno;
        const bool has_room = pause_until(outlet, outlet->fd, POLLOUT, AWAY_MS);
        if (!has_room && (monotonic_ms() >= until_ms || atomic_load(&outlet->must_stop)))
            return ETIMEDOUT;
    }
    return 0;
}

// send_line sends one line, or ends the connection.
static bool send_line(struct outlet *outlet, struct outlet_line *line)
{
    char prefix_data[PREFIX_CAP];
    struct text prefix;
    text_init(&prefix, prefix_data, sizeof prefix_data);
    const char *suffix = make_prefix(outlet, slice_of(line->data, line->len), &prefix);
    struct iovec parts[] = {{prefix_data, prefix.len},
                            {line->data, line->len},
                            {(void *)(uintptr_t)suffix, strlen(suffix)}};
    const int error = send_parts(outlet, parts, 3);
    if (error == EMSGSIZE && outlet->is_datagram) {
        atomic_fetch_add(&outlet->lost, 1);
        return true;
    }
    if (error != 0)
        disconnect(outlet, error == ETIMEDOUT ? "it takes nothing" : strerror(error));
    return error == 0;
}

// is_gone tells whether a stream's receiver has ended it. What a receiver says is thrown away.
static bool is_gone(const struct outlet *outlet)
{
    char said[256];
    ssize_t count = 0;
    if (outlet->is_datagram)
        return false;
    while ((count = recv(outlet->fd, said, sizeof said, MSG_DONTWAIT)) > 0) {
    }
    return count == 0 || (errno != EAGAIN && errno != EINTR);
}

static void *run(void *arg)
{
    struct outlet *outlet = arg;
    int64_t stop_at_ms = 0;
    while (true) {
        if (atomic_load(&outlet->must_stop) && stop_at_ms == 0)
            stop_at_ms = monotonic_ms() + (outlet->fd >= 0 ? STOP_UP_MS : STOP_DOWN_MS);
        struct outlet_line *line = peek(outlet);
        if (must_end(outlet, stop_at_ms) || (atomic_load(&outlet->must_stop) && line == NULL))
            return NULL;
        if (!has_connection(outlet))
            continue;
        if (is_gone(outlet))
            disconnect(outlet, "it has ended the connection");
        else if (line == NULL)
            (void)pause_until(outlet, outlet->is_datagram ? -1 : outlet->fd, POLLIN, -1);
        else if (send_line(outlet, line))
            drop_first(outlet);
    }
}

uint64_t outlet_take_lost(struct outlet *outlet)
{
    return atomic_load(&outlet->down_since_ms) == 0 ? atomic_exchange(&outlet->lost, 0) : 0;
}

const char *outlet_label(const struct outlet *outlet)
{
    return outlet->label;
}

bool outlet_is_failing(struct outlet *outlet)
{
    const int64_t down_since_ms = atomic_load(&outlet->down_since_ms);
    if (!outlet->settings.is_required)
        return false;
    (void)pthread_mutex_lock(&outlet->mutex);
    const bool is_half_full = outlet->bytes > QUEUE_MAX / 2;
    (void)pthread_mutex_unlock(&outlet->mutex);
    return is_half_full || (down_since_ms != 0 && monotonic_ms() - down_since_ms > AWAY_MS);
}

static void destroy(struct outlet *outlet)
{
    while (outlet->first != NULL)
        drop_first(outlet);
    if (outlet->fd >= 0)
        (void)close(outlet->fd);
    if (outlet->wake_fd >= 0)
        (void)close(outlet->wake_fd);
    (void)pthread_mutex_destroy(&outlet->mutex);
    free(outlet->label);
    free(outlet->unix_path);
    free(outlet);
}

uint64_t outlet_close(struct outlet *outlet)
{
    char said[64];
    if (outlet == NULL)
        return 0;
    atomic_store(&outlet->must_stop, true);
    wake(outlet);
    (void)pthread_join(outlet->thread, NULL);
    uint64_t unsent = atomic_load(&outlet->lost);
    for (; outlet->first != NULL; unsent++)
        drop_first(outlet);
    (void)snprintf(said, sizeof said, "%llu records were not sent", (unsigned long long)unsent);
    if (unsent > 0 && outlet->on_problem != NULL)
        outlet->on_problem(outlet->label, said);
    if (!outlet->settings.is_required)
        unsent = 0;
    destroy(outlet);
    return unsent;
}

enum err outlet_open(const struct outlet_settings *settings, outlet_problem_fn on_problem,
                     struct outlet **out, struct errinfo *info)
{
    struct outlet *outlet = calloc(1, sizeof *outlet);
    *out = NULL;
    if (outlet == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory for a sink of the audit log");
    outlet->settings = *settings;
    outlet->on_problem = on_problem;
    outlet->label = strdup(settings->label);
    outlet->unix_path = settings->unix_path == NULL ? NULL : strdup(settings->unix_path);
    outlet->end = &outlet->first;
    outlet->fd = -1;
    outlet->backoff_ms = BACKOFF_MIN_MS;
    atomic_init(&outlet->down_since_ms, monotonic_ms());
    outlet->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    (void)pthread_mutex_init(&outlet->mutex, NULL);
    (void)gethostname(outlet->host, sizeof outlet->host - 1);
    if (outlet->label != NULL && (settings->unix_path == NULL || outlet->unix_path != NULL) &&
        outlet->wake_fd >= 0 && pthread_create(&outlet->thread, NULL, run, outlet) == 0) {
        *out = outlet;
        return ERR_OK;
    }
    destroy(outlet);
    return errinfo_set(info, ERR_SYSTEM, "cannot start a sink of the audit log, %s",
                       settings->label);
}
