// retirement: the life of a process whose place another one has taken: it accepts nothing more, and goes on with its tunnels
// under the orders of that one, until the last has ended.
//
// On main's loop. Files that change it reads by itself, as before.
#pragma once

#include <ev.h>

#include "proxy/handover/handover_link.h"

struct service;

struct retirement;

// retirement_create begins to obey, and takes the link over. NULL without memory.
struct retirement *retirement_create(struct service *service, struct handover_link *link) MUST_USE;

// retirement_be_led has nothing come into force from now on but what the process that serves says it has, and what takes trust
// away: that one asks.
void retirement_be_led(struct service *service);

// retirement_is_settled tells whether nobody accepts here any more, and this process goes by the configuration of the one that
// serves, or cannot: then `*out_why` is a sentence, and NULL otherwise. True after 10 s in any case. A loop that waits is woken.
bool retirement_is_settled(const struct retirement *retirement, const char **out_why) MUST_USE;

// retirement_tell_end tells the other process how many requests were cut, as the last word. NULL is allowed.
void retirement_tell_end(const struct retirement *retirement, uint64_t cut_count);

// retirement_destroy frees it. NULL is allowed.
void retirement_destroy(struct retirement *retirement);
