// crl_room: which of the lists that certificates have named, and that are kept, make room for one more.
//
// Pure. Bounded for each profile by number and bytes. First go lists that no certificate names now: those of which nobody knows
// who has signed them, then those that have expired, the oldest first. What was verified never makes room for what was not. For a
// list that was verified the others go too, named or not, that nobody has verified, and then the CA that has most of what is
// short gives its own: so the lists of a hostile CA take no room of another one that has fewer.
#pragma once

#include <stdbool.h>

#include "auth/base/slice.h"
#include "auth/cert_id.h"

enum {
    CRL_ROOM_LISTS = 256,               // of a profile
    CRL_ROOM_BYTES = 512 * 1024 * 1024, // of them
};

// crl_room_list is one list.
struct crl_room_list {
    size_t bytes;
    int64_t kept_s;  // Unix seconds; since when it is there
    bool is_named;   // certificates have named it lately
    bool is_expired; // or no list that can be read
    bool has_signer; // it was verified
    uint8_t signer[CERT_DIGEST_LEN];
    bool goes; // out
};

// crl_room_fits tells whether there is room for one more list of `more_bytes` beside `count` of together `bytes`.
bool crl_room_fits(size_t count, size_t bytes, size_t more_bytes);

// crl_room_make marks those of `lists` that go so that `more` has room. False: there is none, and nothing is to go.
bool crl_room_make(struct crl_room_list *lists, size_t count, const struct crl_room_list *more);
