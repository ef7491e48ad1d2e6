// shared_settings: the store that the proxies of a fleet share, and what is sealed there. A plain value of a snapshot.
#pragma once

#include "proxy/fleet/fleet_key.h"
#include "proxy/store/store_settings.h"

// What holds while the store does not answer: `on_lost`.
enum shared_on_lost {
    SHARED_LOCAL,  // a share of each limit
    SHARED_REFUSE, // nothing new of clients whose limits are the fleet's
};

struct shared_settings {
    struct store_settings store; // its `tls` is a ref of the snapshot
    struct fleet_secrets secrets;
    enum shared_on_lost on_lost;
    bool has_system_cas; // `store.tls` believes those of the system, which others look after
};
