// upstream: a connection to the proxy: its name resolved, one of its addresses reached, TLS finished and the
// proxy's certificate judged. And, where that fails or the proxy ends it, the cause.
//
// The one way to the network that the sidecar and the doctor have: it leads to a proxy of its route and
// to nobody else. Knows no HTTP.
#pragma once

#include <ev.h>

#include "auth/target.h"
#include "proxy/net/buffer.h"
#include "proxy/net/resolver.h"
#include "proxy/sidecar/credentials.h"
#include "proxy/sidecar/pins.h"

struct upstream_timeouts {
    int64_t resolve_ms;
    int64_t attempt_ms; // for each address
    int64_t connect_ms; // for all of them
    int64_t handshake_ms;
};

enum { ROUTE_PROXIES_MAX = 8 };

// way is one proxy that a route may lead to.
struct way {
    struct target proxy;

    // Private to upstream.c: where the name has led, for some seconds, and longer while DNS fails.
    struct ip_addr addresses[RESOLVER_MAX_ADDRESSES];
    size_t address_count;
    int64_t resolved_ms; // monotonic
};

// route is what all connections of one thread to the proxy share.
struct route {
    // Set by its owner, borrowed but for the values.
    struct ev_loop *loop;
    struct resolver *resolver;
    struct buffer_pool *pool;
    struct tls_sessions *sessions;      // NULL: nothing is resumed
    struct credentials *credentials;    // today's
    const struct pins *pins;            // NULL: any key will do
    struct way ways[ROUTE_PROXIES_MAX]; // when nobody is at one, the next one is tried
    size_t way_count;
    struct upstream_timeouts timeouts;
    int64_t retry_ms; // for so long all of them are tried again; 0: once
    bool keeps_facts; // see upstream_facts

    // Private to upstream.c.
    size_t way_at;   // the one that was there last
    int64_t said_ms; // monotonic; when it was last logged that nobody is there
};

enum upstream_state {
    UPSTREAM_WAIT, // nobody was there: until all proxies are tried again
    UPSTREAM_RESOLVE,
    UPSTREAM_DIAL,
    UPSTREAM_HANDSHAKE,
    UPSTREAM_READY,  // upstream_stream may be used
    UPSTREAM_FAILED, // upstream_cause tells why
};

struct upstream;

// upstream_create begins to connect. `wake` is called from the loop with `owner` whenever upstream_step, or
// the stream, may get on; never from within a function of this header. NULL without memory.
struct upstream *upstream_create(struct route *route, void (*wake)(void *owner),
                                 void *owner) MUST_USE;

// upstream_destroy closes it, with a reset where `is_reset`, without calling back. NULL is allowed.
void upstream_destroy(struct upstream *upstream, bool is_reset);

// upstream_step does what can be done now, and tells how far it has come.
enum upstream_state upstream_step(struct upstream *upstream);

// upstream_give_up ends the wait for another round (UPSTREAM_WAIT): it has failed with the cause of the last one.
void upstream_give_up(struct upstream *upstream);

// upstream_stream gives the stream to the proxy, once it is ready.
struct stream *upstream_stream(struct upstream *upstream);

// upstream_proxy gives the proxy that it leads to, or that was tried last.
const struct target *upstream_proxy(const struct upstream *upstream);

// upstream_cause tells why it has failed; once it was ready, why a proxy whose stream has failed or ended has
// done so, as far as it said: its alert, or CAUSE_CLOSED.
enum cause upstream_cause(const struct upstream *upstream);

// upstream_detail gives a few words beside the cause, such as the alert's name, or ""; borrowed until destroy.
const char *upstream_detail(const struct upstream *upstream);

// upstream_alert tells whether the proxy has sent a fatal alert, and which.
bool upstream_alert(const struct upstream *upstream, uint8_t *out);

// upstream_facts is what a doctor wants to know of the way there. Kept with `keeps_facts` only.
struct upstream_facts {
    struct ip_addr addresses[RESOLVER_MAX_ADDRESSES]; // of the proxy's name
    size_t address_count;
    struct ip_addr dialled; // the one that is connected, or was tried last
    int64_t resolve_ms;
    int64_t connect_ms;
    int64_t handshake_ms;
    struct identity *server;           // owned; what the proxy's leaf says, verified or not
    bool has_name;                     // the leaf has the name of --proxy
    size_t chain_count;                // certificates that the proxy has sent
    bool was_asked;                    // the proxy asks for a certificate
    STACK_OF(CRYPTO_BUFFER) *ca_names; // owned; of these CAs; empty: it does not say
    const char *tls_version;           // static memory; NULL before the handshake is done
    const char *tls_cipher;            // static memory; likewise
};

// upstream_facts gives them, borrowed until destroy; NULL when they are not kept.
const struct upstream_facts *upstream_facts(const struct upstream *upstream);
