// session_counters: what a worker has counted since it began. Its thread alone writes them: plain numbers, without a lock.
//
// A struct of nothing but uint64_t that only ever rise, so that those of all workers are added number by number.
#pragma once

#include <stdint.h>

#include "auth/authorization.h"
#include "auth/policy.h"
#include "proxy/metrics/histogram.h"
#include "proxy/net/dialer.h"
#include "proxy/net/resolver.h"
#include "proxy/tls/groups.h"

enum { ACTION_COUNT = ACTION_ERROR + 1 };

// session_counters is large because each is one number of the same worker, and they are added as one array; live = accepted - closed.
struct session_counters {
    uint64_t accepted;
    uint64_t closed;
    uint64_t
        silent; // connections that ended without a byte; in a drain also without a whole PROXY header
    uint64_t handshakes_refused;          // with a record, or counted in one
    uint64_t handshakes;                  // that made a client somebody
    uint64_t resumed;                     // of these: with a ticket
    uint64_t groups[TLS_GROUP_COUNT + 1]; // of these: by enum tls_group; the last: another one
    uint64_t exchanges;
    uint64_t tunnels;
    uint64_t forwarded;   // plain requests that were passed on, those sent again counted twice
    uint64_t turned_away; // connections that no limit had room for; none of those above
    uint64_t slowed;  // connections whose handshake had to wait: others of their source had failed
    uint64_t limited; // requests likewise
    uint64_t contested;   // clients known by a certificate that fits clients of two included files
    uint64_t crl_missing; // handshakes and requests refused because a CA of the chain has no list
    uint64_t counted;     // refused requests that were counted in place of a decision and a close
    uint64_t bytes_up;    // passed on, of tunnels and bodies
    uint64_t bytes_down;
    uint64_t would_deny;                          // allowed only because a client's mode is report
    uint64_t refused[REASON_COUNT];               // handshakes, and connections turned away
    uint64_t decided[ACTION_COUNT][REASON_COUNT]; // requests
    uint64_t ended[REASON_COUNT];                 // tunnels
    uint64_t dialled[DIAL_NO_SOURCE + 1];         // by enum dial_result
    struct resolver_counters dns;
    uint64_t asked[AUTHORIZER_YES + 1]; // of the authorizer, by enum authorizer_answer
    uint64_t asked_kept;                // requests that an answer from before was for
    uint64_t asked_shared;              // requests that waited for the answer to an equal one
    struct histogram handshake_time;
    struct histogram connect_time;
    struct histogram tunnel_time;
    struct histogram asked_time; // questions to the authorizer
};
