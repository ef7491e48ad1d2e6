// c-ares on a libev loop: it compares id, question and the sender's address.
//
// When a try ends is decided here, by the time that was configured. Since 1.33 c-ares measures each server, and would give up after five
// times its mean, a quarter of a second for most: too early for a name that the server has to look for. Nor would it wait
// longer than 5 s. It cannot be told not to, nor to forget a single question, so it is never asked to look at the time while
// there are questions; those that were given up stay with it, without an owner, until all are forgotten together.
#include "proxy/net/dns_channel.h"

#include <arpa/nameser.h>
#define CARES_NO_DEPRECATED // newer versions have another call for the same; Debian 12's has not
#include <ares.h>
#include <stdlib.h>

#include "proxy/clock/clock.h"

enum {
    DNS_CHANNEL_MAGIC = 0xD45C11E0,
    EDNS_PAYLOAD = 1232, // bytes that are never fragmented (DNS flag day 2020)
    GIVEN_UP_MAX = 1024, // with one more c-ares forgets all, and is asked the others again
};

// dns_try is one question that c-ares has.
struct dns_try {
    struct dns_channel *channel;   // borrowed
    struct dns_question *question; // borrowed; NULL: given up, and in no list
    int64_t due_ms;                // monotonic
    TAILQ_ENTRY(dns_try) link;     // of `waiting`
};
TAILQ_HEAD(try_list, dns_try);

// watched_socket is one of c-ares' sockets on the loop.
struct watched_socket {
    ev_io io;
    struct dns_channel *channel; // borrowed
    struct watched_socket *next; // owned
};

struct dns_channel {
    uint32_t magic;
    struct ev_loop *loop; // borrowed
    dns_reply_function *on_reply;
    ares_channel ares;              // owned
    int64_t timeout_ms;             // of a try
    struct try_list waiting;        // owned, the oldest first
    size_t given_up;                // tries that are in no list
    ev_timer timeout;               // of the oldest
    struct watched_socket *sockets; // owned
};

static void rearm_timeout(struct dns_channel *channel)
{
    const struct dns_try *oldest = TAILQ_FIRST(&channel->waiting);
    ev_timer_stop(channel->loop, &channel->timeout);
    if (oldest == NULL)
        return;
    const int64_t left_ms = oldest->due_ms - monotonic_ms();
    ev_timer_set(&channel->timeout, left_ms > 0 ? (ev_tstamp)left_ms / 1000. : 0., 0.);
    ev_timer_start(channel->loop, &channel->timeout);
}

// process_socket has c-ares look at a socket, and where it can at nothing else.
static void process_socket(struct dns_channel *channel, int fd, int events)
{
#if ARES_VERSION >= 0x012200
    const ares_fd_events_t what = {.fd = fd,
                                   .events = ((events & EV_READ) != 0 ? ARES_FD_EVENT_READ : 0u) |
                                             ((events & EV_WRITE) != 0 ? ARES_FD_EVENT_WRITE : 0u)};
    (void)ares_process_fds(channel->ares, &what, 1, ARES_PROCESS_FLAG_SKIP_NON_FD);
#else
    ares_process_fd(channel->ares, (events & EV_READ) != 0 ? fd : ARES_SOCKET_BAD,
                    (events & EV_WRITE) != 0 ? fd : ARES_SOCKET_BAD);
#endif
}

// settle ends what a call from the loop began: 1. what was given up is forgotten where nobody waits, or there is too much of it;
// 2. sockets without a question are closed; 3. the timer is the oldest one's.
static void settle(struct dns_channel *channel)
{
    if (channel->given_up > 0 &&
        (TAILQ_EMPTY(&channel->waiting) || channel->given_up > GIVEN_UP_MAX))
        ares_cancel(channel->ares);
    if (TAILQ_EMPTY(&channel->waiting))
        ares_process_fd(channel->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    rearm_timeout(channel);
}

static void on_socket(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    const struct watched_socket *socket = io->data;
    struct dns_channel *channel = socket->channel;
    ASSERT(channel->magic == DNS_CHANNEL_MAGIC);
    process_socket(channel, io->fd, events); // the socket may be gone
    settle(channel);
}

static void on_timeout(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct dns_channel *channel = timer->data;
    struct dns_try *oldest = NULL;
    ASSERT(channel->magic == DNS_CHANNEL_MAGIC);
    const int64_t now_ms = monotonic_ms(); // once: what is asked meanwhile has its time
    while ((oldest = TAILQ_FIRST(&channel->waiting)) != NULL && oldest->due_ms <= now_ms) {
        struct dns_question *question = oldest->question;
        TAILQ_REMOVE(&channel->waiting, oldest, link);
        oldest->question = NULL;
        channel->given_up++;
        channel->on_reply(question, DNS_REPLY_SILENT, (struct slice){0});
    }
    settle(channel);
}

static void forget_socket(struct dns_channel *channel, int fd)
{
    struct watched_socket **at = &channel->sockets;
    while (*at != NULL && (*at)->io.fd != fd)
        at = &(*at)->next;
    struct watched_socket *socket = *at;
    if (socket == NULL)
        return;
    *at = socket->next;
    ev_io_stop(channel->loop, &socket->io);
    free(socket);
}

// on_socket_state is c-ares telling what it waits for on a socket.
static void on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct dns_channel *channel = arg;
    forget_socket(channel, fd);
    const int events = (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0);
    if (events == 0)
        return;
    struct watched_socket *socket = calloc(1, sizeof *socket);
    if (socket == NULL)
        return; // its questions end by their time-out
    socket->channel = channel;
    socket->next = channel->sockets;
    channel->sockets = socket;
    ev_io_init(&socket->io, on_socket, fd, events);
    socket->io.data = socket;
    ev_io_start(channel->loop, &socket->io);
}

static enum dns_reply reply_of(int status)
{
    switch (status) {
    case ARES_ETIMEOUT:
        return DNS_REPLY_SILENT;
    case ARES_ECONNREFUSED:
        return DNS_REPLY_NOBODY;
    case ARES_ENOMEM:
        return DNS_REPLY_NO_MEMORY;
    default:
        return DNS_REPLY_BAD;
    }
}

static void on_answer(void *arg, int status, int timeouts, unsigned char *message, int message_len);

static void send_try(struct dns_try *one)
{
    const struct dns_question *question = one->question;
    ares_query(one->channel->ares, question->name, ns_c_in, (int)question->type, on_answer, one);
}

// on_answer is c-ares' callback, exactly once for each question.
static void on_answer(void *arg, int status, int timeouts, unsigned char *message, int message_len)
{
    (void)timeouts;
    struct dns_try *one = arg;
    struct dns_question *question = one->question;
    struct dns_channel *channel = one->channel;
    if (question == NULL) {
        channel->given_up--;
        free(one);
        return;
    }
    if (status == ARES_ECANCELLED) { // by settle, for the others' sake
        send_try(one);
        return;
    }
    TAILQ_REMOVE(&channel->waiting, one, link);
    free(one);
    if (status == ARES_EDESTRUCTION) // by dns_channel_destroy; the question may be gone
        return;
    if (message == NULL || message_len <= 0)
        channel->on_reply(question, reply_of(status), (struct slice){0});
    else
        channel->on_reply(question, DNS_REPLY_MESSAGE, slice_of(message, (size_t)message_len));
}

void dns_channel_ask(struct dns_channel *channel, struct dns_question *question)
{
    struct dns_try *one = calloc(1, sizeof *one);
    if (one == NULL) {
        channel->on_reply(question, DNS_REPLY_NO_MEMORY, (struct slice){0});
        return;
    }
    *one = (struct dns_try){
        .channel = channel, .question = question, .due_ms = monotonic_ms() + channel->timeout_ms};
    TAILQ_INSERT_TAIL(&channel->waiting, one, link);
    send_try(one); // the question may be gone
    rearm_timeout(channel);
}

static enum err ares_begin(struct dns_channel *channel, const struct dns_server *server,
                           int64_t timeout_ms)
{
    static char only_dns[] = "b";
    const bool is_v6 = server->address.family == IP_V6;
    struct ares_addr_port_node node = {
        .family = is_v6 ? AF_INET6 : AF_INET, .udp_port = server->port, .tcp_port = server->port};
    struct ares_options options = {
        // NOCHECKRESP: a server's failure is given to us, instead of being asked about again.
        .flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_EDNS | ARES_FLAG_NOCHECKRESP |
                 (ip_addr_is_loopback(&server->address) ? ARES_FLAG_STAYOPEN : 0),
        .timeout = (int)timeout_ms,
        .tries = 1,
        .lookups = only_dns,
        .ednspsz = EDNS_PAYLOAD,
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = channel,
    };
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS |
               ARES_OPT_DOMAINS | ARES_OPT_LOOKUPS | ARES_OPT_EDNSPSZ | ARES_OPT_NOROTATE |
               ARES_OPT_SOCK_STATE_CB;
#ifdef ARES_OPT_QUERY_CACHE // of newer versions: with a length of 0 it is off, for ours has its own bounds
    mask |= ARES_OPT_QUERY_CACHE;
#endif
    if (ares_init_options(&channel->ares, &options, mask) != ARES_SUCCESS) {
        channel->ares = NULL;
        return ERR_SYSTEM;
    }
    (void)bytes_copy(&node.addr, sizeof node.addr, slice_of(server->address.bytes, is_v6 ? 16 : 4));
    return ares_set_servers_ports(channel->ares, &node) == ARES_SUCCESS ? ERR_OK : ERR_SYSTEM;
}

struct dns_channel *dns_channel_create(struct ev_loop *loop, const struct dns_server *server,
                                       int64_t timeout_ms, dns_reply_function *on_reply)
{
    struct dns_channel *channel = calloc(1, sizeof *channel);
    if (channel == NULL)
        return NULL;
    *channel = (struct dns_channel){
        .magic = DNS_CHANNEL_MAGIC, .loop = loop, .on_reply = on_reply, .timeout_ms = timeout_ms};
    TAILQ_INIT(&channel->waiting);
    ev_timer_init(&channel->timeout, on_timeout, 0., 0.);
    channel->timeout.data = channel;
    if (ares_begin(channel, server, timeout_ms) == ERR_OK)
        return channel;
    dns_channel_destroy(channel);
    return NULL;
}

void dns_channel_destroy(struct dns_channel *channel)
{
    if (channel == NULL)
        return;
    if (channel->ares != NULL)
        ares_destroy(channel->ares); // calls on_answer for every open question
    while (channel->sockets != NULL)
        forget_socket(channel, channel->sockets->io.fd);
    ev_timer_stop(channel->loop, &channel->timeout);
    channel->magic = 0;
    free(channel);
}

enum err dns_channel_global_init(void)
{
    // What c-ares would otherwise take from the environment changes what is asked.
    (void)unsetenv("LOCALDOMAIN");
    (void)unsetenv("RES_OPTIONS");
    (void)unsetenv("HOSTALIASES");
    return ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS ? ERR_OK : ERR_SYSTEM;
}

void dns_channel_global_deinit(void)
{
    ares_library_cleanup();
}
