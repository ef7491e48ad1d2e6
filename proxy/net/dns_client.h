// dns_client: sends a question to DNS servers until one of them answers.
//
// One for each worker, used on its thread. Servers are asked in their order, each in its own way: by dns_channel or, where
// TLS is demanded, by dns_link and in no other way. A server that did not answer is asked last for a while. A name is asked as it is: no search list, no hosts file,
// nothing from the environment. Knows no cache: a question that is asked twice is sent twice.
#pragma once

#include <ev.h>

#include "proxy/net/dns_question.h"

enum { DNS_SILENT_MS = 10 * 1000 }; // for so long a server that did not answer is asked last

struct dns_client;

// dns_answer_function gets the answer, borrowed for the call, and the question back. It may be called from within
// dns_client_ask, and may ask itself.
typedef void dns_answer_function(struct dns_question *question, const struct dns_answer *answer);

// dns_client_create makes a client on `loop` for the servers of `options`. ERR_MEMORY or ERR_SYSTEM with a sentence.
enum err dns_client_create(struct ev_loop *loop, const struct resolver_options *options,
                           dns_answer_function *on_answer, struct dns_client **out,
                           struct errinfo *info) MUST_USE;

// dns_client_destroy drops all questions without calling back. NULL is allowed.
void dns_client_destroy(struct dns_client *client);

// dns_client_ask asks `question`, which stays where it is until the answer or dns_client_destroy. on_answer is called once.
void dns_client_ask(struct dns_client *client, struct dns_question *question);
