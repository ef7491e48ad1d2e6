// crl_fetches: fetches the revocation lists that profiles name by URL, before they are needed, and again and again.
//
// On main's loop; nothing here waits. A list that is good is kept in its file (crl_keeper.h), and comes into force as every
// changed file does: at once where it takes trust away, whatever else is wrong. A server that fails is asked again, ever more
// seldom, and never more seldom than the profile says. A process that leaves its work to another one fetches no more: it
// reads what that one keeps.
#pragma once

#include "auth/base/err.h"
#include "proxy/config/snapshot.h"

struct crl_fetches;
struct service;

// crl_fetches_create makes one that fetches nothing, on the service's loop. NULL without memory or descriptors.
struct crl_fetches *crl_fetches_create(struct service *service) MUST_USE;

// crl_fetches_destroy ends everything, and waits for a list that is being read. NULL is allowed.
void crl_fetches_destroy(struct crl_fetches *fetches);

// crl_fetches_adopt goes by the snapshot in force from now on. What is new is fetched at once.
void crl_fetches_adopt(struct crl_fetches *fetches);

// crl_fetches_leave ends all fetching for good. NULL is allowed.
void crl_fetches_leave(struct crl_fetches *fetches);

// crl_fetch_state is what is known of one list. Borrowed until the next call of adopt or leave.
struct crl_fetch_state {
    const char *trust; // name of the profile
    const char *url;
    uint64_t fetched;   // lists that were news
    uint64_t unchanged; // answers that the list is the one that is kept
    uint64_t failed;
    int64_t good_at_s;       // Unix seconds; when the server last gave or confirmed it; 0: not yet
    int64_t failing_since_s; // Unix seconds; 0: it is not
    int64_t next_in_ms;      // until it is asked again; 0: it is being asked
    const char *problem;     // of the last failure, while it is failing; ""
};

// crl_fetches_look gives the state of the list with this index, from 0. False: there is none.
bool crl_fetches_look(const struct crl_fetches *fetches, size_t index, struct crl_fetch_state *out);
