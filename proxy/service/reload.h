// reload: brings new configurations, what takes trust away, and blocks into force while everything runs.
//
// All on main's loop. proxy/service/rollout.h has the order of it.
#pragma once

#include "proxy/service/state.h"

// reload_start makes the wakeups, the timer, the watcher and the horizon on the service's loop. False with errno set; then
// only reload_stop may follow.
bool reload_start(struct service *service) MUST_USE;

// reload_stop waits for a load that nobody wants any more, and frees what reload_start has made. The loop is still
// there; the workers have ended.
void reload_stop(struct service *service);

// reload_refusal tells why nobody may ask for a reload of everything; static memory. NULL: it is allowed.
const char *reload_refusal(const struct service *service);

// reload_request begins a reload, or notes that there has to be another one after the one under way. Gives the number
// that reloads.done will have reached when it is over. While the process stops only what takes trust away is read.
uint64_t reload_request(struct service *service, enum loader_scope scope);

// reload_take reads what takes trust away, also what the configuration file denies.
void reload_take(struct service *service);

// reload_revise brings service->blocks into force, at once or when the workers have adopted what they are adopting.
// Gives the generation with which they are: rollout.adopted_generation reaches it, or rollout.missed_generation when a
// worker has no memory for it. Then it is tried twice a second until each has them.
uint64_t reload_revise(struct service *service);

// reload_watch_files watches what the snapshot in force was made of.
void reload_watch_files(struct service *service);
