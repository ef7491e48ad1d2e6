// fleet_presence: what this proxy says of itself in the store, and what the others say of themselves.
//
// On main's loop.
#pragma once

#include "proxy/fleet/members.h"
#include "proxy/metrics/exposition.h"
#include "proxy/service/fleet_store.h"

struct fleet_presence;

// fleet_presence_create makes one that knows nobody; NULL without memory. `store` is borrowed. _destroy allows NULL.
struct fleet_presence *fleet_presence_create(struct fleet_store *store) MUST_USE;
void fleet_presence_destroy(struct fleet_presence *presence);

// fleet_presence_on_ready, _on_lost and _on_beat: the store answers, does not any more, has answered a beat.
void fleet_presence_on_ready(struct fleet_presence *presence);
void fleet_presence_on_lost(struct fleet_presence *presence);
void fleet_presence_on_beat(struct fleet_presence *presence);

// fleet_presence_ask has the others be read again soon, and gives the number that fleet_presence_done reaches when they were.
uint64_t fleet_presence_ask(struct fleet_presence *presence);
uint64_t fleet_presence_done(const struct fleet_presence *presence);

// fleet_presence_counted likewise gives the number of the last time when, beside that, what is said of this process was counted again.
uint64_t fleet_presence_counted(const struct fleet_presence *presence);

// fleet_presence_has_read tells whether all were read since the store became ready.
bool fleet_presence_has_read(const struct fleet_presence *presence);

// fleet_presence_members gives those that are known, this one among them; borrowed.
const struct members *fleet_presence_members(const struct fleet_presence *presence);

// fleet_presence_differs tells whether configurations have differed for longer than a minute.
bool fleet_presence_differs(const struct fleet_presence *presence);

// fleet_presence_metrics adds families; without samples where it is NULL, so nothing is shared.
void fleet_presence_metrics(const struct fleet_presence *presence, struct exposition *out);

// fleet_presence_status adds members of an object to `out`; `with_members`: also the array of all.
void fleet_presence_status(const struct fleet_presence *presence, bool with_members,
                           struct text *out);
