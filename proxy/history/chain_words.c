// One and many.
#include "proxy/history/chain_words.h"

#include <inttypes.h>
#include <stdio.h>

struct chain_words chain_words_count(uint64_t count)
{
    struct chain_words words;
    (void)snprintf(words.text, sizeof words.text, "%" PRIu64 " line%s", count,
                   count == 1 ? "" : "s");
    return words;
}

struct chain_words chain_words_missing(uint64_t count)
{
    struct chain_words words;
    (void)snprintf(words.text, sizeof words.text, "%" PRIu64 " line%s missing", count,
                   count == 1 ? " is" : "s are");
    return words;
}

struct chain_words chain_words_range(uint64_t first, uint64_t last)
{
    struct chain_words words;
    if (first == last)
        (void)snprintf(words.text, sizeof words.text, "record %" PRIu64, first);
    else
        (void)snprintf(words.text, sizeof words.text, "records %" PRIu64 " to %" PRIu64, first,
                       last);
    return words;
}
