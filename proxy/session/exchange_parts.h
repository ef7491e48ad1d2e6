// What an exchange is made of. exchange.c owns the states and their order; reply.c reads and writes the parts for the
// answers of the proxy's own, records.c for the audit. Others read.
#pragma once

#include "proxy/session/route.h"

struct consent;

struct exchange_timing {
    int64_t begun_ms;   // monotonic
    int64_t since_ms;   // monotonic; of the state
    int64_t resolve_ms; // that DNS took
    int64_t connect_ms; // that the dialling took
    int64_t lease_ms;   // that waiting for the fleet's limits took
    int64_t until_s;    // Unix seconds; when time may end what admits it; INT64_MAX: never
};

// The audit's two records.
struct exchange_records {
    struct audit_record *decision; // owned until submitted
    struct audit_record *close;    // owned until submitted
    bool is_unrecorded;            // there was no room for the decision: both are counted as lost
    bool is_counted;               // it was refused above the rate: it has none
    bool is_passed_on; // it is somebody else's than the peer's, who has not become its client
};

// Bytes that the worker's counters have already.
struct exchange_counted {
    uint64_t up;
    uint64_t down;
};

struct exchange_ending {
    enum exchange_outcome outcome;
    enum reason reason; // the first one stays
    const char *
        detail; // a few words about the reason, static memory; NULL: none, or no room in the record
    uint16_t answered; // with which status a parent has refused; 0: none has
    uint16_t status;   // of the answer that the client got
    bool may_keep;     // the client wants, and may, send another request after a refusal
};

// An answer of the proxy's own on its way.
struct exchange_reply {
    struct buffer *bytes; // borrowed from the pool; NULL: none
    int64_t due_ms;       // monotonic; one above the rate of refusals is held back until then
};

// Where a request goes on that has waited for the fleet's limits.
enum lease_resume {
    LEASE_PURSUE,  // with the first decision
    LEASE_RESOLVE, // with the addresses
    LEASE_POOLED,  // with the connection that it has found
};

struct exchange_lease {
    TAILQ_ENTRY(exchange) link; // in the context's list, in the state LEASE
    enum lease_resume resume;
    bool is_due; // there may be an answer
};

static const uint64_t GENERATION_NONE = UINT64_MAX; // that no snapshot has

struct exchange {
    enum exchange_state state;
    char id[17];
    struct peer *peer; // borrowed; whose request it is
    struct peer
        *guest; // owned; the same, where a proxy passes its certificate on; NULL: it does not
    struct identity
        *presented; // owned; what a certificate claims that was passed on and refused; or NULL
    TAILQ_ENTRY(exchange) introducing; // in the context's list, in the state INTRODUCE
    struct channel *channel;           // borrowed; the way to the peer
    uint64_t generation;               // of the snapshot that it was last judged under
    struct verdict verdict;            // the last one that decided something
    struct request *request;           // owned; NULL once it is a tunnel that nobody looks into
    struct kept_target *target;        // owned; then its target; NULL before
    struct route route;
    struct consent *consent; // owned; the authorizer's; NULL: it is not asked
    struct exchange_timing timing;
    struct exchange_lease lease;
    struct exchange_records records;
    struct exchange_reply reply;
    struct exchange_ending ending;
    struct exchange_counted counted;
};

// exchange_is_open tells whether bytes flow.
static inline bool exchange_is_open(const struct exchange *exchange)
{
    return exchange->state == EXCHANGE_TUNNEL || exchange->state == EXCHANGE_FORWARD;
}

// admission_of gives what the request is judged by; `target` is NULL where only exchange_target has it.
static inline struct admission admission_of(const struct exchange *exchange)
{
    const struct peer *peer = exchange->peer;
    return (struct admission){.snapshot = peer->snapshot,
                              .client = peer->client,
                              .source = peer_source(peer),
                              .target =
                                  exchange->request == NULL ? NULL : &exchange->request->url.target,
                              .now_s = wall_clock_ms() / 1000};
}

// exchange_target gives the target of the request, also when the rest of it is freed.
static inline struct target exchange_target(const struct exchange *exchange)
{
    return exchange->request == NULL ? kept_target_read(exchange->target)
                                     : exchange->request->url.target;
}
