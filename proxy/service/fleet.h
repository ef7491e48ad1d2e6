// fleet: this process as one of several proxies that share a store: the link to it, its beat, and the parts in their order.
//
// On main's loop. The process has one connection to the store. Where nothing is shared, all of this does nothing. Made with the
// process and kept until its end, whatever the configuration says meanwhile.
#pragma once

#include "auth/base/text.h"
#include "proxy/metrics/exposition.h"
#include "proxy/service/fleet_commands.h"
#include "proxy/service/state.h"

struct fleet;

// fleet_create makes it, with the configuration in force, and begins to connect. ERR_MEMORY or ERR_SYSTEM. _destroy allows NULL; the
// process's survey was stopped before.
enum err fleet_create(struct service *service, const struct fleet_events *events,
                      struct fleet **out, struct errinfo *info) MUST_USE;
void fleet_destroy(struct fleet *fleet);

// fleet_await waits, on the loop, until all that a start needs was read from the store, or `patience_ms` are over. Afterwards it is
// settled whether it is known who is blocked. Before the workers run.
void fleet_await(struct fleet *fleet, int64_t patience_ms);

// fleet_adopt goes by `snapshot` from now on, before it is handed to workers: so it may say that it is not known who is blocked.
void fleet_adopt(struct fleet *fleet, const struct snapshot *snapshot);

// fleet_leave leaves blocks, orders, tickets and the file of state to the process that serves now, or is about to. fleet_return
// undoes it: that process does not serve. fleet_has_left tells whether it is so. NULL is a fleet that has not left.
void fleet_leave(struct fleet *fleet);
void fleet_return(struct fleet *fleet);
bool fleet_has_left(const struct fleet *fleet);

// fleet_go_alone: the process that fleet_leave has left all to is gone. From now on this one goes by the blocks of the store, beside those that
// it goes by already, and hears orders. On blocks it writes nothing there, for what it was told has no versions. NULL does nothing.
void fleet_go_alone(struct fleet *fleet);

// For all of these NULL is a fleet that shares nothing.

// fleet_is_shared tells whether something is shared.
bool fleet_is_shared(const struct fleet *fleet);

// fleet_instance gives the name of this process in the fleet; it lives as long as `fleet`.
const char *fleet_instance(const struct fleet *fleet);

// fleet_silence says in half a sentence why the other proxies hear nothing now; NULL: they do, or nothing is shared.
const char *fleet_silence(const struct fleet *fleet);

// fleet_obstacle says in half a sentence what keeps a word on a block from the store, where there is no silence.
const char *fleet_obstacle(const struct fleet *fleet);

// fleet_push gives the store what was just changed in the blocks here.
void fleet_push(struct fleet *fleet);

// fleet_note_compared notes that all blocks were compared with the store, which is kept beyond a restart.
void fleet_note_compared(struct fleet *fleet);

// fleet_write_tickets writes the ticket secrets that are shared, for the process that comes after this one; nothing where there are
// none. The caller wipes them. fleet_inherit_tickets goes by what the process before has written, until the store has said more:
// only where what is kept is of this fleet. `fleet` may be NULL for the first.
void fleet_write_tickets(const struct fleet *fleet, struct text *out);
void fleet_inherit_tickets(struct fleet *fleet, struct slice written);

// fleet_apply_tickets has the ticket keys go by `snapshot`, and by the store's secrets where it wants them.
void fleet_apply_tickets(struct fleet *fleet, const struct snapshot *snapshot);

// fleet_ask and fleet_answered: the members are read again; the number of the reading, and that of the last one that is done.
uint64_t fleet_ask(struct fleet *fleet);
uint64_t fleet_answered(const struct fleet *fleet);

// fleet_commands_of gives the part for orders, also where nothing is shared any more; NULL only for NULL.
struct fleet_commands *fleet_commands_of(struct fleet *fleet);

// fleet_is_ready tells whether new clients can be served, and adds a line to `out` for each reason why not.
bool fleet_is_ready(const struct fleet *fleet, struct text *out);

// fleet_status adds the member `fleet`, null where nothing is shared; `with_members` also who is there. fleet_metrics adds
// families.
void fleet_status(const struct fleet *fleet, bool with_members, struct text *out);
void fleet_metrics(const struct fleet *fleet, struct exposition *out);
