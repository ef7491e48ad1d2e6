// configuration: how the commands that use a configuration load it. `check`, which tells about one, does it itself.
#pragma once

#include "proxy/config/snapshot.h"

// cli_load_snapshot loads the configuration at `path` as of now, with its findings of at least severity `least` on
// stderr. CLI_OK with one reference in `*out`; or CLI_UNLOADABLE and NULL, said in the name of `command`.
int cli_load_snapshot(const char *command, const char *path, enum severity least,
                      struct snapshot **out);
