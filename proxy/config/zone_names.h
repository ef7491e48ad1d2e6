// zone_names: what a misspelt name of a time zone may mean, by the names that this machine has.
//
// Reads folders. For messages of `check`, and of a load, only.
#pragma once

#define ZONE_FOLDER "/usr/share/zoneinfo/"

enum { ZONE_HINT_CAP = 160 }; // bytes, with the NUL

// zone_hint writes what to do about `name`, which no file below ZONE_FOLDER has, and returns it. The name is checked: no dots,
// and no slash at its ends.
const char *zone_hint(const char *name, char out[ZONE_HINT_CAP]);
