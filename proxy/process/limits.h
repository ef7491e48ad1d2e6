// limits: how many descriptors the process may use, and what protects its memory: no core dumps, no debugger, no new
// privileges.
#pragma once

#include <stdint.h>

// limits_apply raises the soft descriptor limit to the hard one, turns core dumps off, and gives up the chance to gain
// privileges. Returns the descriptor limit in force; 0 when it is unknown. Called by main before anything else.
uint64_t limits_apply(void);

// limits_count_descriptors tells how many descriptors the process has open; 0 without /proc.
uint64_t limits_count_descriptors(void);
