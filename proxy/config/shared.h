// shared: `shared`: the Valkey or Redis by which the proxies of a fleet act as one.
#pragma once

#include "proxy/config/section.h"

struct snapshot;

extern const struct section shared_section;
extern const struct section shared_sentinel_section;
extern const struct section shared_tls_section;

// shared_read reads the section (NULL: left out) into the snapshot, which owns what is made, also where the rest is wrong.
void shared_read(struct reader *reader, const struct node *node, struct snapshot *snapshot);
