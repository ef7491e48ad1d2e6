// The way to a server: resolve its name, dial its addresses, and over https:// shake hands, in which on_verify judges the
// server's chain and name. The loop's callbacks move on to the next state; only the handshake is driven by step.
#include "proxy/fetch/connection.h"

#include <stdlib.h>

#include "proxy/clock/clock.h"
#include "proxy/net/dialer.h"
#include "proxy/net/tcp_stream.h"
#include "proxy/tls/failure_text.h"
#include "proxy/tls/tls_client.h"

enum {
    FETCH_CONNECTION_MAGIC = 0xFE7C4C01,
    ATTEMPT_MS = 3000, // for each address
};

struct fetch_connection {
    uint32_t magic;
    enum fetch_connection_state state;
    const struct fetch_path *path; // borrowed
    struct server_trust *trusted;  // ref; NULL: none
    bool is_https;
    struct target server;
    struct target judged; // whose name its certificate must have
    void (*wake)(void *owner);
    void *owner;                  // borrowed
    struct resolver_query *query; // owned; NULL when none is open
    struct dialer *dialer;        // owned
    struct tcp_stream tcp;        // open from the handshake on
    struct tls_stream *tls;       // owned; NULL: http
    enum fetch_outcome outcome;   // of a failure
    struct errinfo why;
};

static void fail(struct fetch_connection *connection, enum fetch_outcome outcome, const char *why)
{
    connection->state = FETCH_CONNECTION_FAILED;
    connection->outcome = outcome;
    (void)errinfo_set(&connection->why, ERR_SYSTEM, "%s", why);
}

static struct fetch_connection *connection_of(void *arg)
{
    struct fetch_connection *connection = arg;
    ASSERT(connection->magic == FETCH_CONNECTION_MAGIC);
    return connection;
}

static void on_ready(void *owner)
{
    struct fetch_connection *connection = connection_of(owner);
    connection->wake(connection->owner);
}

static enum err on_verify(void *arg, const STACK_OF(CRYPTO_BUFFER) *chain,
                          enum tls_alert *out_alert)
{
    struct fetch_connection *connection = connection_of(arg);
    return server_trust_judge(connection->trusted, chain, &connection->judged,
                              wall_clock_ms() / 1000, out_alert, &connection->why);
}

// begin_handshake takes the connected socket; over http:// that is all.
static void begin_handshake(struct fetch_connection *connection, int fd)
{
    const struct fetch_path *path = connection->path;
    tcp_stream_init(&connection->tcp, path->loop, fd);
    connection->tcp.stream.on_ready = on_ready;
    connection->tcp.stream.owner = connection;
    connection->state = FETCH_CONNECTION_READY;
    if (!connection->is_https)
        return;
    connection->state = FETCH_CONNECTION_HANDSHAKE;
    connection->tls =
        server_trust_connect(connection->trusted, &connection->judged, &connection->tcp.stream,
                             path->buffers, on_verify, connection);
    if (connection->tls == NULL) {
        fail(connection, FETCH_NO_RESOURCES, "no memory for TLS");
        return;
    }
    connection->tls->stream.on_ready = on_ready;
    connection->tls->stream.owner = connection;
}

static void on_dialled(void *arg, enum dial_result result, int fd)
{
    struct fetch_connection *connection = connection_of(arg);
    dialer_destroy(connection->dialer);
    connection->dialer = NULL;
    switch (result) {
    case DIAL_CONNECTED:
        begin_handshake(connection, fd);
        break;
    case DIAL_REFUSED:
        fail(connection, FETCH_REFUSED, "nobody accepts the connection");
        break;
    case DIAL_TIMED_OUT:
        fail(connection, FETCH_TIMEOUT, "no address answers");
        break;
    case DIAL_NO_RESOURCES:
    case DIAL_NO_SOURCE:
        fail(connection, FETCH_NO_RESOURCES, "no descriptor or memory for a connection");
        break;
    }
    connection->wake(connection->owner);
}

static void dial(struct fetch_connection *connection, const struct ip_addr *addresses, size_t count)
{
    const struct dialer_options options = {.addresses = addresses,
                                           .count = count,
                                           .port = connection->server.port,
                                           .attempt_ms = ATTEMPT_MS};
    const struct dialer_events events = {.on_done = on_dialled, .arg = connection};
    connection->dialer = dialer_start(connection->path->loop, &options, &events);
    connection->state = FETCH_CONNECTION_DIAL;
    if (connection->dialer == NULL)
        fail(connection, FETCH_NO_RESOURCES, "no memory for a connection");
}

// fail_resolve says what DNS has said.
static void fail_resolve(struct fetch_connection *connection, enum resolve_result result)
{
    connection->state = FETCH_CONNECTION_FAILED;
    connection->outcome = FETCH_DNS;
    (void)errinfo_set(&connection->why, ERR_SYSTEM, "DNS has no address for the name (%s)",
                      resolve_result_name(result));
}

// take_answer goes on when the preferred family is there, or everything.
static void take_answer(struct fetch_connection *connection)
{
    struct resolver_answer answer;
    resolver_query_read(connection->query, &answer);
    if (!answer.is_complete && !answer.has_preferred)
        return;
    resolver_cancel(connection->query);
    connection->query = NULL;
    if (answer.result == RESOLVE_OK)
        dial(connection, answer.addresses, answer.count);
    else
        fail_resolve(connection, answer.result);
}

static void on_resolved(void *arg)
{
    struct fetch_connection *connection = connection_of(arg);
    take_answer(connection);
    connection->wake(connection->owner);
}

static void begin(struct fetch_connection *connection)
{
    if (connection->is_https && connection->trusted == NULL) {
        fail(connection, FETCH_TLS, "no CAs are configured for this https:// server");
        return;
    }
    if (connection->server.kind == TARGET_ADDRESS) {
        dial(connection, &connection->server.address, 1);
        return;
    }
    connection->query =
        resolver_submit(connection->path->resolver, hostname_slice(&connection->server.name),
                        connection->path->holder_id, on_resolved, connection);
    if (connection->query == NULL)
        fail(connection, FETCH_NO_RESOURCES, "no memory to ask DNS");
    else
        take_answer(connection);
}

// fail_handshake finds out why TLS has failed; on_verify has said so itself.
static void fail_handshake(struct fetch_connection *connection)
{
    const struct tls_stream *tls = connection->tls;
    switch (tls->failure) {
    case TLS_FAILURE_REFUSED:
        connection->state = FETCH_CONNECTION_FAILED;
        connection->outcome = FETCH_UNTRUSTED;
        return;
    case TLS_FAILURE_PLAIN_HTTP:
        fail(connection, FETCH_TLS, "the server answers in plain HTTP, without TLS");
        return;
    case TLS_FAILURE_ABORTED:
        fail(connection, FETCH_TLS,
             tls->has_alert ? tls_alert_name(tls->alert)
                            : "the server has ended the connection in the TLS handshake");
        return;
    case TLS_FAILURE_NONE:
    case TLS_FAILURE_NO_CERTIFICATE:
    case TLS_FAILURE_KEY_USAGE:
    case TLS_FAILURE_TOO_LONG:
    case TLS_FAILURE_PROTOCOL:
        fail(connection, FETCH_TLS, failure_sentence(tls->failure_detail));
        return;
    }
}

enum fetch_connection_state fetch_connection_step(struct fetch_connection *connection)
{
    if (connection->state != FETCH_CONNECTION_HANDSHAKE)
        return connection->state;
    const enum err error = tls_stream_handshake(connection->tls);
    if (error == ERR_AGAIN)
        stream_want(&connection->tls->stream, true, false);
    else if (error == ERR_OK)
        connection->state = FETCH_CONNECTION_READY;
    else
        fail_handshake(connection);
    return connection->state;
}

struct stream *fetch_connection_stream(struct fetch_connection *connection)
{
    ASSERT(connection->state == FETCH_CONNECTION_READY);
    return connection->tls != NULL ? &connection->tls->stream : &connection->tcp.stream;
}

enum fetch_outcome fetch_connection_failure(const struct fetch_connection *connection,
                                            const char **out_why)
{
    *out_why = connection->why.text;
    return connection->outcome;
}

bool fetch_connection_speaks_tls(const struct fetch_connection *connection)
{
    const struct tls_stream *tls = connection->tls;
    return connection->state == FETCH_CONNECTION_READY
               ? connection->is_https
               : tls != NULL && (tls->has_alert || tls->failure == TLS_FAILURE_REFUSED);
}

bool fetch_connection_leads_to(const struct fetch_connection *connection,
                               const struct http_url *url, const struct server_trust *tls)
{
    return connection->is_https == url->is_https && connection->server.port == url->target.port &&
           target_equal_host(&connection->server, &url->target) &&
           (!url->is_https || connection->trusted == tls);
}

void fetch_connection_judge_as(struct fetch_connection *connection, const struct target *name)
{
    connection->judged = *name;
}

void fetch_connection_set_owner(struct fetch_connection *connection, void (*wake)(void *owner),
                                void *owner)
{
    connection->wake = wake;
    connection->owner = owner;
}

struct fetch_connection *fetch_connection_create(const struct fetch_path *path,
                                                 const struct http_url *url,
                                                 struct server_trust *tls,
                                                 void (*wake)(void *owner), void *owner)
{
    struct fetch_connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        return NULL;
    *connection = (struct fetch_connection){.magic = FETCH_CONNECTION_MAGIC,
                                            .path = path,
                                            .trusted = server_trust_ref(tls),
                                            .is_https = url->is_https,
                                            .server = url->target,
                                            .judged = url->target,
                                            .wake = wake,
                                            .owner = owner};
    begin(connection);
    return connection;
}

static void end(struct fetch_connection *connection, bool is_reset)
{
    if (connection == NULL)
        return;
    resolver_cancel(connection->query);
    dialer_destroy(connection->dialer);
    if (connection->tls != NULL) {
        stream_close(&connection->tls->stream, is_reset);
    } else if (connection->tcp.is_open) {
        stream_close(&connection->tcp.stream, is_reset);
    }
    tls_stream_destroy(connection->tls);
    server_trust_unref(connection->trusted);
    connection->magic = 0;
    free(connection);
}

void fetch_connection_destroy(struct fetch_connection *connection)
{
    end(connection, false);
}

void fetch_connection_reset(struct fetch_connection *connection)
{
    end(connection, true);
}
