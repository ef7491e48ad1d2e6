// crl_folder: the lists that were kept because certificates have named them, and room for one more among them (crl_room.h).
//
// Only where there is no room are the others read. What goes is removed from the disk; who watches the folder goes without it,
// and refuses those whom it was about, until it is fetched again. Blocking: on the thread of crl_keeper.
#pragma once

#include "auth/crl_offer.h"
#include "proxy/config/snapshot.h"

// crl_newcomer is the list that needs room; all is borrowed.
struct crl_newcomer {
    const char *trust; // name of the profile
    const char *path;  // of the file that it goes to; what is there now does not count
    size_t bytes;
    const struct crl_offer *offer; // how it was judged
};

// crl_folder_make_room makes room for a list that was judged by a profile of `snapshot`.
// ERR_LIMIT: there is none; ERR_SYSTEM or ERR_MEMORY; with a sentence in `info`.
enum err crl_folder_make_room(const struct snapshot *snapshot, const struct crl_newcomer *newcomer,
                              struct errinfo *info) MUST_USE;
