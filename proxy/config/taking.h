// taking: what takes trust away from a configuration in force, read by itself when a new configuration is
// refused: the CRLs of each profile, `denied`, CAs that are gone from their files, list files that a
// `deny` uses, and included files that are gone.
//
// Read from the files that the configuration in force names. Each counts by itself; what is missing or cannot
// be read changes nothing. A taking only ever allows less than before. Immutable once read.
#pragma once

#include "proxy/config/snapshot.h"

// taking_read reads what takes trust away from `current` now. `next` is the text of the configuration that
// was refused, where only `denied` counts; empty: none. ERR_OK with one reference in `*out`, NULL there
// when nothing has changed since the last taking. `takes_more` of the taking tells whether it allows less than
// `current`; all of it is to be brought into force even so. ERR_MEMORY: nothing was read, and the same files may be
// tried again. Blocking: for loader threads.
enum err taking_read(const struct snapshot *current, struct slice next, int64_t now_s,
                     struct taking **out) MUST_USE;
