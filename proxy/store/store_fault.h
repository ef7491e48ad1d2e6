// store_fault: what an error of a Valkey or Redis server means for us. Pure.
#pragma once

#include "auth/base/text.h"
#include "proxy/store/resp.h"

// store_fault_ends tells whether the connection that has answered so is of no more use: the server is no master any more, does
// not know us, or has no data yet.
bool store_fault_ends(const struct resp *error);

// store_fault_is_ours tells whether it is no fault: a script of ours answers so where the proxy has not been heard of for a while.
bool store_fault_is_ours(const struct resp *error);

// store_fault_append writes the sentence about an error of the server: what is wrong, and what to do.
void store_fault_append(struct text *out, const struct resp *error);
