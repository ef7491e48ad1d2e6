// matches: the entries of a client's `match`, which say what its certificate holds.
#pragma once

#include "proxy/config/clients.h"

// matches_read reads the list `node` into the reader's arena. Every part of an entry is checked,
// for a part that can never fit, or that fits more than was meant, is worse than an error.
void matches_read(struct reader *reader, const struct node *node, const struct name_list *trusts,
                  const struct match_entry **out, size_t *out_count);
