// killing: what is said of a kill, when the workers have answered.
//
// Pure. It is the same for one proxy and for each of a fleet.
#pragma once

#include "auth/policy.h"
#include "proxy/session/scan.h"

// killing_say makes the sentence about what was killed. False: nothing has this id, or nobody this name.
bool killing_say(const struct policy *policy, const struct scan *sum, struct errinfo *out);
