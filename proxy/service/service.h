// service: the proxy as a process: binds, starts and stops everything in order, and minds the signals.
#pragma once

#include "proxy/config/snapshot.h"
#include "proxy/keys/key_store.h"
#include "proxy/service/inheritance.h"

// service_run serves `snapshot`, whose reference it takes over, until a signal ends it: SIGTERM drains,
// SIGINT ends at once, SIGHUP reloads, SIGUSR1 reopens the audit log, SIGUSR2 starts the program once more and leaves it the rest.
// `inheritance`, which it takes over, is from the process whose place it takes, or none. `keeper_fd`, likewise, is the link to
// the keeper. `keys`, borrowed, is what the snapshot was loaded with, and is sealed here. Prints the ready line on stdout. The
// log is as `log` says, and begins with `findings`, what loading the snapshot has found. Returns the exit status: 0, 1 when it
// could not start or had to cut tunnels, 3 when the audit log cannot be opened. Called by main, once.
int service_run(struct snapshot *snapshot, const struct diagnostics *findings,
                struct inheritance *inheritance, int keeper_fd, struct key_store *keys);
