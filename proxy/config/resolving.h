// resolving: the section `resolver`: servers, their bounds, and names that are known without them.
#pragma once

#include "proxy/config/section.h"
#include "proxy/config/snapshot.h"

extern const struct section resolver_section;
extern const struct section cache_section;

// resolver_read reads `resolver` (NULL: all of it is left out), the system's list of servers and the hosts
// file into the snapshot and its policy. The system's files are read here, together with the configuration,
// so that all workers see the same and a change is a reload.
void resolver_read(struct reader *reader, const struct node *node, struct snapshot *snapshot);
