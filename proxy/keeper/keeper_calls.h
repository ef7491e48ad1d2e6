// keeper_calls: the system calls that the keeper cannot make, and none of the processes that it starts: they have them from it.
//
// A version that is started years later may need calls that nobody thinks of today, so this forbids what no version will need: a look
// into other processes, namespaces, mounts, the kernel's modules and rings, devices, files by handles, sockets but of IP, Unix and
// netlink. The rest is for each process to give up itself.
#pragma once

#include "auth/base/err.h"

// keeper_calls_restrict puts it in force, for good: such calls fail with EPERM. No new privileges must have been asked for. Nothing
// happens where there are no filters, which those that it starts say, or under a sanitizer. ERR_SYSTEM with a sentence in `info`.
enum err keeper_calls_restrict(struct errinfo *info) MUST_USE;
