// settings: the sections that hold for the whole proxy: version, workers, timeouts. Opens no
// files.
#pragma once

#include "proxy/config/reader.h"
#include "proxy/config/snapshot.h"

// settings_read reads the top level's small sections into `snapshot`, and reports unknown, missing
// and not yet supported keys of the top level. Gives whether `root` is a map at all.
bool settings_read(struct reader *reader, const struct node *root, struct snapshot *snapshot);
