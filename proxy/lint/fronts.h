// fronts: domains under which anybody can have a name: content delivery networks, storage, hosting. Pure.
//
// It helps where the list of public suffixes does not say so, or is not on this machine. It is no complete list, and
// nothing is decided by it.
#pragma once

#include <stdbool.h>

#include "auth/base/slice.h"

// front_is_shared tells whether names under `name` (canonical, without `*.`) are had by anybody: `name` is a shared
// front, a part of one, or a domain that contains one.
bool front_is_shared(struct slice name);
