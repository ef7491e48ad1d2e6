// settings: the sections that hold for the whole proxy and open no file: version, workers, timeouts,
// limits, audit and log.
#pragma once

#include "proxy/config/section.h"
#include "proxy/config/snapshot.h"

extern const struct section top_section;
extern const struct section timeouts_section;
extern const struct section audit_section;
extern const struct section log_section;

// settings_read reads these sections into `snapshot`, and reports unknown, missing and not yet
// supported keys of the top level. Tells whether `root` is a map at all.
bool settings_read(struct reader *reader, const struct node *root, struct snapshot *snapshot);
