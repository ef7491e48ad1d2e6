// store_role: the answers of the store and of its Sentinels about who is the master. Pure.
#pragma once

#include "auth/target.h"
#include "proxy/store/resp.h"

// store_role_is_master tells whether an answer to ROLE is a master's.
bool store_role_is_master(const struct resp *answer);

// store_role_read_master reads a Sentinel's answer to `SENTINEL get-master-addr-by-name`: a host and a port. False: it knows
// none, or says something else.
bool store_role_read_master(const struct resp *answer, struct target *out);
