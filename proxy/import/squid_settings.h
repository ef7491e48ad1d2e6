// squid_settings: the directives of squid.conf that set one value, and those that have no meaning here.
#pragma once

#include "proxy/import/squid_state.h"

// squid_take_setting takes a directive, says what is not taken, and tells whether it is known.
bool squid_take_setting(struct squid_config *config, struct import_place place,
                        struct slice directive, struct slice rest);
