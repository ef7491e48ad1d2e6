// chain_settings: how an audit log is chained: `audit.chain` of the configuration.
#pragma once

#include "proxy/chain/note.h"

struct chain_settings {
    struct note_signer signer; // a secret: the owner wipes it
    int64_t every_ms;          // between checkpoints, while there are records
};
