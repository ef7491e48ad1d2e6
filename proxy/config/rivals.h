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

enum { RIVAL_WORK_MAX = 1000000 }; // comparisons for one file

struct rival {
    const struct client_part *part; // borrowed
    enum rival_rank rank;
    struct reader *reader; // borrowed: where what it says wrong is reported, when it loses
    bool loses;            // out
    size_t work;           // private
};

// rivals_find sets `loses` of each file that loses against another one, and reports why, naming both places. A file whose
// entries are so much alike that this takes more than RIVAL_WORK_MAX comparisons loses, too. ERR_MEMORY.
enum err rivals_find(struct rival *rivals, size_t count) MUST_USE;
