// admin: the section that says where metrics and health can be seen, and by whom.
#pragma once

#include "proxy/config/matches.h"
#include "proxy/config/section.h"
#include "proxy/config/snapshot.h"

extern const struct section admin_section;
extern const struct section admin_metrics_section;

// admin_read reads `admin` into the snapshot, whose profiles (`trusts` has their names), listeners and control socket have
// been read. NULL: there is none.
void admin_read(struct reader *reader, const struct node *node, const struct name_list *trusts,
                struct snapshot *snapshot);
