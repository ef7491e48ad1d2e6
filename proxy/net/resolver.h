// resolver: names to addresses through DNS, without blocking. The only user of c-ares.
//
// One a worker, used on that worker's thread. A name is asked as it is, absolute: no search list, no
// hosts file (unless told so), nothing from the environment. `localhost` and names below it are the loopback addresses
// without a question (RFC 6761 6.3). Literals must never come here.
#pragma once

#include <ev.h>

#include "auth/ipaddr.h"

enum { RESOLVER_MAX_ADDRESSES = 32 };

enum resolve_result {
    RESOLVE_OK,        // at least one address
    RESOLVE_NOT_FOUND, // the name does not exist
    RESOLVE_NO_DATA,   // it exists and has no address
    RESOLVE_TIMED_OUT, // no server answered
    RESOLVE_FAILED,    // servers answered with a failure, or not at all sensibly
};

// resolve_result_name gives a stable snake_case name; static memory.
const char *resolve_result_name(enum resolve_result result);

struct resolver_server {
    struct ip_addr address;
    uint16_t port;
};

struct resolver_options {
    const struct resolver_server *servers; // borrowed for the call
    size_t server_count;                   // 0: the system's, from /etc/resolv.conf
    int64_t timeout_ms;                    // of one try at one server
    uint32_t tries;                        // at each server
    bool reads_hosts_file;                 // first; for the client's side, as its other programs do
};

struct resolver;
struct resolver_query; // a token: valid until its callback has been called or it is cancelled

// resolver_callback gets the addresses, IPv6 and IPv4 in turns, borrowed for the call. Called once,
// from the loop, never from within resolver_submit.
typedef void (*resolver_callback)(void *arg, enum resolve_result result,
                                  const struct ip_addr *addresses, size_t count);

// resolver_global_init and resolver_global_deinit prepare the library: once a process, in main, before
// the first and after the last resolver.
enum err resolver_global_init(void) MUST_USE;
void resolver_global_deinit(void);

// resolver_create makes a resolver on `loop`. ERR_SYSTEM with a sentence when it cannot.
enum err resolver_create(struct ev_loop *loop, const struct resolver_options *options,
                         struct resolver **out, struct errinfo *info) MUST_USE;

// resolver_destroy drops all questions without calling back. NULL is allowed.
void resolver_destroy(struct resolver *resolver);

// resolver_is_idle tells whether no question is open or undelivered.
bool resolver_is_idle(const struct resolver *resolver);

// resolver_submit asks for the addresses of `name` (canonical text without final dot). NULL when there
// is no memory.
struct resolver_query *resolver_submit(struct resolver *resolver, struct slice name,
                                       resolver_callback callback, void *arg) MUST_USE;

// resolver_cancel makes sure that the callback is not called. NULL is allowed.
void resolver_cancel(struct resolver_query *query);
