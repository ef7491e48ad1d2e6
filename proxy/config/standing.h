// standing: what an included file says that it held before, and what is new, claim by claim.
//
// A claim is the name of a client, the name of a rule, or an entry of `match`. An entry is held when one that the file held
// covers it: who asks for less keeps what is left. An entry that a wider one takes the place of is an heirloom: it stays beside
// the wider one, so that what it fits has been the file's for as long as before. Pure, but for memory.
#pragma once

#include "proxy/config/clients.h"

enum {
    STANDING_WORK_MAX = 4000000, // comparisons for one file; what comes after that is new
    HEIRLOOMS_MAX = 10000,       // of one file; the oldest count
};

// entry_age is since when what an entry fits is in force.
struct entry_age {
    uint64_t since;    // 0: it is new
    bool is_contested; // another file had some of it first
};

struct entry_standing {
    uint64_t since;    // 0: it is new
    bool is_held;      // nobody contested it
    bool is_contested; // another file had some of it first: that is compared again each time
};

struct name_standing {
    bool is_held;
    bool is_contested;
};

struct heirloom {
    size_t client;                   // that has the wider entry
    const struct match_entry *entry; // borrowed from what was held
    const struct node *node;         // likewise
    struct entry_age age;
};

struct standing {
    struct entry_standing *entries; // arena; client by client
    size_t entry_count;
    struct name_standing *clients; // arena; of each client
    struct name_standing *rules;   // arena; of each name in `rule_names`
    struct heirloom *heirlooms;    // arena; client by client
    size_t heirloom_count;
    bool is_inherited; // from a file that is gone
};

// held_part is what a file held.
struct held_part {
    const struct client_part *part; // borrowed
    const struct node *root;        // borrowed; that it was read from
    const struct entry_age *ages;   // borrowed; of each entry, client by client
};

// standing_make compares what a file says with what it held, in `arena`. ERR_MEMORY.
enum err standing_make(const struct client_part *part, const struct held_part *held,
                       struct arena *arena, struct standing *out) MUST_USE;
