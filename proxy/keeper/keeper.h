// keeper: the process that `sallyport serve` is at first, and stays. It starts the process that serves, and the ones that take
// its place in upgrades, ends with it, and passes on signals to it, and its notices to the service manager.
//
// It reads nothing from the network, no configuration and no key, and has no thread. So it is what a service manager, a
// container or a shell knows as the proxy, whatever happens to the process that strangers talk to. What that one says is in
// keeper_message.h; a version that serves can start the program's file with fixed arguments, and nothing else. What it and all that
// it starts can never do is in keeper_calls.h.
#pragma once

#include <stddef.h>

// The descriptor of a version's end of the link to its keeper.
#define KEEPER_VARIABLE "SALLYPORT_KEEPER"

// The descriptor of the link over which a version takes another one's place.
#define HANDOVER_VARIABLE "SALLYPORT_HANDOVER"

// keeper_run keeps versions of the program, each called `serve -c config_path`, until the one that serves has ended, and gives
// the exit status of that one; 128 and the number of the signal that has ended it; 1 if none could be started. Called by main
// before there are threads, or a loop.
int keeper_run(const char *config_path);
