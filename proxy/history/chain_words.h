// chain_words: counts and numbers of lines, as a sentence of a finding says them. Pure.
#pragma once

#include <stdint.h>

struct chain_words {
    char text[64];
};

// chain_words_count gives `1 line`, `3 lines`.
struct chain_words chain_words_count(uint64_t count);

// chain_words_missing gives `1 line is missing`, `3 lines are missing`.
struct chain_words chain_words_missing(uint64_t count);

// chain_words_range gives `record 4`, `records 4 to 6`.
struct chain_words chain_words_range(uint64_t first, uint64_t last);
