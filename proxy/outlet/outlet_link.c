// 1. Connect, within CONNECT_MS.
// 2. The handshake, within HANDSHAKE_MS. A receiver of TLS 1.3 judges our certificate only after our handshake is done, and
//    says so with the first bytes that it sends: what they are is looked at for SETTLE_MS before a record goes out.
// 3. Send. While the receiver takes nothing, what it says is read, so that neither waits for the other.
// 4. End: close_notify, and then what the receiver says is read until it ends, too. A socket that is closed with something
//    unread resets the connection (RFC 1122, 4.2.2.13), and what the receiver has not read yet would be lost.
#include "proxy/outlet/outlet_link.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/un.h>
#include <unistd.h>

#include "proxy/clock/clock.h"
#include "proxy/net/sockaddr.h"

enum {
    LINK_MAGIC = 0x0C71E7A5,
    CONNECT_MS = 5000,
    HANDSHAKE_MS = 5000,
    SETTLE_MS = 250,
    SEND_MS = 10000, // without a byte taken
    LINGER_MS = 1000,
    READ_CAP = 4096,
    SAID_MAX = 64 * 1024, // bytes in a connection; a receiver has nothing to say
    READS_MAX = SAID_MAX / READ_CAP + 2,
};

static struct outlet_link *link_of(struct stream *stream)
{
    struct outlet_link *link = (struct outlet_link *)stream;
    ASSERT(link->magic == LINK_MAGIC);
    return link;
}

static enum err socket_read(struct stream *stream, void *out, size_t cap, size_t *out_len)
{
    struct outlet_link *link = link_of(stream);
    const ssize_t count = recv(link->fd, out, cap, MSG_DONTWAIT);
    *out_len = count > 0 ? (size_t)count : 0;
    if (count > 0)
        return ERR_OK;
    if (count == 0)
        return ERR_EOF;
    if (errno == EAGAIN || errno == EINTR)
        return ERR_AGAIN;
    link->error = errno;
    return ERR_SYSTEM;
}

static enum err socket_write(struct stream *stream, struct slice bytes, size_t *out_len)
{
    struct outlet_link *link = link_of(stream);
    const ssize_t count = send(link->fd, bytes.data, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    *out_len = count > 0 ? (size_t)count : 0;
    if (count >= 0) {
        link->moved_ms = monotonic_ms();
        link->written += (uint64_t)count;
        return count > 0 || bytes.len == 0 ? ERR_OK : ERR_AGAIN;
    }
    if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS)
        return ERR_AGAIN;
    if (errno == EMSGSIZE && link->is_datagram)
        return ERR_LIMIT;
    link->error = errno;
    return ERR_SYSTEM;
}

static enum err socket_flush(struct stream *stream)
{
    (void)stream;
    return ERR_OK;
}

static enum err socket_finish(struct stream *stream)
{
    struct outlet_link *link = link_of(stream);
    link->has_finished = shutdown(link->fd, SHUT_WR) == 0;
    return link->has_finished ? ERR_OK : ERR_SYSTEM;
}

static void socket_want(struct stream *stream, bool read, bool write)
{
    (void)stream; // outlet_link_wait is told each time
    (void)read;
    (void)write;
}

static void socket_close(struct stream *stream, bool is_reset)
{
    struct outlet_link *link = link_of(stream);
    (void)is_reset;
    (void)close(link->fd);
    link->fd = -1;
}

static const struct stream_ops socket_ops = {
    .read = socket_read,
    .write = socket_write,
    .flush = socket_flush,
    .finish = socket_finish,
    .want = socket_want,
    .close = socket_close,
};

void outlet_link_init(struct outlet_link *link, int wake_fd, const atomic_int_fast64_t *stop_at_ms,
                      const atomic_bool *is_outdated)
{
    *link = (struct outlet_link){
        .socket = {.ops = &socket_ops},
        .magic = LINK_MAGIC,
        .fd = -1,
        .wake_fd = wake_fd,
        .stop_at_ms = stop_at_ms,
        .is_outdated = is_outdated,
    };
}

void outlet_link_deinit(struct outlet_link *link)
{
    outlet_link_close(link);
    buffer_pool_deinit(&link->pool);
}

bool outlet_link_is_open(const struct outlet_link *link)
{
    return link->fd >= 0;
}

// top gives the stream that records are written to.
static struct stream *top(struct outlet_link *link)
{
    return link->tls != NULL ? &link->tls->stream : &link->socket;
}

// has_time tells whether a wait until `until_ms` has an end that is still to come.
static bool has_time(const struct outlet_link *link, int64_t until_ms)
{
    const int64_t now_ms = monotonic_ms();
    return now_ms < until_ms && now_ms < atomic_load(link->stop_at_ms);
}

// may_connect likewise while there is no connection, which nobody wants once there are other settings.
static bool may_connect(const struct outlet_link *link, int64_t until_ms)
{
    return has_time(link, until_ms) && !atomic_load(link->is_outdated);
}

// wait_for is outlet_link_wait, and tells whether one of the events is there.
static bool wait_for(struct outlet_link *link, short events, int64_t until_ms)
{
    const int64_t stop_at_ms = atomic_load(link->stop_at_ms);
    const int64_t end_ms = until_ms < stop_at_ms ? until_ms : stop_at_ms;
    const int64_t left_ms = end_ms == INT64_MAX ? -1 : end_ms - monotonic_ms();
    struct pollfd fds[] = {{.fd = link->wake_fd, .events = POLLIN},
                           {.fd = events == 0 ? -1 : link->fd, .events = events}};
    uint64_t count = 0;
    if (end_ms != INT64_MAX && left_ms <= 0)
        return false;
    if (poll(fds, 2, left_ms > INT32_MAX ? INT32_MAX : (int)left_ms) <= 0)
        return false;
    if (fds[0].revents != 0)
        (void)!read(link->wake_fd, &count, sizeof count);
    return fds[1].revents != 0;
}

void outlet_link_wait(struct outlet_link *link, short events, int64_t until_ms)
{
    const bool has_word = link->fd >= 0 && !link->is_datagram;
    (void)wait_for(link, has_word ? events : 0, until_ms);
}

// await_connected waits for a connection that is being made; gives an errno.
static int await_connected(struct outlet_link *link)
{
    const int64_t until_ms = monotonic_ms() + CONNECT_MS;
    int error = 0;
    socklen_t len = sizeof error;
    while (!wait_for(link, POLLOUT, until_ms)) {
        if (!may_connect(link, until_ms))
            return ETIMEDOUT;
    }
    return getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 ? error : errno;
}

// watch_peer has the kernel find out when the receiver is gone without a word.
static void watch_peer(int fd)
{
    const unsigned patience_ms = 3 * SEND_MS;
    (void)socket_set(fd, SOL_SOCKET, SO_KEEPALIVE);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience_ms, sizeof patience_ms);
}

// connect_socket makes a socket and connects it; gives an errno.
static int connect_socket(struct outlet_link *link, int family, int type,
                          const struct sockaddr *address, socklen_t len)
{
    link->fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (link->fd < 0)
        return errno;
    link->is_datagram = type == SOCK_DGRAM;
    link->is_tcp = family != AF_UNIX;
    link->written = 0;
    link->has_finished = false;
    int error = connect(link->fd, address, len) == 0 ? 0 : errno;
    if (error == EINPROGRESS)
        error = await_connected(link);
    if (error != 0)
        stream_close(&link->socket, false);
    else if (family != AF_UNIX)
        watch_peer(link->fd);
    return error;
}

static int connect_unix(struct outlet_link *link, const struct outlet_settings *settings)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct sockaddr *as_any = (const struct sockaddr *)&address;
    if (!string_copy(address.sun_path, sizeof address.sun_path,
                     slice_of_string(settings->unix_path)))
        return ENAMETOOLONG;
    if (settings->form == OUTLET_LINES)
        return connect_socket(link, AF_UNIX, SOCK_STREAM, as_any, sizeof address);
    const int error = connect_socket(link, AF_UNIX, SOCK_DGRAM, as_any, sizeof address);
    return error == EPROTOTYPE ? connect_socket(link, AF_UNIX, SOCK_STREAM, as_any, sizeof address)
                               : error;
}

static int connect_place(struct outlet_link *link, const struct outlet_settings *settings)
{
    struct socket_address address;
    if (settings->unix_path != NULL)
        return connect_unix(link, settings);
    socket_address_make(&settings->endpoint.address, settings->endpoint.port, &address);
    return connect_socket(link, address.storage.ss_family, SOCK_STREAM,
                          (const struct sockaddr *)&address.storage, address.len);
}

static enum err on_verify(void *arg, const STACK_OF(CRYPTO_BUFFER) *chain,
                          enum tls_alert *out_alert)
{
    struct outlet_link *link = arg;
    ASSERT(link->magic == LINK_MAGIC);
    return server_trust_judge(link->judge, chain, NULL, wall_clock_ms() / 1000, out_alert,
                              &link->why);
}

// tell_alert says what the alert of a receiver means.
static enum err tell_alert(const struct outlet_link *link, struct errinfo *info)
{
    const char *name = tls_alert_name(link->tls->alert);
    switch (link->tls->alert) {
    case TLS_ALERT_CERTIFICATE_REQUIRED:
    case TLS_ALERT_HANDSHAKE_FAILURE: // TLS 1.2 has no other word for a missing certificate
        return errinfo_set(info, ERR_DENIED,
                           "it refuses the handshake (alert %s): does it want a certificate of "
                           "ours, `tls.certificate`?",
                           name);
    case TLS_ALERT_BAD_CERTIFICATE:
    case TLS_ALERT_UNSUPPORTED_CERTIFICATE:
    case TLS_ALERT_CERTIFICATE_REVOKED:
    case TLS_ALERT_CERTIFICATE_EXPIRED:
    case TLS_ALERT_CERTIFICATE_UNKNOWN:
    case TLS_ALERT_UNKNOWN_CA:
    case TLS_ALERT_ACCESS_DENIED:
        return errinfo_set(
            info, ERR_DENIED,
            "it refuses our certificate (alert %s): look at `tls.certificate`, and at "
            "what its own log says",
            name);
    default: // a number of the peer's, no enum of ours
        return errinfo_set(info, ERR_DENIED, "it ends TLS with alert %s: see what its own log says",
                           name);
    }
}

// tell_end says how a connection has ended.
static enum err tell_end(const struct outlet_link *link, enum err error, struct errinfo *info)
{
    if (link->tls != NULL && link->tls->has_alert)
        return tell_alert(link, info);
    if (error == ERR_EOF)
        return errinfo_set(info, ERR_EOF, "it has ended the connection");
    if (error == ERR_MEMORY)
        return errinfo_set(info, ERR_MEMORY, "no memory");
    if (error == ERR_INPUT)
        return errinfo_set(info, ERR_INPUT, "it broke the rules of TLS");
    return errinfo_set(info, ERR_SYSTEM, "%s", strerror(link->error != 0 ? link->error : EPIPE));
}

// tell_handshake says why a handshake has failed.
static enum err tell_handshake(const struct outlet_link *link, struct errinfo *info)
{
    const struct tls_stream *tls = link->tls;
    const bool is_no_tls =
        slice_equal(slice_of_string(tls->failure_detail), SLICE_LITERAL("not_tls"));
    if (tls->failure == TLS_FAILURE_REFUSED)
        return errinfo_set(info, ERR_DENIED, "%s",
                           link->why.text[0] != '\0' ? link->why.text : "no memory");
    if (tls->has_alert)
        return tell_alert(link, info);
    if (tls->failure == TLS_FAILURE_PLAIN_HTTP || is_no_tls)
        return errinfo_set(info, ERR_INPUT,
                           "what it says is not TLS: is this the port of a receiver with TLS?");
    if (tls->failure == TLS_FAILURE_ABORTED)
        return errinfo_set(info, ERR_EOF,
                           "it ended the TLS handshake without a word: is this the port of a "
                           "receiver with TLS?");
    return errinfo_set(info, ERR_INPUT, "the TLS handshake failed: %s",
                       tls->failure_detail[0] != '\0' ? tls->failure_detail
                                                      : "it broke the rules of TLS");
}

// shake_hands makes a TLS connection of it.
static enum err shake_hands(struct outlet_link *link, struct server_trust *tls,
                            struct errinfo *info)
{
    const int64_t until_ms = monotonic_ms() + HANDSHAKE_MS;
    link->judge = tls;
    link->why.text[0] = '\0';
    link->tls = server_trust_connect(tls, NULL, &link->socket, &link->pool, on_verify, link);
    if (link->tls == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory for TLS");
    tls_client_stream_offer_no_protocol(link->tls);
    enum err error = ERR_AGAIN;
    while ((error = tls_stream_handshake(link->tls)) == ERR_AGAIN) {
        const bool has_output = stream_flush(top(link)) == ERR_AGAIN;
        if (!may_connect(link, until_ms))
            return errinfo_set(info, ERR_TIMEOUT, "its TLS handshake takes too long");
        (void)wait_for(link, has_output ? POLLIN | POLLOUT : POLLIN, until_ms);
    }
    if (error != ERR_OK)
        return tell_handshake(link, info);
    const int64_t settled_ms = monotonic_ms() + SETTLE_MS;
    while (may_connect(link, settled_ms) && !wait_for(link, POLLIN, settled_ms)) {
    }
    return outlet_link_listen(link, info);
}

enum err outlet_link_open(struct outlet_link *link, const struct outlet_settings *settings,
                          struct errinfo *info)
{
    link->error = 0;
    link->said_len = 0;
    const int failed = connect_place(link, settings);
    if (failed != 0)
        return errinfo_set(info, ERR_SYSTEM, "%s", strerror(failed));
    if (settings->tls == NULL)
        return ERR_OK;
    const enum err error = shake_hands(link, settings->tls, info);
    link->judge = NULL;
    if (error != ERR_OK)
        outlet_link_close(link);
    return error;
}

enum err outlet_link_listen(struct outlet_link *link, struct errinfo *info)
{
    char said[READ_CAP];
    for (int i = 0; i < READS_MAX && !link->is_datagram; i++) {
        size_t len = 0;
        const enum err error = stream_read(top(link), said, sizeof said, &len);
        if (error == ERR_AGAIN)
            return ERR_OK;
        if (error != ERR_OK)
            return tell_end(link, error, info);
        link->said_len += len;
        if (link->said_len > SAID_MAX)
            return errinfo_set(info, ERR_INPUT,
                               "it sends much, and a receiver of records has nothing to say: is "
                               "this its address?");
    }
    return ERR_OK;
}

uint64_t outlet_link_written(const struct outlet_link *link)
{
    return link->written;
}

uint64_t outlet_link_arrived(const struct outlet_link *link)
{
    int waiting = 0; // bytes that are not acknowledged
    if (!link->is_tcp || ioctl(link->fd, SIOCOUTQ, &waiting) != 0 || waiting < 0)
        return link->written;
    if (link->has_finished && waiting > 0)
        waiting--; // our FIN, which counts as a byte (RFC 9293, 3.4) and comes last
    return (uint64_t)waiting < link->written ? link->written - (uint64_t)waiting : 0;
}

bool outlet_link_is_stream(const struct outlet_link *link)
{
    return !link->is_datagram;
}

enum err outlet_link_send(struct outlet_link *link, struct slice bytes, struct errinfo *info)
{
    link->moved_ms = monotonic_ms();
    for (;;) {
        size_t len = 0;
        const enum err error =
            bytes.len > 0 ? stream_push(top(link), bytes, &len) : stream_flush(top(link));
        if (error == ERR_OK && bytes.len == 0)
            return ERR_OK;
        if (error == ERR_LIMIT)
            return ERR_LIMIT;
        if (error != ERR_OK && error != ERR_AGAIN)
            return tell_end(link, error, info);
        bytes = slice_from(bytes, len);
        if (error == ERR_OK)
            continue;
        if (!has_time(link, link->moved_ms + SEND_MS))
            return errinfo_set(info, ERR_TIMEOUT, "it takes nothing");
        (void)wait_for(link, link->is_datagram ? POLLOUT : POLLIN | POLLOUT,
                       link->moved_ms + SEND_MS);
        TRY(outlet_link_listen(link, info));
    }
}

void outlet_link_finish(struct outlet_link *link)
{
    const int64_t until_ms = monotonic_ms() + LINGER_MS;
    struct errinfo info;
    if (link->fd < 0 || link->is_datagram)
        return;
    while (stream_finish(top(link)) == ERR_AGAIN && has_time(link, until_ms))
        (void)wait_for(link, POLLOUT, until_ms);
    while (outlet_link_listen(link, &info) == ERR_OK && link->tls != NULL &&
           has_time(link, until_ms))
        (void)wait_for(link, POLLIN, until_ms);
}

void outlet_link_close(struct outlet_link *link)
{
    if (link->fd < 0)
        return;
    stream_close(top(link), false);
    tls_stream_destroy(link->tls);
    link->tls = NULL;
}
