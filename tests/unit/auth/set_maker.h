// set_maker: sets for tests, from text. What is no pattern or prefix fails the test.
#pragma once

#include "auth/policy.h"

// make_hosts compiles patterns written `a.example,*.b.example`.
struct host_sets make_hosts(struct arena *arena, const char *patterns);

// make_addresses compiles prefixes, and `public`, written with commas between them.
struct ip_sets make_addresses(struct arena *arena, const char *prefixes);
