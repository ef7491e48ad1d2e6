// fleet_greeting: whether what is in the store is sealed by the key of this fleet, so that parts may go by it.
//
// On main's loop. Something sealed stands there under `key`. Where it does not open, another fleet uses the same prefix, or somebody
// has put it there: one who has never been right here shares nothing then, and writes nothing. Where the store is empty, the one that
// comes first writes it; but for FLEET_FRESH_MS nobody trusts that emptiness who knows nothing of this fleet by its own file of state: the
// others are given time to put back what they know. Knows no part.
#pragma once

#include "proxy/service/fleet_store.h"

enum { FLEET_FRESH_MS = 3000 }; // for how long a store counts as one that was empty a moment ago

enum fleet_trust {
    FLEET_UNASKED, // or not answered yet
    FLEET_FRESH,   // the store was empty a moment ago: it may be that others have not come yet
    FLEET_OURS,
    FLEET_FOREIGN,
};

struct fleet_greeting;

// fleet_greeting_create makes one that has asked nothing; NULL without memory. `store` is borrowed. `on_change` is called from the loop
// when the trust has changed. _destroy allows NULL.
struct fleet_greeting *fleet_greeting_create(struct fleet_store *store,
                                             void (*on_change)(void *owner), void *owner) MUST_USE;
void fleet_greeting_destroy(struct fleet_greeting *greeting);

// fleet_greeting_ask asks, now or with the next beat. fleet_greeting_on_lost: the store does not answer any more.
// fleet_greeting_on_beat: it has answered a beat, and has known us before it, or not: then it may have lost everything. Where there are no
// beats, or none that are answered with sense, it is called as often.
void fleet_greeting_ask(struct fleet_greeting *greeting);
void fleet_greeting_on_lost(struct fleet_greeting *greeting);
void fleet_greeting_on_beat(struct fleet_greeting *greeting, bool was_known);

// fleet_greeting_on_key: the secrets that seal are others, of the same fleet.
void fleet_greeting_on_key(struct fleet_greeting *greeting);

// fleet_greeting_forget: it is another store, or another fleet.
void fleet_greeting_forget(struct fleet_greeting *greeting);

enum fleet_trust fleet_greeting_trust(const struct fleet_greeting *greeting);

// fleet_greeting_problem gives the sentence about what is wrong; NULL: nothing. It lives until the trust changes.
const char *fleet_greeting_problem(const struct fleet_greeting *greeting);
