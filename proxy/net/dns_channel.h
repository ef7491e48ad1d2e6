// dns_channel: asks one DNS server by UDP, and by TCP if the answer does not fit. The only user of c-ares.
//
// Used on one thread. A question is sent once. The source port is new whenever no other question is under way, for a forger
// has to guess it; only to a server on loopback, where nobody can forge, the socket stays.
#pragma once

#include <ev.h>

#include "proxy/net/dns_question.h"

struct dns_channel;

// dns_channel_global_init and dns_channel_global_deinit prepare and release the library. main calls them once, before the
// first channel and after the last one.
enum err dns_channel_global_init(void) MUST_USE;
void dns_channel_global_deinit(void);

// dns_channel_create makes a channel to `server` on `loop`; a try ends after `timeout_ms`. NULL where the library cannot.
struct dns_channel *dns_channel_create(struct ev_loop *loop, const struct dns_server *server,
                                       int64_t timeout_ms, dns_reply_function *on_reply) MUST_USE;

// dns_channel_destroy drops all questions without calling back. NULL is allowed.
void dns_channel_destroy(struct dns_channel *channel);

// dns_channel_ask sends `question`. The reply may come from within the call.
void dns_channel_ask(struct dns_channel *channel, struct dns_question *question);
