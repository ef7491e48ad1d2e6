#include "tests/fleet/runs.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint32_t number(const char *word)
{
    return (uint32_t)strtoul(word, NULL, 10);
}

uint64_t runs_first_seed(void)
{
    const char *given = getenv("FLEET_SEED");
    return given == NULL ? (uint64_t)time(NULL) : strtoull(given, NULL, 10);
}

bool runs_make(uint64_t seed, uint32_t count, uint32_t most, run_one *run)
{
    bool holds = true;
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t own = seed + i;
        holds &= run(own, i, 2 + (uint32_t)(own * 2654435761U % (most - 1)));
    }
    return holds;
}

int runs_by_words(int count, char **words, uint32_t small, uint32_t large, run_one *run)
{
    if (count >= 3 && strcmp(words[1], "--long") == 0)
        return !runs_make(runs_first_seed(), number(words[2]), count > 3 ? small : large, run);
    if (count >= 4)
        return !run(strtoull(words[1], NULL, 10), number(words[2]), number(words[3]));
    return -1;
}
