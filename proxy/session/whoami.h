// whoami: what the proxy says about itself: http://sallyport.internal/whoami tells a client who it is here, whether or
// not an entry of the config fits its certificate. The name and those below it are never resolved or dialled.
#pragma once

#include "proxy/session/peer.h"
#include "proxy/session/request.h"

enum { WHOAMI_CAP = 24 * 1024 }; // bytes, enough for every page

// whoami_is_for tells whether a target is the proxy's own name, or below it.
bool whoami_is_for(const struct target *target);

// whoami_decide tells whether the request is answered: go, or refuse.
struct verdict whoami_decide(const struct peer *peer, const struct request *request);

// whoami_append appends the page, a JSON object. `id` is the exchange's.
void whoami_append(const struct peer *peer, const char *id, struct text *out);
