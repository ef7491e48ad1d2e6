// fetch_connection: a connection to an HTTP server that the proxy itself asks: its name is resolved, one of its addresses is
// reached, and over https:// TLS is finished and the server's certificate is judged.
//
// It has no deadline of its own: its owner has one for everything. Knows no HTTP.
#pragma once

#include <ev.h>

#include "auth/http_url.h"
#include "proxy/fetch/fetch_outcome.h"
#include "proxy/tls/server_trust.h"
#include "proxy/net/buffer.h"
#include "proxy/net/resolver.h"
#include "proxy/net/stream.h"

// fetch_path is what all connections of one owner are made with. All borrowed.
struct fetch_path {
    struct ev_loop *loop;
    struct resolver *resolver;
    struct buffer_pool *buffers;
    uint64_t holder_id; // for the resolver, see resolver_submit
};

enum fetch_connection_state {
    FETCH_CONNECTION_RESOLVE,
    FETCH_CONNECTION_DIAL,
    FETCH_CONNECTION_HANDSHAKE,
    FETCH_CONNECTION_READY,  // fetch_connection_stream may be used
    FETCH_CONNECTION_FAILED, // fetch_connection_failure tells why
};

struct fetch_connection;

// fetch_connection_create begins to connect to the server of `url`, which is copied. It takes a reference to `tls`, which
// counts for https:// only; NULL: such a URL fails. `path` is borrowed. `wake` is called from the loop with `owner`
// (borrowed) whenever fetch_connection_step, or the stream, may get on; never from within a function of this header. NULL
// without memory.
struct fetch_connection *fetch_connection_create(const struct fetch_path *path,
                                                 const struct http_url *url,
                                                 struct server_trust *tls,
                                                 void (*wake)(void *owner), void *owner) MUST_USE;

// fetch_connection_destroy closes and frees it, and does not call back. NULL is allowed.
void fetch_connection_destroy(struct fetch_connection *connection);

// fetch_connection_reset likewise frees it, and closes with a reset: what the server has not read yet it is not to read any more.
void fetch_connection_reset(struct fetch_connection *connection);

// fetch_connection_set_owner has another owner woken from now on.
void fetch_connection_set_owner(struct fetch_connection *connection, void (*wake)(void *owner),
                                void *owner);

// fetch_connection_judge_as has the server's certificate judged by the host of `name`, copied, in the place of that of the URL, and
// that name asked for. Before the first step.
void fetch_connection_judge_as(struct fetch_connection *connection, const struct target *name);

// fetch_connection_step does what can be done now, and tells how far it has come.
enum fetch_connection_state fetch_connection_step(struct fetch_connection *connection);

// fetch_connection_stream gives the stream to the server, once it is ready. Borrowed until destroy.
struct stream *fetch_connection_stream(struct fetch_connection *connection);

// fetch_connection_failure tells why it has failed; `*out_why` is a sentence, borrowed until destroy.
enum fetch_outcome fetch_connection_failure(const struct fetch_connection *connection,
                                            const char **out_why);

// fetch_connection_speaks_tls tells whether the server has shown that it speaks TLS: by a certificate, or by an alert.
bool fetch_connection_speaks_tls(const struct fetch_connection *connection);

// fetch_connection_leads_to tells whether it leads to the server of `url`, believed by the same `tls`.
bool fetch_connection_leads_to(const struct fetch_connection *connection,
                               const struct http_url *url, const struct server_trust *tls);
