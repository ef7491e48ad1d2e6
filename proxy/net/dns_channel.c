// c-ares on a libev loop: it compares id, question and the sender's address.
#include "proxy/net/dns_channel.h"

#include <arpa/nameser.h>
#define CARES_NO_DEPRECATED // newer versions have another call for the same; Debian 12's has not
#include <ares.h>
#include <stdlib.h>

enum {
    DNS_CHANNEL_MAGIC = 0xD45C11E0,
    EDNS_PAYLOAD = 1232, // bytes that are never fragmented (DNS flag day 2020)
};

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
    ev_timer timeout;               // c-ares' own time-outs
    struct watched_socket *sockets; // owned
};

static void rearm_timeout(struct dns_channel *channel)
{
    struct timeval wait;
    ev_timer_stop(channel->loop, &channel->timeout);
    if (ares_timeout(channel->ares, NULL, &wait) == NULL)
        return;
    const ev_tstamp after = (ev_tstamp)wait.tv_sec + (ev_tstamp)wait.tv_usec / 1e6;
    ev_timer_set(&channel->timeout, after, 0.);
    ev_timer_start(channel->loop, &channel->timeout);
}

static void process(struct dns_channel *channel, ares_socket_t readable, ares_socket_t writable)
{
    ASSERT(channel->magic == DNS_CHANNEL_MAGIC);
    ares_process_fd(channel->ares, readable, writable);
    rearm_timeout(channel);
}

static void on_socket(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    const struct watched_socket *socket = io->data;
    const int fd = io->fd;
    process(socket->channel, (events & EV_READ) != 0 ? fd : ARES_SOCKET_BAD,
            (events & EV_WRITE) != 0 ? fd : ARES_SOCKET_BAD);
}

static void on_timeout(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    process(timer->data, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
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

// on_answer is c-ares' callback, exactly once for each question.
static void on_answer(void *arg, int status, int timeouts, unsigned char *message, int message_len)
{
    (void)timeouts;
    if (status == ARES_EDESTRUCTION) // by dns_channel_destroy; the question may be gone
        return;
    struct dns_question *question = arg;
    dns_reply_function *const on_reply = question->channel->on_reply;
    if (message == NULL || message_len <= 0)
        on_reply(question, reply_of(status), (struct slice){0});
    else
        on_reply(question, DNS_REPLY_MESSAGE, slice_of(message, (size_t)message_len));
}

void dns_channel_ask(struct dns_channel *channel, struct dns_question *question)
{
    question->channel = channel;
    ares_query(channel->ares, question->name, ns_c_in, (int)question->type, on_answer, question);
    rearm_timeout(channel); // the question may be gone
}

static bool is_loopback(const struct ip_addr *addr)
{
    static const struct ip_addr v6 = {.family = IP_V6, .bytes = {[15] = 1}};
    return addr->family == IP_V4 ? addr->bytes[0] == 127 : ip_addr_equal(addr, &v6);
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
                 (is_loopback(&server->address) ? ARES_FLAG_STAYOPEN : 0),
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
    *channel = (struct dns_channel){.magic = DNS_CHANNEL_MAGIC, .loop = loop, .on_reply = on_reply};
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
