// c-ares on a libev loop, one channel a server:
//
//   1. A question goes to the best server that it has not used up: one that is not silent before one that is, then
//      the one tried less often, then the first.
//   2. c-ares sends it once, by UDP and, where the answer is truncated, by TCP, and compares id, question and the
//      sender's address.
//   3. An answer that can be read ends the question. A failure of the server (SERVFAIL, REFUSED, nonsense) means that
//      this one is not asked again; silence means that it is asked last, by this and by other questions.
//   4. When every server is used up the question has failed: timed out when all were silent.
//
// The source port of a question is new whenever no other one is under way, for a forger has to guess it; only to
// servers on loopback, where nobody can forge, the socket stays.
#include "proxy/net/dns_client.h"

#include <arpa/nameser.h>
#define CARES_NO_DEPRECATED // newer versions have another call for the same; Debian 12's has not
#include <ares.h>
#include <stdlib.h>

enum {
    DNS_CLIENT_MAGIC = 0xD45C11E0,
    EDNS_PAYLOAD = 1232, // bytes that are never fragmented (DNS flag day 2020)
};

// watched_socket is one of c-ares' sockets on the loop.
struct watched_socket {
    ev_io io;
    struct upstream *upstream;   // borrowed
    struct watched_socket *next; // owned
};

// upstream is one server.
struct upstream {
    struct dns_client *client;      // borrowed
    ares_channel channel;           // owned
    ev_timer timeout;               // c-ares' own time-outs
    struct watched_socket *sockets; // owned
    int64_t silent_until_ms;        // loop time; 0: answers
};

struct dns_client {
    uint32_t magic;
    struct ev_loop *loop; // borrowed
    dns_answer_function *on_answer;
    uint32_t tries;
    size_t upstream_count;
    struct upstream upstreams[DNS_MAX_SERVERS];
};

static void ask_next(struct dns_question *question);

static int64_t now_ms(const struct dns_client *client)
{
    return (int64_t)(ev_now(client->loop) * 1000.);
}

static void rearm_timeout(struct upstream *upstream)
{
    struct ev_loop *loop = upstream->client->loop;
    struct timeval wait;
    ev_timer_stop(loop, &upstream->timeout);
    if (ares_timeout(upstream->channel, NULL, &wait) == NULL)
        return;
    const ev_tstamp after = (ev_tstamp)wait.tv_sec + (ev_tstamp)wait.tv_usec / 1e6;
    ev_timer_set(&upstream->timeout, after, 0.);
    ev_timer_start(loop, &upstream->timeout);
}

static void process(struct upstream *upstream, ares_socket_t readable, ares_socket_t writable)
{
    ASSERT(upstream->client->magic == DNS_CLIENT_MAGIC);
    ares_process_fd(upstream->channel, readable, writable);
    rearm_timeout(upstream);
}

static void on_socket(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    const struct watched_socket *socket = io->data;
    const int fd = io->fd;
    process(socket->upstream, (events & EV_READ) != 0 ? fd : ARES_SOCKET_BAD,
            (events & EV_WRITE) != 0 ? fd : ARES_SOCKET_BAD);
}

static void on_timeout(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    process(timer->data, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void forget_socket(struct upstream *upstream, int fd)
{
    struct watched_socket **at = &upstream->sockets;
    while (*at != NULL && (*at)->io.fd != fd)
        at = &(*at)->next;
    struct watched_socket *socket = *at;
    if (socket == NULL)
        return;
    *at = socket->next;
    ev_io_stop(upstream->client->loop, &socket->io);
    free(socket);
}

// on_socket_state is c-ares telling what it waits for on a socket.
static void on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct upstream *upstream = arg;
    forget_socket(upstream, fd);
    const int events = (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0);
    if (events == 0)
        return;
    struct watched_socket *socket = calloc(1, sizeof *socket);
    if (socket == NULL)
        return; // its questions end by their time-out
    socket->upstream = upstream;
    socket->next = upstream->sockets;
    upstream->sockets = socket;
    ev_io_init(&socket->io, on_socket, fd, events);
    socket->io.data = socket;
    ev_io_start(upstream->client->loop, &socket->io);
}

// note_failure takes the server that was asked out of the question's list; a silent one has been tried once more.
static void note_failure(struct dns_question *question, int status)
{
    struct upstream *upstream = question->asked;
    struct dns_client *client = question->client;
    uint8_t *tried = &question->tried[upstream - client->upstreams];
    question->has_lacked_memory |= status == ARES_ENOMEM;
    if (status != ARES_ETIMEOUT)
        question->worst_result = RESOLVE_FAILED;
    if (status == ARES_ETIMEOUT || status == ARES_ECONNREFUSED) { // nobody is there, for now
        upstream->silent_until_ms = now_ms(client) + DNS_SILENT_MS;
        (*tried)++;
        return;
    }
    *tried = (uint8_t)client->tries;
}

// on_reply is c-ares' callback, exactly once for each try.
static void on_reply(void *arg, int status, int timeouts, unsigned char *message, int message_len)
{
    (void)timeouts;
    struct dns_question *question = arg;
    if (status == ARES_EDESTRUCTION) // by dns_client_destroy
        return;
    if (message == NULL || message_len <= 0) {
        note_failure(question, status);
        ask_next(question);
        return;
    }
    question->asked->silent_until_ms = 0;
    struct dns_answer answer;
    if (dns_answer_parse(slice_of(message, (size_t)message_len), slice_of_string(question->name),
                         question->type, &answer) != ERR_OK ||
        answer.result == RESOLVE_FAILED) {
        note_failure(question, ARES_EBADRESP);
        ask_next(question);
        return;
    }
    question->client->on_answer(question, &answer);
}

// best_upstream gives the server to be asked next, or NULL when all are used up.
static struct upstream *best_upstream(const struct dns_question *question)
{
    struct dns_client *client = question->client;
    struct upstream *best = NULL;
    uint32_t best_rank = UINT32_MAX;
    for (size_t i = 0; i < client->upstream_count; i++) {
        const uint32_t tried = question->tried[i];
        const bool is_silent = client->upstreams[i].silent_until_ms > now_ms(client);
        const uint32_t rank = (is_silent ? UINT8_MAX + 1 : 0) + tried;
        if (tried < client->tries && rank < best_rank) {
            best = &client->upstreams[i];
            best_rank = rank;
        }
    }
    return best;
}

static void ask_next(struct dns_question *question)
{
    struct dns_client *client = question->client;
    struct upstream *upstream = best_upstream(question);
    if (upstream == NULL) {
        const struct dns_answer failure = {.result = question->worst_result,
                                           .is_local = question->has_lacked_memory};
        client->on_answer(question, &failure);
        return;
    }
    question->asked = upstream;
    ares_query(upstream->channel, question->name, ns_c_in, (int)question->type, on_reply, question);
    rearm_timeout(upstream); // the question may be gone
}

void dns_client_ask(struct dns_client *client, struct dns_question *question)
{
    question->client = client;
    question->worst_result = RESOLVE_TIMED_OUT;
    ask_next(question);
}

static bool is_loopback(const struct ip_addr *addr)
{
    static const struct ip_addr v6 = {.family = IP_V6, .bytes = {[15] = 1}};
    return addr->family == IP_V4 ? addr->bytes[0] == 127 : ip_addr_equal(addr, &v6);
}

static enum err upstream_init(struct upstream *upstream, const struct resolver_options *options,
                              const struct dns_server *server)
{
    static char only_dns[] = "b";
    const bool is_v6 = server->address.family == IP_V6;
    struct ares_addr_port_node node = {
        .family = is_v6 ? AF_INET6 : AF_INET, .udp_port = server->port, .tcp_port = server->port};
    struct ares_options ares = {
        // NOCHECKRESP: a server's failure is given to us, instead of being asked about again.
        .flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_EDNS | ARES_FLAG_NOCHECKRESP |
                 (is_loopback(&server->address) ? ARES_FLAG_STAYOPEN : 0),
        .timeout = (int)options->timeout_ms,
        .tries = 1,
        .lookups = only_dns,
        .ednspsz = EDNS_PAYLOAD,
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = upstream,
    };
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS |
               ARES_OPT_DOMAINS | ARES_OPT_LOOKUPS | ARES_OPT_EDNSPSZ | ARES_OPT_NOROTATE |
               ARES_OPT_SOCK_STATE_CB;
#ifdef ARES_OPT_QUERY_CACHE // of newer versions: with a length of 0 it is off, for ours has its own bounds
    mask |= ARES_OPT_QUERY_CACHE;
#endif
    if (ares_init_options(&upstream->channel, &ares, mask) != ARES_SUCCESS) {
        upstream->channel = NULL;
        return ERR_SYSTEM;
    }
    (void)bytes_copy(&node.addr, sizeof node.addr, slice_of(server->address.bytes, is_v6 ? 16 : 4));
    return ares_set_servers_ports(upstream->channel, &node) == ARES_SUCCESS ? ERR_OK : ERR_SYSTEM;
}

enum err dns_client_global_init(void)
{
    // What c-ares would otherwise take from the environment changes what is asked.
    (void)unsetenv("LOCALDOMAIN");
    (void)unsetenv("RES_OPTIONS");
    (void)unsetenv("HOSTALIASES");
    return ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS ? ERR_OK : ERR_SYSTEM;
}

void dns_client_global_deinit(void)
{
    ares_library_cleanup();
}

enum err dns_client_create(struct ev_loop *loop, const struct resolver_options *options,
                           dns_answer_function *on_answer, struct dns_client **out,
                           struct errinfo *info)
{
    *out = NULL;
    ASSERT(options->server_count >= 1 && options->server_count <= DNS_MAX_SERVERS);
    struct dns_client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory for a resolver");
    client->magic = DNS_CLIENT_MAGIC;
    client->loop = loop;
    client->on_answer = on_answer;
    client->tries = options->tries;
    for (size_t i = 0; i < options->server_count; i++) {
        struct upstream *upstream = &client->upstreams[client->upstream_count++];
        upstream->client = client;
        ev_timer_init(&upstream->timeout, on_timeout, 0., 0.);
        upstream->timeout.data = upstream;
        if (upstream_init(upstream, options, &options->servers[i]) == ERR_OK)
            continue;
        dns_client_destroy(client);
        return errinfo_set(info, ERR_SYSTEM, "cannot start the resolver for one of its servers");
    }
    *out = client;
    return ERR_OK;
}

void dns_client_destroy(struct dns_client *client)
{
    if (client == NULL)
        return;
    for (size_t i = 0; i < client->upstream_count; i++) {
        struct upstream *upstream = &client->upstreams[i];
        if (upstream->channel != NULL)
            ares_destroy(upstream->channel); // calls on_reply for every open question
        while (upstream->sockets != NULL)
            forget_socket(upstream, upstream->sockets->io.fd);
        ev_timer_stop(client->loop, &upstream->timeout);
    }
    client->magic = 0;
    free(client);
}
