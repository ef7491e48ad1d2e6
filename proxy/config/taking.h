// taking: what takes trust away from a configuration in force, read by itself when what would come after it is no
// good: the lists of each profile, `denied`, CAs that are gone from their files, and list files that a `deny` uses.
//
// Read from the files that the configuration in force names; each counts by itself, and what is missing or cannot
// be read changes nothing. Only ever less is allowed than before. Immutable once read, counted by reference.
#pragma once

#include "proxy/config/snapshot.h"

struct taking; // opaque: heap

// taking_read reads what takes trust away from `current` now. `next` is the text of the configuration that was
// refused, of which only `denied` counts; empty: none. ERR_OK with one reference in `*out`, NULL there when
// nothing has changed since the last taking. ERR_MEMORY. Blocking: for loader threads.
enum err taking_read(struct snapshot *current, struct slice next, int64_t now_s,
                     struct taking **out) MUST_USE;

// taking_ref takes another reference and returns its argument, taking_unref gives one back; the last one frees.
// NULL is allowed for both. Any thread.
struct taking *taking_ref(struct taking *taking);
void taking_unref(struct taking *taking);

// taking_apply puts what was read into `snapshot`, a copy of the one that it was read for.
void taking_apply(const struct taking *taking, struct snapshot *snapshot);
