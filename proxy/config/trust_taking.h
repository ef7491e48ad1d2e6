// trust_taking: what takes trust away from one profile in force: newer CRLs, CAs that are gone from their
// files, and what is denied. Each counts by itself; what is missing or bad changes nothing.
#pragma once

#include "auth/trust.h"
#include "proxy/config/reader.h"

// trust_taking_read makes a revision of the finished profile `current`, whose entry in the configuration is
// `node`: with each list that can be read now, without the CAs that are gone from its files, and with what
// is `denied` in `next`, the entry of another configuration, where all of that is good. `*is_early` is set
// when something is good, but not valid yet at the reader's time. ERR_MEMORY; also when the reader is out
// of memory, since a file may have been left out then.
enum err trust_taking_read(struct reader *reader, const struct node *node, const struct node *next,
                           const struct trust *current, bool *is_early,
                           struct trust **out) MUST_USE;
