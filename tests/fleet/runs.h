// runs: many runs of a simulation, each of which says what it was, so that it can be repeated.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// run_one makes a run with so many proxies, of the kind with this number: its fault, and whatever else there is to choose. False:
// something did not hold.
typedef bool run_one(uint64_t seed, uint32_t kind, uint32_t proxies);

// runs_first_seed gives the number in FLEET_SEED, or else one by the time.
uint64_t runs_first_seed(void);

// runs_make makes `count` runs, of kinds one after the other, each with a seed of its own; the number of proxies is anything from 2 up
// to `most`. It goes on where something did not hold.
bool runs_make(uint64_t seed, uint32_t count, uint32_t most, run_one *run);

// runs_by_words makes what a command line asks for, and gives the exit status; -1: it asks for nothing.
//     --long RUNS [small]
//     SEED KIND PROXIES
int runs_by_words(int count, char **words, uint32_t small, uint32_t large, run_one *run);
