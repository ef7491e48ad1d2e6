// upstream: a connection to a proxy: its name is resolved, one of its addresses is reached, TLS is finished and the
// proxy's certificate is judged. If that fails, or the proxy ends it, upstream knows the cause.
//
// The sidecar and the doctor have no other way to the network, and a server none to its parents. It leads to a proxy of
// its route only. Knows no HTTP.
#pragma once

#include <ev.h>

#include "auth/target.h"
#include "proxy/net/buffer.h"
#include "proxy/net/resolver.h"
#include "proxy/net/srv_list.h"
#include "proxy/uplink/credentials.h"
#include "proxy/uplink/pins.h"
#include "proxy/uplink/proxy_board.h"

enum { ROUTE_PROXIES_MAX = 8 };

// proxy_route_options says which proxies may be used, and how they are found.
struct proxy_route_options {
    struct target proxies[ROUTE_PROXIES_MAX]; // when one cannot be reached, the next one is tried
    size_t proxy_count;                       // at least 1
    // Each connection tries them in an order of its own (RFC 2782), those that could not be reached lately last; otherwise each
    // begins with the one that was reached last.
    bool is_ranked;
    struct srv_rank ranks[ROUTE_PROXIES_MAX]; // with `is_ranked`
    struct hostname served_name;      // that the certificates must have; empty: each its proxy's
    int64_t retry_ms;                 // how long all of them are tried again; 0: once
    bool is_clear;                    // no TLS: the proxies speak HTTP/1.1 in the clear
    int64_t attempt_ms;               // for each address, and for the handshake; 0: 3 s, and 10 s
    struct proxy_board *board;        // ref; those that are down are passed by; NULL: none is
    struct pins pins;                 // a proxy's key must be one of them; none: any key will do
    struct resolver_options resolver; // of a resolver of its own; see proxy_route_open
};

// way holds the addresses of one proxy. They are used again for some seconds, and longer while DNS fails, but not in the
// clear.
struct way {
    struct ip_addr addresses[RESOLVER_MAX_ADDRESSES];
    size_t address_count;
    int64_t resolved_ms; // monotonic
};

// upstream_facts is what a connection has found out on its way, for the doctor.
struct upstream_facts {
    struct ip_addr dialled; // the one that is connected, or was tried last
    int64_t resolve_ms;
    int64_t connect_ms;
    int64_t handshake_ms;
    struct identity *server;           // owned; what the proxy's leaf says, verified or not
    size_t chain_count;                // certificates that the proxy has sent
    bool was_asked;                    // the proxy asks for a certificate
    STACK_OF(CRYPTO_BUFFER) *ca_names; // owned; of these CAs; NULL or empty: it does not say
    const char *tls_version;           // static memory; NULL before the handshake is done
    const char *tls_cipher;            // static memory; likewise
    const char *tls_group;             // static memory; likewise, and where it has no name
};

// upstream_facts_deinit frees what the facts own.
void upstream_facts_deinit(struct upstream_facts *facts);

// proxy_route is what all connections of one thread to the proxies share. Its owner may set `credentials`, `resumes` and `facts`.
struct proxy_route {
    const struct proxy_route_options *options; // borrowed
    struct ev_loop *loop;                      // borrowed
    struct buffer_pool *pool;                  // borrowed
    struct resolver *resolver;                 // owned, unless it was given
    bool has_resolver;                         // it was given; its owner may set another one
    struct credentials *credentials;           // ref; today's; NULL: no TLS
    struct tls_sessions sessions;              // owned
    bool resumes;                              // sessions are kept and resumed
    struct upstream_facts *facts; // borrowed; where the next connection writes them; NULL: nowhere
    struct way ways[ROUTE_PROXIES_MAX]; // one for each proxy; its owner may read them

    // Private to upstream.c.
    size_t way_at; // the one that was reached last, where they are not ranked
    int64_t failed_ms
        [ROUTE_PROXIES_MAX]; // monotonic; when one could not be reached last; 0: it was, or nobody tried
    int64_t said_ms;         // monotonic; when it was last logged that none can be reached
};

// proxy_route_init takes a reference to `credentials`. `options`, `loop`, `pool` and `resolver` are borrowed until
// proxy_route_close.
void proxy_route_init(struct proxy_route *route, const struct proxy_route_options *options,
                      struct ev_loop *loop, struct buffer_pool *pool, struct resolver *resolver,
                      struct credentials *credentials);

// proxy_route_open does the same with a resolver of its own, made by the options. proxy_route_close must follow in any
// case. Errors as of resolver_create.
enum err proxy_route_open(struct proxy_route *route, const struct proxy_route_options *options,
                          struct ev_loop *loop, struct buffer_pool *pool,
                          struct credentials *credentials, struct errinfo *info) MUST_USE;

// proxy_route_close frees what the route owns. A zeroed one is allowed.
void proxy_route_close(struct proxy_route *route);

enum upstream_state {
    UPSTREAM_WAIT, // no proxy was reached: until all are tried again
    UPSTREAM_RESOLVE,
    UPSTREAM_DIAL,
    UPSTREAM_HANDSHAKE,
    UPSTREAM_READY,  // upstream_stream may be used
    UPSTREAM_FAILED, // upstream_failure tells why
};

struct upstream;

// upstream_create begins to connect. `offers_http2`: the proxy may choose HTTP/2 (RFC 7301); else it is HTTP/1.1. `wake` is called from the loop with `owner` (borrowed) whenever upstream_step, or
// the stream, may get on; never from within a function of this header. NULL without memory.
struct upstream *upstream_create(struct proxy_route *route, bool offers_http2,
                                 void (*wake)(void *owner), void *owner) MUST_USE;

// upstream_set_owner has another owner woken from now on.
void upstream_set_owner(struct upstream *upstream, void (*wake)(void *owner), void *owner);

// upstream_is_http2 tells whether the proxy has chosen HTTP/2, once the connection is ready.
bool upstream_is_http2(const struct upstream *upstream);

// upstream_limit_unsent has the kernel take no more bytes while it holds `len` that it has not sent. A failure changes
// nothing.
void upstream_limit_unsent(const struct upstream *upstream, int len);

// upstream_destroy closes the connection, with a reset where `is_reset`, and frees it. It does not call back. NULL is
// allowed.
void upstream_destroy(struct upstream *upstream, bool is_reset);

// upstream_step does what can be done now, and tells how far the connection has come.
enum upstream_state upstream_step(struct upstream *upstream);

// upstream_shun has later connections begin with the next proxy, if they would have begun with this one.
void upstream_shun(const struct upstream *upstream);

// upstream_give_up ends the wait for another round (UPSTREAM_WAIT): the connection has failed with the cause of the last
// round. Gives UPSTREAM_FAILED.
enum upstream_state upstream_give_up(struct upstream *upstream);

// upstream_stream gives the stream to the proxy, once it is ready. Borrowed until destroy.
struct stream *upstream_stream(struct upstream *upstream);

// upstream_proxy gives the proxy that the connection leads to, or that was tried last. Borrowed from the route.
const struct target *upstream_proxy(const struct upstream *upstream);

// upstream_is_down tells whether that proxy is down by now, as checks have found, while others are not.
bool upstream_is_down(const struct upstream *upstream);

// failure is why a proxy cannot be used.
struct failure {
    enum cause cause;
    const char *detail; // a few words, such as the alert's name, or ""; borrowed from the upstream
    uint8_t alert;      // the fatal alert that the proxy has sent; 0: none
};

// upstream_failure tells why the connection has failed, or waits for another round. Once it was ready: why its stream has failed or ended, as far as
// the proxy said, which is its alert, or CAUSE_CLOSED.
struct failure upstream_failure(const struct upstream *upstream);
