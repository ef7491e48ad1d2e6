// resolver: finds the addresses of a name without blocking: in the host table, in the cache, or by asking DNS. And the places
// of a service, by asking DNS.
//
// One for each worker, used on its thread. A name is absolute. `localhost` and names below it have the loopback addresses
// (RFC 6761 6.3), unless the host table has them. IPv6 and IPv4 are asked at the same time, and each answer is reported
// when it arrives. A question that is already under way is shared. Address literals must not come here.
#pragma once

#include <ev.h>

#include "proxy/metrics/histogram.h"
#include "proxy/net/dns_answer.h"
#include "proxy/net/resolver_options.h"

enum {
    RESOLVER_MAX_ADDRESSES = 2 * DNS_MAX_ADDRESSES,
    RESOLVER_MAX_QUESTIONS = 4096,   // under way; a holder of more than are free asks no more
    RESOLVER_NEGATIVE_TTL_MS = 5000, // "no such name" is believed no longer than this
    RESOLVER_FAILURE_TTL_MS = 1000, // a failure is not asked about again for so long (RFC 9520 3.2)
};

struct resolver;
struct resolver_query;
struct place_query;

// resolver_counters is what came of the questions that were put to DNS: nothing but uint64_t, which only ever rise.
struct resolver_counters {
    uint64_t answers[RESOLVE_RESULT_COUNT]; // by enum resolve_result
    uint64_t cached;                        // questions that the cache has answered
    struct histogram time;                  // of those that were answered in one way or another
};

// resolver_answer is what is known so far.
struct resolver_answer {
    // RESOLVE_OK as soon as there is an address; else final only with is_complete
    enum resolve_result result;
    bool is_complete;   // nothing more will come
    bool has_preferred; // the family that is preferred is there, with at least one address
    size_t count;
    struct ip_addr addresses[RESOLVER_MAX_ADDRESSES]; // families in turns, the preferred one first
    struct dns_aliases aliases;
};

// resolver_callback is called when more is known: at most once for each family, from the loop, never from within
// resolver_submit. It may cancel the query.
typedef void (*resolver_callback)(void *arg);

// resolver_create makes a resolver on `loop`. It takes its own reference to the hosts of `options`. Call
// dns_channel_global_init before. ERR_SYSTEM or ERR_MEMORY with a sentence.
enum err resolver_create(struct ev_loop *loop, const struct resolver_options *options,
                         struct resolver **out, struct errinfo *info) MUST_USE;

// resolver_destroy drops all questions without calling back. All queries must have been cancelled. NULL is allowed.
void resolver_destroy(struct resolver *resolver);

// resolver_count_into has the resolver count into `counters`, which is borrowed and outlives it.
void resolver_count_into(struct resolver *resolver, struct resolver_counters *counters);

// resolver_retire has the resolver free itself when its last query has been cancelled; until then it answers. Nothing more
// may be asked of it.
void resolver_retire(struct resolver *resolver);

// resolver_is_idle tells whether there is no query.
bool resolver_is_idle(const struct resolver *resolver);

// resolver_submit asks for the addresses of `name` (canonical text without a final dot). `holder_id` is a number for the
// client: it counts the client's share of the questions, and if that is used up the answer is RESOLVE_TOO_MANY. The caller
// owns the query until resolver_cancel. Answers from the host table and the cache are there at once. NULL without memory,
// or if the name is empty or too long.
struct resolver_query *resolver_submit(struct resolver *resolver, struct slice name,
                                       uint64_t holder_id, resolver_callback callback,
                                       void *arg) MUST_USE;

// resolver_query_read writes what is known now.
void resolver_query_read(const struct resolver_query *query, struct resolver_answer *out);

// resolver_cancel frees the query. Its callback is not called again. NULL is allowed.
void resolver_cancel(struct resolver_query *query);

// place_answer is what DNS says about a service.
struct place_answer {
    enum resolve_result result;
    int64_t keep_ms;             // how long it may be kept, within the bounds of the options
    const struct srv_list *list; // borrowed from the query; with RESOLVE_OK
};

// resolver_ask_places asks DNS for the places of a service, again each time: the caller keeps what it hears. The caller owns the
// query until place_query_cancel. `callback` is called once, from the loop, never from within, and may cancel the query; then
// place_query_read gives the answer. NULL without memory, or if the name is empty or too long.
struct place_query *resolver_ask_places(struct resolver *resolver, struct slice name,
                                        resolver_callback callback, void *arg) MUST_USE;

// place_query_read writes the answer, once there is one.
void place_query_read(const struct place_query *query, struct place_answer *out);

// place_query_cancel frees the query. Its callback is not called again. NULL is allowed.
void place_query_cancel(struct place_query *query);

// resolver_questions gives the number of questions put to DNS. Those that the cache answered, or that shared one under way,
// are not among them.
uint64_t resolver_questions(const struct resolver *resolver);
