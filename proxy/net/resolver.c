// c-ares on a libev loop.
//
//   1. resolver_submit makes a query object that c-ares holds until it has called back, which may be
//      at once, late, or from ares_destroy.
//   2. c-ares' callback only notes the answer in the query and queues it as done.
//   3. A timer of length zero delivers the done ones from the loop and frees them.
//   4. Cancelling only forgets the asker: an answer that comes after it is dropped in step 3.
#include "proxy/net/resolver.h"

#include <ares.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "proxy/net/sockaddr.h"

enum {
    RESOLVER_MAGIC = 0x4E501BE4,
    EDNS_PAYLOAD = 1232,
    NAME_TEXT_CAP = 256,
    SERVERS_TEXT_CAP = 1024
};

struct resolver_query {
    struct resolver *resolver;   // borrowed
    struct resolver_query *next; // in the list of done ones
    resolver_callback callback;  // NULL when cancelled
    void *arg;                   // borrowed
    enum resolve_result result;
    size_t count;
    struct ip_addr addresses[RESOLVER_MAX_ADDRESSES];
};

// resolver_socket watches one of c-ares' sockets.
struct resolver_socket {
    ev_io io;
    struct resolver *resolver;    // borrowed
    struct resolver_socket *next; // owned
};

struct resolver {
    uint32_t magic;
    struct ev_loop *loop;            // borrowed
    ares_channel channel;            // owned
    ev_timer timeout;                // c-ares' own time-outs
    ev_timer deliver;                // of length zero
    struct resolver_socket *sockets; // owned
    bool reads_hosts_file;           // in which names have no final dot
    size_t query_count;              // open or undelivered
    struct resolver_query *done;     // owned; the oldest first
    struct resolver_query **done_end;
};

const char *resolve_result_name(enum resolve_result result)
{
    switch (result) {
    case RESOLVE_OK:
        return "ok";
    case RESOLVE_NOT_FOUND:
        return "name_not_found";
    case RESOLVE_NO_DATA:
        return "no_address";
    case RESOLVE_TIMED_OUT:
        return "dns_timeout";
    case RESOLVE_FAILED:
        return "dns_error";
    }
    return "unknown";
}

static void rearm_timeout(struct resolver *resolver)
{
    struct timeval wait;
    ev_timer_stop(resolver->loop, &resolver->timeout);
    if (ares_timeout(resolver->channel, NULL, &wait) == NULL)
        return;
    const ev_tstamp after = (ev_tstamp)wait.tv_sec + (ev_tstamp)wait.tv_usec / 1e6;
    ev_timer_set(&resolver->timeout, after, 0.);
    ev_timer_start(resolver->loop, &resolver->timeout);
}

static void on_socket(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    struct resolver_socket *socket = io->data;
    struct resolver *resolver = socket->resolver;
    ASSERT(resolver->magic == RESOLVER_MAGIC);
    const int fd = io->fd;
    ares_process_fd(resolver->channel, (events & EV_READ) != 0 ? fd : ARES_SOCKET_BAD,
                    (events & EV_WRITE) != 0 ? fd : ARES_SOCKET_BAD);
    rearm_timeout(resolver);
}

static void on_timeout(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct resolver *resolver = timer->data;
    ASSERT(resolver->magic == RESOLVER_MAGIC);
    ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    rearm_timeout(resolver);
}

static void forget_socket(struct resolver *resolver, int fd)
{
    struct resolver_socket **at = &resolver->sockets;
    while (*at != NULL && (*at)->io.fd != fd)
        at = &(*at)->next;
    struct resolver_socket *socket = *at;
    if (socket == NULL)
        return;
    *at = socket->next;
    ev_io_stop(resolver->loop, &socket->io);
    free(socket);
}

// on_socket_state is c-ares telling what it waits for on a socket.
static void on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct resolver *resolver = arg;
    forget_socket(resolver, fd);
    const int events = (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0);
    if (events == 0)
        return;
    struct resolver_socket *socket = calloc(1, sizeof *socket);
    if (socket == NULL)
        return; // the question ends by its time-out
    socket->resolver = resolver;
    socket->next = resolver->sockets;
    resolver->sockets = socket;
    ev_io_init(&socket->io, on_socket, fd, events);
    socket->io.data = socket;
    ev_io_start(resolver->loop, &socket->io);
}

// mark_done queues the query for delivery from the loop.
static void mark_done(struct resolver_query *query)
{
    struct resolver *resolver = query->resolver;
    query->next = NULL;
    *resolver->done_end = query;
    resolver->done_end = &query->next;
    if (!ev_is_active(&resolver->deliver)) {
        ev_timer_set(&resolver->deliver, 0., 0.);
        ev_timer_start(resolver->loop, &resolver->deliver);
    }
}

static void on_deliver(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct resolver *resolver = timer->data;
    ASSERT(resolver->magic == RESOLVER_MAGIC);
    struct resolver_query *query = resolver->done;
    resolver->done = NULL;
    resolver->done_end = &resolver->done;
    while (query != NULL) {
        struct resolver_query *next = query->next;
        if (query->callback != NULL)
            query->callback(query->arg, query->result, query->addresses, query->count);
        free(query);
        resolver->query_count--;
        query = next;
    }
}

static enum resolve_result result_of(int status)
{
    switch (status) {
    case ARES_SUCCESS:
        return RESOLVE_OK;
    case ARES_ENOTFOUND:
        return RESOLVE_NOT_FOUND;
    case ARES_ENODATA:
        return RESOLVE_NO_DATA;
    case ARES_ETIMEOUT:
        return RESOLVE_TIMED_OUT;
    default:
        return RESOLVE_FAILED;
    }
}

static bool is_known(const struct resolver_query *query, const struct ip_addr *addr)
{
    for (size_t i = 0; i < query->count; i++) {
        if (ip_addr_equal(&query->addresses[i], addr))
            return true;
    }
    return false;
}

// next_of_family gives the next node of a family from `node` on, or NULL.
static const struct ares_addrinfo_node *next_of_family(const struct ares_addrinfo_node *node,
                                                       int family)
{
    while (node != NULL && node->ai_family != family)
        node = node->ai_next;
    return node;
}

static void take_address(struct resolver_query *query, const struct ares_addrinfo_node *node)
{
    struct ip_addr addr;
    uint16_t port = 0;
    if (query->count < RESOLVER_MAX_ADDRESSES && socket_address_read(node->ai_addr, &addr, &port) &&
        !is_known(query, &addr))
        query->addresses[query->count++] = addr;
}

// take_addresses copies the answer, the families in turns, IPv6 first (RFC 8305 4).
static void take_addresses(struct resolver_query *query, const struct ares_addrinfo *answer)
{
    const struct ares_addrinfo_node *v6 = next_of_family(answer->nodes, AF_INET6);
    const struct ares_addrinfo_node *v4 = next_of_family(answer->nodes, AF_INET);
    while (v6 != NULL || v4 != NULL) {
        if (v6 != NULL) {
            take_address(query, v6);
            v6 = next_of_family(v6->ai_next, AF_INET6);
        }
        if (v4 != NULL) {
            take_address(query, v4);
            v4 = next_of_family(v4->ai_next, AF_INET);
        }
    }
}

// on_answer is c-ares' callback, exactly once for each question.
static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *answer)
{
    (void)timeouts;
    struct resolver_query *query = arg;
    query->result = result_of(status);
    if (answer != NULL) {
        if (status == ARES_SUCCESS)
            take_addresses(query, answer);
        ares_freeaddrinfo(answer);
    }
    if (query->result == RESOLVE_OK && query->count == 0)
        query->result = RESOLVE_NO_DATA;
    mark_done(query);
}

enum err resolver_global_init(void)
{
    // What c-ares would otherwise take from the environment changes which name is asked.
    (void)unsetenv("LOCALDOMAIN");
    (void)unsetenv("RES_OPTIONS");
    (void)unsetenv("HOSTALIASES");
    return ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS ? ERR_OK : ERR_SYSTEM;
}

void resolver_global_deinit(void)
{
    ares_library_cleanup();
}

static enum err set_servers(struct resolver *resolver, const struct resolver_options *options)
{
    if (options->server_count == 0)
        return ERR_OK;
    char csv[SERVERS_TEXT_CAP] = "";
    size_t used = 0;
    for (size_t i = 0; i < options->server_count; i++) {
        char address[IP_TEXT_CAP];
        const struct resolver_server *server = &options->servers[i];
        (void)ip_addr_format(&server->address, address);
        const int len = snprintf(csv + used, sizeof csv - used,
                                 server->address.family == IP_V6 ? "%s[%s]:%u" : "%s%s:%u",
                                 i == 0 ? "" : ",", address, server->port);
        if (len < 0 || (size_t)len >= sizeof csv - used)
            return ERR_LIMIT;
        used += (size_t)len;
    }
    return ares_set_servers_ports_csv(resolver->channel, csv) == ARES_SUCCESS ? ERR_OK : ERR_SYSTEM;
}

enum err resolver_create(struct ev_loop *loop, const struct resolver_options *options,
                         struct resolver **out, struct errinfo *info)
{
    *out = NULL;
    struct resolver *resolver = calloc(1, sizeof *resolver);
    if (resolver == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory for a resolver");
    resolver->magic = RESOLVER_MAGIC;
    resolver->loop = loop;
    resolver->reads_hosts_file = options->reads_hosts_file;
    resolver->done_end = &resolver->done;
    ev_timer_init(&resolver->timeout, on_timeout, 0., 0.);
    ev_timer_init(&resolver->deliver, on_deliver, 0., 0.);
    resolver->timeout.data = resolver;
    resolver->deliver.data = resolver;

    static char only_dns[] = "b";
    static char file_first[] = "fb";
    struct ares_options ares = {
        .flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_EDNS | ARES_FLAG_STAYOPEN,
        .timeout = (int)options->timeout_ms,
        .tries = (int)options->tries,
        .ndots = 0,
        .domains = NULL,
        .ndomains = 0,
        .lookups = options->reads_hosts_file ? file_first : only_dns,
        .ednspsz = EDNS_PAYLOAD,
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = resolver,
    };
    const int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS |
                     ARES_OPT_DOMAINS | ARES_OPT_LOOKUPS | ARES_OPT_EDNSPSZ |
                     ARES_OPT_SOCK_STATE_CB;
    const int status = ares_init_options(&resolver->channel, &ares, mask);
    if (status != ARES_SUCCESS) {
        free(resolver);
        return errinfo_set(info, ERR_SYSTEM, "cannot start the resolver: %s",
                           ares_strerror(status));
    }
    if (set_servers(resolver, options) != ERR_OK) {
        resolver_destroy(resolver);
        return errinfo_set(info, ERR_INPUT, "the resolver cannot use these servers");
    }
    *out = resolver;
    return ERR_OK;
}

void resolver_destroy(struct resolver *resolver)
{
    if (resolver == NULL)
        return;
    ares_destroy(resolver->channel); // calls back for every open question
    while (resolver->sockets != NULL)
        forget_socket(resolver, resolver->sockets->io.fd);
    while (resolver->done != NULL) {
        struct resolver_query *next = resolver->done->next;
        free(resolver->done);
        resolver->done = next;
    }
    ev_timer_stop(resolver->loop, &resolver->timeout);
    ev_timer_stop(resolver->loop, &resolver->deliver);
    resolver->magic = 0;
    free(resolver);
}

static bool is_localhost(struct slice name)
{
    return slice_equal(name, SLICE_LITERAL("localhost")) ||
           slice_ends_with(name, SLICE_LITERAL(".localhost"));
}

static void answer_localhost(struct resolver_query *query)
{
    query->addresses[0] = (struct ip_addr){.family = IP_V6, .bytes = {[15] = 1}};
    query->addresses[1] = (struct ip_addr){.family = IP_V4, .bytes = {127, 0, 0, 1}};
    query->count = 2;
    query->result = RESOLVE_OK;
    mark_done(query);
}

struct resolver_query *resolver_submit(struct resolver *resolver, struct slice name,
                                       resolver_callback callback, void *arg)
{
    char absolute[NAME_TEXT_CAP];
    struct resolver_query *query = calloc(1, sizeof *query);
    if (query == NULL || !string_copy(absolute, sizeof absolute - 1, name)) {
        free(query);
        return NULL;
    }
    query->resolver = resolver;
    query->callback = callback;
    query->arg = arg;
    resolver->query_count++;
    if (is_localhost(name)) {
        answer_localhost(query);
        return query;
    }
    if (!resolver->reads_hosts_file) {
        absolute[name.len] = '.';
        absolute[name.len + 1] = '\0';
    }
    const struct ares_addrinfo_hints hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = ARES_AI_NOSORT,
    };
    ares_getaddrinfo(resolver->channel, absolute, NULL, &hints, on_answer, query);
    rearm_timeout(resolver);
    return query;
}

bool resolver_is_idle(const struct resolver *resolver)
{
    return resolver->query_count == 0;
}

void resolver_cancel(struct resolver_query *query)
{
    if (query != NULL)
        query->callback = NULL;
}
