// constants: what a reload cannot change, because it was used up at the start: `workers`, `control`, and what the process has given up
// (`process`). The new snapshot goes on with the old one's, so that each later reload is compared with what is in force.
#pragma once

#include "proxy/config/snapshot.h"

// constants_warn adds a warning to `findings` for each of them that is otherwise in `next` than in `now`, which is in force with
// `worker_count` workers.
void constants_warn(const struct snapshot *now, uint32_t worker_count, const struct snapshot *next,
                    struct diagnostics *findings);

// constants_keep writes those of `now` into `next`, in its arena. What there is no memory for stays as it is there.
void constants_keep(const struct snapshot *now, struct snapshot *next);
