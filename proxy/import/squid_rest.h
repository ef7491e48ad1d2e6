// squid_rest: what is said of the lines of a squid.conf that nothing was made of, so that each line is imported or named.
//
// Pure.
#pragma once

#include "proxy/import/squid_state.h"

// squid_rest_say says of each access line that is in no rule, has narrowed none and is not named yet what has become of it, and
// names the acls that no access line names. To be called once all classes are judged.
void squid_rest_say(struct squid_config *config);
