// sidecar: `sallyport connect` as a process: binds, starts and stops its workers, watches the files and handles the
// signals. It is a plain HTTP proxy for this machine. Every request goes to one proxy, over TLS and with the certificate of
// this machine, and nowhere else.
#pragma once

#include "proxy/sidecar/sidecar_options.h"

// sidecar_run serves until a signal ends it: SIGTERM drains, SIGINT ends at once, SIGHUP reads the files
// again. Prints `ready connect=ADDRESS:PORT ...` on stdout. `options` are filled in, and `credentials`, which were read from
// their paths, are taken over. Returns the exit status: 0, or 1 when it could not start or had to cut connections. Called by
// main, once.
int sidecar_run(struct sidecar_options *options, struct credentials *credentials);
