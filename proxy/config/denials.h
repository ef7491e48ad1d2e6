// denials: the policy in force with what its `deny` rules say by their list files now, beside what they said before.
//
// Denying more is all that it does: every rule in force stays. Counted by reference.
#pragma once

#include "proxy/config/loader.h"

struct denials; // opaque: heap

// denials_read reads the lists of every `deny` in `root`, the configuration in force of `current`, once more.
// `former` (NULL: none) is what was read for `current` before. `*out` has one reference; NULL where no `deny` uses a
// list file. Where a list cannot be read it is `former`, which has it as it was. ERR_MEMORY.
enum err denials_read(struct loader *loader, struct snapshot *current, const struct node *root,
                      struct denials *former, struct denials **out) MUST_USE;

// denials_unref gives a reference back; the last one frees. NULL is allowed. Any thread.
void denials_unref(struct denials *denials);

// denials_policy gives the policy; borrowed. It borrows from that of the snapshot that it was read for.
struct policy *denials_policy(const struct denials *denials);
