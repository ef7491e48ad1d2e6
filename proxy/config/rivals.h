// rivals: which files of a configuration say something that belongs to another file: its clients' certificates, or a name.
//
// Two files are rivals when an entry of `match` of one meets one of the other (match_entry_meets), when both name a client or
// a rule alike, or when the template of a client's name in one can give a name of the other. The file of the lower rank loses.
// Only when no file loses so, both of one rank do. Reads no file. Pure, but for what it reports.
#pragma once

#include "proxy/config/clients.h"

enum rival_rank {
    RIVAL_CHANGED,     // a text that has not been in force
    RIVAL_ESTABLISHED, // one that is in force
    RIVAL_MAIN,        // the main file, which never loses
};

enum {
    RIVAL_WORK_MAX = 1000000, // comparisons for one file
    RIVAL_WORK_KNOWN = 4,     // times as many where the file may have been in force
};

struct rival {
    const struct client_part *part; // borrowed
    enum rival_rank rank;
    struct reader *reader; // borrowed: where what it says wrong is reported, when it loses
    bool loses;            // out
    bool is_spent;         // private
    size_t claim_count;    // private
    size_t work;           // private
};

// rivals_find sets `loses` of each file that loses against another one, and reports why, naming both places.
//
// Two files that are in force are not compared: they were, when they came into force. All other work is bounded. A comparison
// is charged to the file of the lower rank, and of two new ones to the larger; so nothing that a new file says can use up what
// a file in force may spend. A new file that is charged with more than RIVAL_WORK_MAX comparisons loses, too. A file in force is
// charged for the main file alone, and that with RIVAL_WORK_KNOWN times as many; so are new ones with each other, as
// all are after a restart. ERR_MEMORY.
enum err rivals_find(struct rival *rivals, size_t count) MUST_USE;
