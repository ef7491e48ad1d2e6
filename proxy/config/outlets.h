// outlets: `audit.also`: where records go beside the file.
#pragma once

#include "proxy/config/section.h"

struct snapshot;

extern const struct section outlet_section;
extern const struct section outlet_tls_section;

// outlets_read reads the list into the snapshot. NULL: there is none.
void outlets_read(struct reader *reader, const struct node *node, struct snapshot *snapshot);
