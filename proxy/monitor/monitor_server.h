// monitor_server: those who ask for metrics and health: accepts them, reads one request each, and sends what is answered.
//
// Lives on main's loop. Bounds: 32 connections, 8 KiB and 10 s for a request (with a handshake before it, where there is
// one), 64 MiB and 60 s for an answer. One request a connection. With 32 one without a request makes room for the
// next: of the source (an IPv4 address, an IPv6 /64) with the most connections the oldest. What a page says is the owner's business.
#pragma once

#include <ev.h>
#include <openssl/pool.h>
#include <openssl/stack.h>

#include "auth/trust.h"
#include "proxy/monitor/monitor_request.h"
#include "proxy/tls/tls_stream.h"

enum { MONITOR_CALLS_MAX = 32 };

struct monitor_server;

// monitor_call is one request. It is the owner's from on_call to monitor_call_end; the client may be gone meanwhile, which
// changes nothing but that nobody reads.
struct monitor_call;

// monitor_judge_fn judges the chain of a client (leaf first, never empty; borrowed for the call): ERR_OK: it may see
// everything. Anything else refuses the handshake, with `*out_alert`. What `*out` has then, the server destroys.
typedef enum err (*monitor_judge_fn)(void *arg, const STACK_OF(CRYPTO_BUFFER) *chain,
                                     struct trust_verdict *out, enum tls_alert *out_alert);

// monitor_failure is a handshake that came to nothing, after the client had said something. All is borrowed for the call.
struct monitor_failure {
    const struct ip_addr *address; // canonical; IP_NONE: over a Unix socket
    uint16_t port;
    const struct tls_stream *tls;
    const struct trust_verdict
        *verdict; // of its certificate; without a reason: it was not judged, or is good
};

// monitor_failure_fn is told of one.
typedef void (*monitor_failure_fn)(void *arg, const struct monitor_failure *failure);

// monitor_stranger_fn is told of a source for which nothing is (monitor_may_speak): it is not answered. Borrowed for the call.
typedef void (*monitor_stranger_fn)(void *arg, const struct ip_addr *address);

// monitor_call_fn is called from the loop with a request that wants an answer, now or later.
typedef void (*monitor_call_fn)(void *arg, struct monitor_call *call);

struct monitor_events {
    monitor_call_fn on_call;
    monitor_judge_fn judge;
    monitor_failure_fn on_failure;
    monitor_stranger_fn on_stranger;
    void *arg; // borrowed
};

// monitor_server_create serves the listening socket `fd`, which becomes the server's, by `settings`, which is borrowed
// and must outlive the server or be replaced. NULL without memory: then `fd` stays the caller's.
struct monitor_server *monitor_server_create(struct ev_loop *loop, int fd,
                                             const struct admin_settings *settings,
                                             const struct monitor_events *events) MUST_USE;

// monitor_server_configure goes on by other settings of the same place, from the next request on.
void monitor_server_configure(struct monitor_server *server, const struct admin_settings *settings);

// monitor_server_fd gives the listening socket, which stays the server's.
int monitor_server_fd(const struct monitor_server *server);

// monitor_server_destroy closes the socket and every connection. An open call lives on without one, until it is ended. NULL is allowed.
void monitor_server_destroy(struct monitor_server *server);

// monitor_call_request tells what is asked; borrowed until monitor_call_end.
const struct monitor_request *monitor_call_request(const struct monitor_call *call);

// monitor_call_text gives the text that adds to the body. A body that grows beyond its bound, or for which there is no
// memory, becomes a 503.
struct text *monitor_call_text(struct monitor_call *call);

// monitor_call_end sends the answer and gives the call back. `policy` is what a browser may load for it (the value of
// Content-Security-Policy); NULL: nothing. Both texts are borrowed for the call.
void monitor_call_end(struct monitor_call *call, uint16_t status, const char *content_type,
                      const char *policy);
