// schedules: `valid` and `hours` of a client or an `allow` rule. What they mean is auth/schedule's.
//
// A zone is a file below ZONE_FOLDER (zone_names.h). It is read once for each load, and watched like a list file: workers open none.
#pragma once

#include "auth/rules.h"
#include "proxy/config/section.h"

extern const struct section valid_section;
extern const struct section hours_section;

// schedule_read gives what `valid` and `hours` of the map `owner` say, in the arena. NULL where neither key is there, or one is bad,
// which is reported: also a schedule that is never open.
const struct schedule *schedule_read(struct reader *reader, const struct node *owner);

// schedule_refuse reports these keys where they do not belong, with `hint`.
void schedule_refuse(struct reader *reader, const struct node *owner, const char *hint);
