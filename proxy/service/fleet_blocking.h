// fleet_blocking: the blocks of this proxy and those of the others, by the store: compared, taken, given, repaired.
//
// On main's loop. What is blocked here holds here at once; the store gets it when it can. What the store has less, older or not
// sealed by us changes nothing, is repaired, and is said loudly.
#pragma once

#include "auth/base/text.h"
#include "proxy/metrics/exposition.h"
#include "proxy/service/fleet_presence.h"

struct fleet_blocking;

// fleet_blocking_create makes one that has compared nothing; NULL without memory. `store` and `presence` are borrowed. _destroy allows NULL.
struct fleet_blocking *fleet_blocking_create(struct fleet_store *store,
                                             struct fleet_presence *presence) MUST_USE;
void fleet_blocking_destroy(struct fleet_blocking *blocking);

// fleet_blocking_on_ready begins to compare: the store answers, or does so again.
void fleet_blocking_on_ready(struct fleet_blocking *blocking);

// fleet_blocking_on_lost forgets what was under way.
void fleet_blocking_on_lost(struct fleet_blocking *blocking);

// fleet_blocking_forget: nothing was compared yet; another store may come, or none.
void fleet_blocking_forget(struct fleet_blocking *blocking);

// fleet_blocking_on_key: the secrets are others, of the same fleet: what the first one does not seal is sealed again.
void fleet_blocking_on_key(struct fleet_blocking *blocking);

// fleet_blocking_news is what a beat tells of the store's blocks.
struct fleet_blocking_news {
    int64_t revision;
    int64_t count; // of entries
    bool is_lost;  // the store did not know this instance: it may have lost everything
};

// fleet_blocking_on_beat compares when the store says something else than at the last comparison, or that is long ago.
// fleet_blocking_on_deaf: a beat has told nothing; so it compares by time alone, and more often.
void fleet_blocking_on_beat(struct fleet_blocking *blocking, struct fleet_blocking_news news);
void fleet_blocking_on_deaf(struct fleet_blocking *blocking);

// fleet_blocking_push gives the store what was just changed here.
void fleet_blocking_push(struct fleet_blocking *blocking);

// fleet_blocking_obstacle says in half a sentence what keeps a word from the store that is ready; static memory or the object's.
const char *fleet_blocking_obstacle(const struct fleet_blocking *blocking);

// fleet_blocking_has_compared tells whether all was compared since the store became ready for the first time, and is in force here,
// as far as it was taken; fleet_store_is_kept tells for ever afterwards that it is known who is blocked. A proxy that knows nothing of this fleet by its own file does not take it from a store in which something does not
// open, or which has fewer blocks than another proxy says that there are.
bool fleet_blocking_has_compared(const struct fleet_blocking *blocking);

// fleet_blocking_status adds members of an object to `out`; fleet_blocking_metrics families, without samples for NULL.
void fleet_blocking_status(const struct fleet_blocking *blocking, struct text *out);
void fleet_blocking_metrics(const struct fleet_blocking *blocking, struct exposition *out);

// fleet_blocking_alarm gives what is wrong with the store's blocks since the last comparison; static memory or the object's; NULL: nothing is.
const char *fleet_blocking_alarm(const struct fleet_blocking *blocking);
