// squid_config: reads a squid.conf, with the files that it includes, line by line, and gives each directive to who knows it.
//
// Pure but for the caller's sources.
#pragma once

#include "proxy/import/squid_state.h"

// squid_config_read reads the file at `path` and what it includes. `config` has its borrowed members and `work_left` set, the
// others zero. An error is one of the file or of the caller's: ERR_INPUT and the like, with file and line in `info`. What cannot
// be taken is said in the notes.
enum err squid_config_read(struct squid_config *config, const char *path,
                           struct errinfo *info) MUST_USE;
