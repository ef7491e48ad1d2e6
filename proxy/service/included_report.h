// included_report: what is told about the included files of a snapshot.
#pragma once

#include "auth/base/text.h"
#include "proxy/config/snapshot.h"

// included_is_whole tells whether every included file is in force as it is on the disk.
bool included_is_whole(const struct snapshot *snapshot);

// included_format writes which files are not: `clients.d/a.yaml is refused and stays as it was`. Nothing when all are.
void included_format(const struct snapshot *snapshot, struct text *out);

// included_append_json adds the member `included` to the JSON object under construction in `out`: a list with `file`, `state`
// and `clients` of each file.
void included_append_json(const struct snapshot *snapshot, struct text *out);
