// parents: the section `parents`: the proxies that requests may be sent through, with what is needed to speak to them.
#pragma once

#include "proxy/config/section.h"
#include "proxy/config/snapshot.h"

enum { PARENTS_MAX = 16 };

extern const struct section parent_section;
extern const struct section parent_certificate_section;
extern const struct section parent_health_section;

// parents_read reads `parents` (NULL: left out) into the snapshot, which owns what is made, also where the rest is wrong.
void parents_read(struct reader *reader, const struct node *node, struct snapshot *snapshot);
