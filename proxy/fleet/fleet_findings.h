// fleet_findings: what a comparison with a store has found, and the sentence about what is wrong there, which names entries.
//
// Names come from the store, where anybody may have written: they are cut, escaped and few. Pure; for one thread.
#pragma once

#include "auth/base/text.h"
#include "proxy/fleet/fleet_blocks.h"

enum {
    FLEET_ALARM_CAP = 1024, // of the sentence, with the NUL
    FLEET_NAMED_MAX = 3,    // entries that are named, of each kind
    FLEET_SHOWN_CAP = 100,  // bytes of a name that is shown, with the NUL
};

// fleet_named_entries are names of entries, as they are shown.
struct fleet_named_entries {
    char shown[FLEET_NAMED_MAX][FLEET_SHOWN_CAP];
    size_t count;
};

// {0} is one that has found nothing.
struct fleet_findings {
    uint64_t found[FLEET_FINDING_COUNT];  // by this comparison
    uint64_t totals[FLEET_FINDING_COUNT]; // by all
    struct fleet_named_entries forged;    // of this comparison, like the next one
    struct fleet_named_entries rolled_back;
};

// fleet_findings_begin begins a comparison; fleet_findings_end adds what it has found to the totals.
void fleet_findings_begin(struct fleet_findings *findings);
void fleet_findings_end(struct fleet_findings *findings);

// fleet_findings_note counts what was found of the entry `name`.
void fleet_findings_note(struct fleet_findings *findings, enum fleet_finding finding,
                         struct slice name);

// fleet_findings_name_forged adds the names of those that do not open, in brackets; nothing where there is none.
void fleet_findings_name_forged(const struct fleet_findings *findings, struct text *out);

// fleet_findings_alarm writes the sentence about what is wrong with the store, into FLEET_ALARM_CAP bytes; "": nothing is.
void fleet_findings_alarm(const struct fleet_findings *findings, char *out);

// fleet_shown_name writes a name from the store as people and logs may see it: escaped, with `...` where it was cut.
const char *fleet_shown_name(struct slice name, char out[FLEET_SHOWN_CAP]);
