// spelling: how far two words are apart, to ask "did you mean" about keys and names. Pure.
#pragma once

#include <stddef.h>

#include "auth/base/slice.h"

enum { SPELLING_MAX_LEN = 32 }; // bytes; longer words are near nothing

// spelling_nearest gives the index of the word among `count` `words` that is nearest to `s`
// (letters left out, added, changed or swapped), or `count` when none is near enough to be meant.
size_t spelling_nearest(struct slice s, const char *const *words, size_t count);
