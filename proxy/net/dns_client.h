// dns_client: puts one question to DNS servers until one of them gives an answer. The only user of c-ares.
//
// One a worker, used on that worker's thread. Servers are asked in their order, by UDP, and by TCP where the answer
// does not fit; one that has been silent is asked last for a while. A name is asked as it is: no search list, no
// hosts file, nothing from the environment. Knows no cache; a question that is put twice is sent twice.
#pragma once

#include <ev.h>

#include "proxy/net/dns_answer.h"
#include "proxy/net/resolver_options.h"

enum { DNS_SILENT_MS = 10 * 1000 }; // for so long a server that did not answer is asked last

struct dns_client;

// dns_callback gets the answer, borrowed for the call. It may be called from within dns_client_ask, and may ask
// itself.
typedef void (*dns_callback)(void *arg, const struct dns_answer *answer);

// dns_client_global_init and dns_client_global_deinit prepare the library: once a process, in main, before the
// first and after the last client.
enum err dns_client_global_init(void) MUST_USE;
void dns_client_global_deinit(void);

// dns_client_create makes a client on `loop` for the servers of `options`. ERR_SYSTEM with a sentence when it cannot.
enum err dns_client_create(struct ev_loop *loop, const struct resolver_options *options,
                           struct dns_client **out, struct errinfo *info) MUST_USE;

// dns_client_destroy drops all questions without calling back. NULL is allowed.
void dns_client_destroy(struct dns_client *client);

// dns_client_ask asks for `type` of `name` (canonical text without final dot, of at most DNS_NAME_MAX bytes);
// `callback` is called once. ERR_MEMORY: never.
enum err dns_client_ask(struct dns_client *client, struct slice name, enum dns_type type,
                        dns_callback callback, void *arg) MUST_USE;
