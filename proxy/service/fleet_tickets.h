// fleet_tickets: the secrets of session tickets that the proxies share by the store, so that a ticket of one is good at all.
//
// On main's loop. Where a file has the secrets (`tls.tickets.file`), the store's are not used.
#pragma once

#include "auth/base/text.h"
#include "proxy/service/fleet_store.h"

struct fleet_tickets;

// fleet_tickets_create makes one that has no secrets; NULL without memory. `store` is borrowed. _destroy allows NULL.
struct fleet_tickets *fleet_tickets_create(struct fleet_store *store) MUST_USE;
void fleet_tickets_destroy(struct fleet_tickets *tickets);

// fleet_tickets_on_ready, _on_lost and _on_beat: the store answers, does not any more, has answered a beat.
void fleet_tickets_on_ready(struct fleet_tickets *tickets);
void fleet_tickets_on_lost(struct fleet_tickets *tickets);
void fleet_tickets_on_beat(struct fleet_tickets *tickets);

// fleet_tickets_on_key: the secrets that seal are others, of the same fleet.
void fleet_tickets_on_key(struct fleet_tickets *tickets);

// fleet_tickets_forget forgets the secrets: it is another fleet.
void fleet_tickets_forget(struct fleet_tickets *tickets);

// fleet_tickets_newest gives the highest number that this proxy has taken in this fleet, also before a restart; 0: none. What is kept
// of it (block_state.h) is of the fleet whose mark is kept.
uint64_t fleet_tickets_newest(const struct fleet_tickets *tickets);

// fleet_tickets_apply has the process's ticket keys go by `snapshot` and, where no file has secrets, by those of the store.
void fleet_tickets_apply(struct fleet_tickets *tickets, const struct snapshot *snapshot);

// fleet_tickets_write writes the set in use, for another process; nothing where there is none. The caller wipes it.
void fleet_tickets_write(const struct fleet_tickets *tickets, struct text *out);

// fleet_tickets_inherit goes by a set that another process has written, unless it is of another fleet, or older than one that was
// taken before.
void fleet_tickets_inherit(struct fleet_tickets *tickets, struct slice written);

// fleet_tickets_has_any tells whether there are secrets, or none are wanted.
bool fleet_tickets_has_any(const struct fleet_tickets *tickets);

// fleet_tickets_status adds members of an object to `out`.
void fleet_tickets_status(const struct fleet_tickets *tickets, struct text *out);
