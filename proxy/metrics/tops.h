// tops: which few of very many happen most often, in fixed memory (Space-Saving: Metwally, Agrawal, El Abbadi 2005).
//
// Clients choose the names that come here, so there is no bound on how many there are: the one that was counted least makes
// room, and the new one inherits its count, which is then too high by `over` at most.
//
// One owner of very many names shall not push out those of others: who has more than TOPS_SHARE places makes room first. So
// an owner with less than a share loses nothing, and the new one inherits nothing of another owner's.
//
// For one thread; what several threads have counted is added.
#pragma once

#include "auth/base/slice.h"

enum {
    TOPS_PLACES = 32,
    TOPS_SHARE = 8,     // places that an owner keeps when others want room
    TOP_WHO_CAP = 65,   // bytes, with the NUL; longer texts are cut
    TOP_WHAT_CAP = 161, // likewise
    TOP_WHY_CAP = 73,
    TOP_ID_CAP = 17,
};

struct top_place {
    uint64_t hash;  // of the three texts; 0: a free place
    uint64_t owner; // hash of the owner
    uint64_t count; // too high by `over` at most
    uint64_t over;
    uint64_t failures; // since it has this place
    int64_t last_s;    // Unix seconds; when it was counted last
    char who[TOP_WHO_CAP];
    char what[TOP_WHAT_CAP];
    char why[TOP_WHY_CAP];
    char id[TOP_ID_CAP]; // of the record about the last one; "": it has none
};

// Zeroed: nothing was counted.
struct tops {
    struct top_place places[TOPS_PLACES];
};

// top_subject is what is counted: one who, what and why is one place. All are borrowed; NULL is empty.
struct top_subject {
    const char *owner; // whose share of the places it takes; NULL: that of `who`
    const char *who;
    const char *what;
    const char *why;
    const char *id;
    bool is_failure;
};

// tops_note counts one at `now_s`, Unix seconds.
void tops_note(struct tops *tops, const struct top_subject *subject, int64_t now_s);

// tops_add adds what another thread has counted.
void tops_add(struct tops *sum, const struct tops *part);

// tops_sort puts the most frequent ones first, and free places last.
void tops_sort(struct tops *tops);
