// fleet_doing: does here what an order says, and has the result in a sentence.
//
// On main's loop.
#pragma once

#include "proxy/fleet/fleet_orders.h"
#include "proxy/service/state.h"

// fleet_done_function is told what has come of it. It is called once, perhaps before fleet_do returns.
typedef void fleet_done_function(void *arg, enum fleet_result result, const char *message);

// fleet_doing is one that is under way, in the caller's storage. Its fields are private to fleet_doing.c.
struct fleet_doing {
    struct service *service; // borrowed
    char argument[FLEET_ORDER_ARGUMENT_CAP];
    fleet_done_function *done;
    void *arg; // borrowed
};

// fleet_do does it. `doing` and `arg` are borrowed until `done` was called, or the process's survey was stopped.
void fleet_do(struct fleet_doing *doing, struct service *service, enum fleet_verb verb,
              const char *argument, fleet_done_function *done, void *arg);

// fleet_do_is_good tells whether an argument can be obeyed at all; otherwise a sentence is in `info`.
bool fleet_do_is_good(enum fleet_verb verb, const char *argument, struct errinfo *info);
