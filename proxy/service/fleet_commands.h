// fleet_commands: orders to other proxies: kill and drain. Who was told, and what they have answered.
//
// On main's loop. An order of ours goes to the instances that are known when it is given, each of which does it once. One of
// ours that means this process too is done here last, without the store.
#pragma once

#include "auth/base/text.h"
#include "proxy/fleet/fleet_orders.h"
#include "proxy/service/fleet_obedience.h"
#include "proxy/service/fleet_presence.h"

struct fleet_commands;

// fleet_commands_create makes one without orders; NULL without memory. Both are borrowed. _destroy allows NULL.
struct fleet_commands *fleet_commands_create(struct fleet_store *store,
                                             struct fleet_presence *presence) MUST_USE;
void fleet_commands_destroy(struct fleet_commands *commands);

// fleet_commands_on_lost: the store does not answer any more.
void fleet_commands_on_lost(struct fleet_commands *commands);

// fleet_commands_issue gives an order. `only`: the beginning of one instance, or "" for all. `*out_number` is its number here.
// ERR_INPUT, ERR_AGAIN or ERR_SYSTEM with a sentence.
enum err fleet_commands_issue(struct fleet_commands *commands, enum fleet_verb verb,
                              const char *argument, const char *only, uint32_t uid,
                              uint64_t *out_number, struct errinfo *info) MUST_USE;

// fleet_commands_result is what has become of an order of ours.
struct fleet_commands_result {
    bool is_over; // all have answered, or the time for it is over
    bool is_good; // all have done it
    struct errinfo message;
};

// fleet_commands_look tells it. When it is over, the answers are added to `out` as a line of JSON, and the order is forgotten.
struct fleet_commands_result fleet_commands_look(struct fleet_commands *commands, uint64_t number,
                                                 struct text *out);
