// resolver: names to addresses, without blocking: from the host table, from the cache, or by asking DNS.
//
// One a worker, used on that worker's thread. A name is asked as it is, absolute. `localhost` and names
// below it are the loopback addresses without a question (RFC 6761 6.3), unless the host table has them. IPv6 and
// IPv4 are asked at once, and each is told when it is there. Questions that are under way already are joined.
// Literals must never come here.
#pragma once

#include <ev.h>

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

// resolver_answer is what is known so far.
struct resolver_answer {
    enum resolve_result
        result;       // RESOLVE_OK as soon as there is an address; else final only with is_complete
    bool is_complete; // nothing more will come
    bool has_preferred; // the family that is preferred is there, with at least one address
    size_t count;
    struct ip_addr addresses[RESOLVER_MAX_ADDRESSES]; // families in turns, the preferred one first
    struct dns_aliases aliases;
};

// resolver_callback is called when more is known: once for each family at most, from the loop, never from within
// resolver_submit.
typedef void (*resolver_callback)(void *arg);

// resolver_create makes a resolver on `loop`, with a reference of its own to the hosts of `options`;
// dns_client_global_init has been called. ERR_SYSTEM or ERR_MEMORY with
// a sentence when it cannot.
enum err resolver_create(struct ev_loop *loop, const struct resolver_options *options,
                         struct resolver **out, struct errinfo *info) MUST_USE;

// resolver_destroy drops all questions without calling back. All queries have been cancelled. NULL is allowed.
void resolver_destroy(struct resolver *resolver);

// resolver_retire has the resolver free itself when its last query has been cancelled; until then it answers. Nothing more
// may be asked of it.
void resolver_retire(struct resolver *resolver);

// resolver_is_idle tells whether there is no query.
bool resolver_is_idle(const struct resolver *resolver);

// resolver_submit asks for the addresses of `name` (canonical text without final dot) on behalf of `holder_id`, any number
// that stands for a client: its share of the questions is counted by it, and where that is used up the answer is
// RESOLVE_CROWDED. The query is the caller's until resolver_cancel. What the host table and the cache know is there
// at once. NULL when there is no memory, or the name is too long to be one.
struct resolver_query *resolver_submit(struct resolver *resolver, struct slice name,
                                       uint64_t holder_id, resolver_callback callback,
                                       void *arg) MUST_USE;

// resolver_query_read gives what is known now.
void resolver_query_read(const struct resolver_query *query, struct resolver_answer *out);

// resolver_cancel frees the query; its callback is not called any more. NULL is allowed.
void resolver_cancel(struct resolver_query *query);

// resolver_questions tells how many questions have been put to DNS: what the cache and joining have spared is not
// among them.
uint64_t resolver_questions(const struct resolver *resolver);
