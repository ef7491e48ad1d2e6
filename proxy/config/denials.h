// denials: the policy in force together with what its `deny` rules say by their list files now, and without the rights of
// included files that are gone.
//
// It only denies more: every denial in force stays.
#pragma once

#include "proxy/config/reader.h"
#include "proxy/config/snapshot.h"

// denials_have_lists tells whether a `deny` of the file with this root (NULL: of none) could use a list file.
bool denials_have_lists(const struct node *root);

// denials_read reads the lists of every `deny` in `root`, the configuration in force of `current`, once more.
// `*out` has one reference; NULL when no `deny` uses a list file and no included file is gone. A list file that is no good,
// or empty where it may not be, says what it said when it was good last since `current` came into force. ERR_MEMORY.
enum err denials_read(struct reader *reader, const struct snapshot *current,
                      const struct node *root, struct denials **out) MUST_USE;
