// sidecar_cage: what `connect` gives up before it hears a local program: the files that it can open, and system calls.
#pragma once

#include "proxy/sidecar/sidecar_options.h"

// sidecar_cage_enter puts it in force, for this thread and those that it starts. Afterwards it reads its three files, those that are
// put in their places, and what resolves names; it writes none, and listens nowhere else. ERR_SYSTEM or ERR_INPUT with a sentence:
// what was asked for cannot be had.
enum err sidecar_cage_enter(const struct sidecar_options *options, struct errinfo *info) MUST_USE;
