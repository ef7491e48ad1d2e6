// rivals: which files of a configuration say something that belongs to another file: its clients' certificates, or a name.
//
// Two files are rivals when an entry of `match` of one meets one of the other (match_entry_meets), when both name a client or
// a rule alike, or when the template of a client's name in one can give a name of the other. It is claims that are right or
// wrong, not files: what a file has held stays its own, whatever it says beside that, and the claim of the lower rank gives
// way. A file that is new, and of which a claim gives way, loses as a whole; of any other the claim is marked in its standing.
// New files count against each other alone: when two want the same, both lose. Reads no file. Pure, but for what it reports.
#pragma once

#include "proxy/config/clients.h"
#include "proxy/config/standing.h"

enum claim_rank {
    CLAIM_OF_NEWCOMER, // of a file of which nothing is in force
    CLAIM_NEW,         // of a file that is in force: a new one, or one that was contested
    CLAIM_INHERITED, // one that a file held that is gone, and that this one has now: it was renamed, or divided
    CLAIM_HELD,    // one that is in force
    CLAIM_OF_MAIN, // of the main file, which never gives way
};

enum {
    RIVAL_WORK_MAX = 1000000, // comparisons for one file
    RIVAL_WORK_KNOWN =
        4, // times as many where the file is not new, and for new ones with each other
    RIVAL_FINDINGS_MAX = 10, // that are reported of one file
};

struct rival {
    const struct client_part *part; // borrowed
    struct standing *standing;      // borrowed; NULL: of the main file, or of a new one
    bool is_main;
    struct reader *reader; // borrowed: where what it says wrong is reported
    bool loses;            // out; of a new file
    bool has_contested;    // out: some claim in its standing is marked
    bool is_dropped;       // private
    bool is_spent;         // private
    size_t report_count;   // private
    size_t claim_count;    // private
    size_t work;           // private
};

// rivals_find sets `loses` of each new file of which a claim gives way, marks such claims of others, and reports both,
// naming both places. What two files hold is not compared: it was, when it came into force.
//
// Work with entries and templates is bounded. A comparison is charged to the file whose claim has the lower rank, and of equals
// to the larger; so nothing that a file says can use up what is another one's. A new file that is charged with more than it may
// be loses; of any other every new claim is marked. ERR_MEMORY.
enum err rivals_find(struct rival *rivals, size_t count) MUST_USE;
