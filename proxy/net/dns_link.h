// dns_link: asks one DNS server over a secured connection and in no other way (RFC 7858; strict, RFC 8310 5).
//
// One connection, opened by the first question and closed when none has been asked for a while. Questions follow each other
// without waiting (RFC 7766 6.2.1.1), and answers come in any order. The log says once why a server
// cannot be asked. Used on one thread.
#pragma once

#include <ev.h>

#include "proxy/net/dns_question.h"

enum {
    // Questions that the server has not answered; further ones wait here. As many as a resolver puts at once, so that names
    // that nobody answers hold up no others. A power of two.
    DNS_LINK_SLOTS = 4096,
    DNS_LINK_IDLE_MS = 10 * 1000, // a connection without a question is closed after this
};

struct dns_link;

// dns_link_create makes a link to `server`, which has a guard; a question is given up after `timeout_ms`, the time for the
// connection included. Takes a reference to the guard. NULL without memory.
struct dns_link *dns_link_create(struct ev_loop *loop, const struct dns_server *server,
                                 int64_t timeout_ms, dns_reply_function *on_reply) MUST_USE;

// dns_link_destroy drops all questions without calling back. NULL is allowed.
void dns_link_destroy(struct dns_link *link);

// dns_link_ask sends `question`. The reply comes from the loop, never from within the call.
void dns_link_ask(struct dns_link *link, struct dns_question *question);
