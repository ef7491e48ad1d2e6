// dns_client: sends a question to DNS servers until one of them answers. The only user of c-ares.
//
// One for each worker, used on its thread. Servers are asked in their order, by UDP, and by TCP if the answer does not
// fit. A server that did not answer is asked last for a while. A name is asked as it is: no search list, no hosts file,
// nothing from the environment. Knows no cache: a question that is asked twice is sent twice.
#pragma once

#include <ev.h>

#include "proxy/net/dns_answer.h"
#include "proxy/net/resolver_options.h"

enum { DNS_SILENT_MS = 10 * 1000 }; // for so long a server that did not answer is asked last

struct dns_client;

// dns_question is one question under way. Embedded by its owner, who sets `name` and `type`; the other fields are
// private to dns_client.c.
struct dns_question {
    char name[DNS_NAME_MAX + 1]; // canonical, without a final dot
    enum dns_type type;
    struct dns_client *client;        // borrowed
    struct upstream *asked;           // borrowed; the server that is asked now
    uint8_t tried[DNS_MAX_SERVERS];   // how often; `tries`: used up
    bool has_lacked_memory;           // at some try
    enum resolve_result worst_result; // TIMED_OUT until a server has failed in another way
};

// dns_answer_function gets the answer, borrowed for the call, and the question back. It may be called from within
// dns_client_ask, and may ask itself.
typedef void dns_answer_function(struct dns_question *question, const struct dns_answer *answer);

// dns_client_global_init and dns_client_global_deinit prepare and release the library. main calls them once, before the
// first client and after the last one.
enum err dns_client_global_init(void) MUST_USE;
void dns_client_global_deinit(void);

// dns_client_create makes a client on `loop` for the servers of `options`. ERR_MEMORY or ERR_SYSTEM with a sentence.
enum err dns_client_create(struct ev_loop *loop, const struct resolver_options *options,
                           dns_answer_function *on_answer, struct dns_client **out,
                           struct errinfo *info) MUST_USE;

// dns_client_destroy drops all questions without calling back. NULL is allowed.
void dns_client_destroy(struct dns_client *client);

// dns_client_ask asks `question`, which stays where it is until the answer or dns_client_destroy. on_answer is called once.
void dns_client_ask(struct dns_client *client, struct dns_question *question);
