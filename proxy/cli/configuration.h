// configuration: loads a configuration for the commands that use one. `check` loads it by itself, to report on it.
#pragma once

#include "proxy/config/snapshot.h"

// cli_load_snapshot loads the configuration at `path` as of now and prints its findings of at least severity `least` on
// stderr. Returns CLI_OK, and the caller owns one reference in `*out`; or CLI_UNLOADABLE after an error message of
// `command`, and `*out` is NULL.
int cli_load_snapshot(const char *command, const char *path, enum severity least,
                      struct snapshot **out);
