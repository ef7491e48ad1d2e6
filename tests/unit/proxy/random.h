// random: the same pseudo-random numbers at every run, for property tests.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct random {
    uint64_t state; // not 0; the seed
};

// random_below gives a number from 0 to `bound` - 1 (xorshift64*, Vigna 2014).
static inline size_t random_below(struct random *random, size_t bound)
{
    random->state ^= random->state >> 12;
    random->state ^= random->state << 25;
    random->state ^= random->state >> 27;
    return (size_t)((random->state * UINT64_C(0x2545F4914F6CDD1D)) >> 33) % bound;
}
