// process: the section about the process itself: who it is.
#pragma once

#include "proxy/config/section.h"
#include "proxy/config/snapshot.h"

extern const struct section process_section;

// process_read reads `process` into the snapshot; NULL: the defaults. It comes before everything that names a key, and calls
// `reader->process_hook`.
void process_read(struct reader *reader, const struct node *node, struct snapshot *snapshot);
