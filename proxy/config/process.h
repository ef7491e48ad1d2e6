// process: the section about the process itself: who it is, and where private keys are.
#pragma once

#include "proxy/config/key_source.h"
#include "proxy/config/section.h"
#include "proxy/config/snapshot.h"

extern const struct section process_section;

// process_read reads `process` into the snapshot; NULL: the defaults. It comes before everything that names a key, and calls
// `reader->process_hook`. Afterwards `reader->keys` is NULL where this process reads keys itself.
void process_read(struct reader *reader, const struct node *node, struct snapshot *snapshot);
