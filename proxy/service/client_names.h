// client_names: names of clients that an operator has typed, and what to say of one that nobody has.
#pragma once

#include "auth/policy.h"

// client_names_find tells whether a client of the configuration has this name, or can have an account of this name;
// `*out_nearest` is a name of a client that is written much like it, borrowed from the policy, or NULL.
bool client_names_find(const struct policy *policy, const char *name, const char **out_nearest);

// client_names_say_unknown makes the sentence about a name that nobody has, with `after` at its end.
void client_names_say_unknown(const char *name, const char *nearest, const char *after,
                              struct errinfo *out);
