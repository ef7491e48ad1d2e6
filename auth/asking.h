// asking: which of the addresses that the policy admits a request goes for, and because of which rule the authorizer is asked
// about it (`ask: true`).
//
// A request takes one way, that of the first address that is admitted, and asks one question, because of one rule. What would
// need another way or another question is not dialled. Pure.
#pragma once

#include "auth/policy.h"

// asking_find gives the candidate because of which the authorizer is asked; NULL: nobody is asked. The candidates are as
// policy_decide_addresses has left them.
const struct candidate *asking_find(const struct candidate *candidates, size_t count);

// asking_takes_way tells whether a candidate is admitted, and is reached on the way that the request takes.
bool asking_takes_way(const struct candidate *candidates, size_t count,
                      const struct candidate *candidate);

// asking_is_dialled tells whether a request may dial this candidate, once the authorizer has said yes where it is asked.
bool asking_is_dialled(const struct candidate *candidates, size_t count,
                       const struct candidate *candidate);
