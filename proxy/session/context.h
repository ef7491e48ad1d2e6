// session_context: what the sessions of one worker share: loop, buffers, resolver, audit, their lists.
//
// Made by the worker, used on its thread only. What must happen to all sessions is a function of sessions.h.
#pragma once

#include <ev.h>
#include <sys/queue.h>

#include "proxy/audit/audit_log.h"
#include "proxy/audit/refusals.h"
#include "proxy/clock/clock.h"
#include "proxy/config/snapshot.h"
#include "proxy/http/via.h"
#include "proxy/loop/turn.h"
#include "proxy/net/buffer.h"
#include "proxy/net/resolver.h"
#include "proxy/session/chain_cache.h"
#include "proxy/session/client_counts.h"
#include "proxy/session/counters.h"
#include "proxy/session/parents.h"
#include "proxy/session/session_tops.h"
#include "proxy/session/upstream_pool.h"

struct session;
struct scan;
struct ocsp_book;
struct consent_book;
struct overlaps;
struct exchange;
TAILQ_HEAD(session_list, session);
TAILQ_HEAD(exchange_list, exchange);

// session_mark is a session's place in a list of those that have something in common.
struct session_mark {
    TAILQ_ENTRY(session_mark) link;
    struct session *session; // borrowed; NULL: it is not in the list
};

TAILQ_HEAD(session_marks, session_mark);

#define SESSION_STATE_TABLE(X)                                                                     \
    X(SESSION_PROXY_HEADER, "proxy_header") /* a balancer is to say whose connection it is */      \
    X(SESSION_HANDSHAKE, "handshake")       /* TLS, until the client's certificate is judged */    \
    X(SESSION_SERVING, "serving")           /* waits for a request, or has one */                  \
    X(SESSION_REFUSING, "refusing")         /* refused; waits for a request, to say so in HTTP */  \
    X(SESSION_CLOSING, "closing") /* our last words are on their way, theirs are dropped */        \
    X(SESSION_DEAD, "dead")       /* closed; freed at the end of the loop's pass */

enum session_state {
#define X(symbol, name) symbol,
    SESSION_STATE_TABLE(X)
#undef X
        SESSION_STATE_COUNT
};

#define EXCHANGE_STATE_TABLE(X)                                                                    \
    X(EXCHANGE_READ_REQUEST, "read_request") /* the head is not complete */                        \
    X(EXCHANGE_INTRODUCE, "introduce")       /* OCSP, about a certificate that is passed on */     \
    X(EXCHANGE_LEASE, "lease")               /* the store, about the fleet's limits */             \
    X(EXCHANGE_READ_HELLO, "read_hello")     /* the 200 is out, the name inside is not known */    \
    X(EXCHANGE_RESOLVE, "resolve")           /* DNS */                                             \
    X(EXCHANGE_ASK, "ask")                   /* the authorizer */                                  \
    X(EXCHANGE_DIAL, "dial")                 /* connecting to the target */                        \
    X(EXCHANGE_TUNNEL, "tunnel")             /* bytes go both ways */                              \
    X(EXCHANGE_FORWARD, "forward")           /* a plain request and its response */                \
    X(EXCHANGE_REFUSE, "refuse")             /* the refusal is on its way */                       \
    X(EXCHANGE_DONE, "done")                 /* its `close` is recorded */

enum exchange_state {
#define X(symbol, name) symbol,
    EXCHANGE_STATE_TABLE(X)
#undef X
        EXCHANGE_STATE_COUNT
};

// What becomes of the connection after an exchange.
enum exchange_outcome {
    EXCHANGE_KEEP,  // the next request may come
    EXCHANGE_CLOSE, // end it in an orderly way
    EXCHANGE_RESET, // end it so that nobody takes it for an orderly end
};

enum { EGRESS_TURNS = 64 };

// It is one struct because all of it is of one worker and lives as long: every session needs most of what is borrowed, and
// the lists and turns are the worker's sessions themselves.
struct session_context {
    // Set by the worker before sessions_start.
    struct ev_loop *loop;              // borrowed
    struct resolver *resolver;         // borrowed
    struct audit_log *audit;           // borrowed
    struct snapshot *snapshot;         // borrowed; today's, see sessions_adopt
    struct ticket_keys *tickets;       // borrowed; the process's
    struct ledger *ledger;             // borrowed; the process's, as the next three
    struct sources *sources;           // borrowed
    struct ocsp_book *ocsp;            // borrowed; NULL: no trust profile asks, and none will
    struct refusals *refusals;         // borrowed; of handshakes
    struct refusals *refused_requests; // borrowed; of requests above the rate
    struct overlaps *overlaps;         // borrowed; the process's
    struct upstream_share upstreams;   // of connections to targets that wait; its `max` is set
    size_t dial_max;                   // connects under way, but for the first of each request
    uint64_t id_seed;                  // random, different for each worker of each process
    char token[VIA_TOKEN_CAP];         // random, of the process: by which it knows what it has sent

    // Kept by the sessions; everybody else may read.
    int64_t now_ms; // monotonic; taken once a pass of the loop
    struct session_counters counters;
    struct client_counts client_counts;
    struct session_tops *tops; // owned; NULL: nobody can ask for them
    size_t state_counts[SESSION_STATE_COUNT];
    size_t exchange_counts[EXCHANGE_STATE_COUNT];
    size_t dial_count; // of those that dial_max bounds
    bool is_leaving;   // it is draining or retiring: no connection waits for a further request
    bool is_draining;  // and no request is accepted any more

    // Private to proxy/session.
    uint64_t id_count;
    uint32_t egress_turns[EGRESS_TURNS]; // clients that share one take turns with each other
    struct buffer_pool buffers;
    struct parents parents;
    struct consent_book
        *consents;             // owned; of questions to the authorizer; NULL: none was asked yet
    struct chain_cache chains; // of today's snapshot
    struct session_list by_state[SESSION_STATE_COUNT];
    struct session_marks idle;   // wait for a request, the longest first
    struct session_marks asking; // handshakes that wait for OCSP, the longest first
    size_t asking_count;
    int64_t guests_us; // microseconds of this pass that went into certificates that are passed on
    struct exchange_list
        introducing;              // requests that wait for OCSP about a guest, the longest first
    struct exchange_list leasing; // requests that wait for the fleet's limits, the longest first
    // the loop does not watch their socket at the moment: a reset is found out each second
    struct session_marks unwatched;
    struct turn ready;            // move much; driven again in the next pass, after all others
    struct turn handshakes;       // handshakes whose next step is for a later pass
    struct turn sweep;            // still to be judged again under today's snapshot
    struct turn scan_turn;        // has one entry, while a scan is under way
    struct turn_entry scan_entry; // that entry
    struct scan *scan;            // borrowed; under way, or NULL
    struct session *scan_next;    // borrowed; the serving session that it comes to next
    ev_timer tick;                // each second: counted refusals, memory that is free
    size_t live_count;            // sessions alive at the last tick
    size_t peak_since_trim;       // most sessions alive since memory was given back
    size_t peak_since_start;      // most sessions alive since sessions_start
    ev_prepare reap;              // frees the dead ones
    ev_check clock;               // takes the time after each wait
};

// sessions_live tells how many sessions are not dead.
size_t sessions_live(const struct session_context *context);

// session_context_make_id writes the next id: 16 lower-case hex digits and a NUL. Ids of one worker never
// repeat, and those of others start at random places.
void session_context_make_id(struct session_context *context, char out[17]);
