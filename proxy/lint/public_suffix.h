// public_suffix: tells whether anybody may register names under a domain. Uses the list of publicsuffix.org. This is the
// only user of libpsl.
#pragma once

#include <stdbool.h>

#include "auth/base/slice.h"

struct public_suffix_list;

// public_suffix_list_open takes the newest list that this machine has; NULL when there is none.
struct public_suffix_list *public_suffix_list_open(void);

// public_suffix_list_close frees it. NULL is allowed.
void public_suffix_list_close(struct public_suffix_list *list);

// public_suffix_list_has tells whether the canonical `name` is on the list. A last label that is not on it is none:
// `internal` belongs to the operator of that DNS.
bool public_suffix_list_has(const struct public_suffix_list *list, struct slice name);
