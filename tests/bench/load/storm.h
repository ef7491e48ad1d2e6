// storm: connections that come and go: handshake, CONNECT, close; or refusals; or everything that clients
// do, for the soak. Prints one JSON object when the time is up.
#pragma once

#include "tests/bench/load/client.h"

struct storm_options {
    const char *target;    // host:port; may be several, with commas between them, which take turns
    const char *forbidden; // host:port that policy refuses; for the mixed storm
    double seconds;
    size_t at_once;  // connections at the same time
    double rate;     // connections a second, started on time; 0: as fast as they end
    bool is_resumed; // with tickets
    bool is_refused; // `target`, of one, is refused, and asked again where the connection stays
    bool is_mixed;   // the soak's mixture
};

// storm_run runs it. `setup` and `options` are borrowed.
void storm_run(const struct client_setup *setup, const struct storm_options *options);
