// flood: a hostile client of HTTP/2 that opens streams and resets each at once (CVE-2023-44487), and comes back when its
// connection is cut. Prints one JSON object when the time is up; `done` is what was written.
#pragma once

#include "tests/bench/load/client.h"

// flood_run offers `rate` resets a second for `seconds`. `setup` has links and is borrowed.
void flood_run(const struct client_setup *setup, const char *target, double seconds, double rate);
