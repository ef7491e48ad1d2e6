// connection_pool: the HTTP/2 connections to the proxy that the tunnels of one thread share: which one takes a tunnel, when
// another one is made, and their lives.
//
// Knows nothing of local clients: a user is what has, or is about to have, a stream on a connection.
#pragma once

#include "proxy/http2/http2_client.h"
#include "proxy/loop/turn.h"
#include "proxy/uplink/upstream.h"

struct connection;
TAILQ_HEAD(connection_list, connection);

// Embedded. The first part is set by its owner before connection_pool_start; the rest is private to connection_pool.c.
struct connection_pool {
    struct proxy_route *route; // borrowed
    // connections that are made to be shared; 0: none, every tunnel has its own. As many again may be there that are shunned,
    // or that too many have left.
    size_t most;

    struct connection_list all; // owned
    struct turn due;            // those that have something to send, or to do
    int64_t
        plain_until_ms; // monotonic; the proxy speaks HTTP/1.1 alone, and is not asked again before
    int64_t retry_ms;   // monotonic; none is made before, since one has failed
};

// connection_user is embedded by what shares a connection. Its owner sets `wake` and `owner`.
struct connection_user {
    TAILQ_ENTRY(connection_user) link; // of `connection`
    struct connection *connection;     // borrowed; NULL: it shares none
    void (*wake)(void *owner); // called from the loop when connection_state may have changed
    void *owner;               // borrowed
};

// connection_pool_start begins an empty pool. connection_pool_stop says goodbye on all connections, which must have no user,
// and frees them. A pool that was not started may be stopped.
void connection_pool_start(struct connection_pool *pool);
void connection_pool_stop(struct connection_pool *pool);

// connection_pool_retire gives no tunnel to the connections that there are: they were made with credentials of before. Each
// ends with its last tunnel.
void connection_pool_retire(struct connection_pool *pool);

// connection_pool_join finds a connection for `user`, or begins one, which then wakes it. False: none is to be shared now,
// because HTTP/2 is off, or not spoken by the proxy, or because all connections have as many streams as the proxy allows.
bool connection_pool_join(struct connection_pool *pool, struct connection_user *user);

// connection_leave takes `user` off its connection. Its stream must have been destroyed.
void connection_leave(struct connection_user *user);

// connection_shun gives it further tunnels only where there is no other, and there can be none. Those that it has go on.
// Other connections begin with another proxy.
void connection_shun(struct connection *connection);

// connection_state tells how far a connection has come; UPSTREAM_READY: connection_http2 may be used.
enum upstream_state connection_state(const struct connection *connection);

// connection_is_plain tells whether the proxy has chosen HTTP/1.1: the connection cannot be shared.
// connection_take_upstream then gives it to the first who asks, who owns it; NULL: somebody has it.
bool connection_is_plain(const struct connection *connection);
struct upstream *connection_take_upstream(struct connection *connection);

// connection_http2 gives the HTTP/2 of a connection that is ready. Borrowed.
struct http2_session *connection_http2(const struct connection *connection);

// connection_is_over tells whether it carries nothing more.
bool connection_is_over(const struct connection *connection);

// connection_flush has what was written to its streams sent soon.
void connection_flush(struct connection *connection);

// connection_proxy and connection_failure are those of upstream.h. Borrowed from the connection.
const struct target *connection_proxy(const struct connection *connection);
struct failure connection_failure(const struct connection *connection);
