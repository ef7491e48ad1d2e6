// limits: what the process may use and what it must not leave behind.
#pragma once

#include <stdint.h>

// limits_apply raises the soft descriptor limit to the hard one, turns core dumps off, and gives up the
// chance to gain privileges. Returns the descriptor limit in force. Called by main, first of all.
uint64_t limits_apply(void);

// limits_count_descriptors tells how many descriptors the process has open; 0 without /proc.
uint64_t limits_count_descriptors(void);
