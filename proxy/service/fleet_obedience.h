// fleet_obedience: orders of other proxies: heard by the store, judged, done here, and answered.
//
// On main's loop.
#pragma once

#include "proxy/fleet/fleet_orders.h"
#include "proxy/metrics/exposition.h"
#include "proxy/service/fleet_store.h"

struct fleet_obedience;

// fleet_obedience_create makes one that has heard nothing; NULL without memory. `store` is borrowed. _destroy allows NULL; the
// process's survey was stopped before.
struct fleet_obedience *fleet_obedience_create(struct fleet_store *store) MUST_USE;
void fleet_obedience_destroy(struct fleet_obedience *obedience);

// fleet_obedience_on_lost and _on_beat: the store does not answer any more; it has answered a beat, and the last
// order there has this number.
void fleet_obedience_on_lost(struct fleet_obedience *obedience);
void fleet_obedience_on_beat(struct fleet_obedience *obedience, int64_t order_count);

// fleet_obedience_on_deaf reads the orders: a beat has told nothing.
void fleet_obedience_on_deaf(struct fleet_obedience *obedience);

// fleet_obedience_metrics adds a family; without samples where it is NULL, so nothing is shared.
void fleet_obedience_metrics(const struct fleet_obedience *obedience, struct exposition *out);
