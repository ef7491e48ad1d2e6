// loop_memory: the memory of all event loops, with a reserve. libev ends the process where it gets none.
//
// libev asks for memory when a loop has more descriptors, timers or events than ever before: for a table at most twice as
// large as the last one. The reserve has room for a few such tables. While part of it is used up, accept nothing new.
#pragma once

#include <stdbool.h>

// loop_memory_start fills the reserve and becomes libev's allocator. Call it once, before the first loop. False without
// memory.
bool loop_memory_start(void);

// loop_memory_has_reserve refills the reserve and tells whether it is whole. Any thread.
bool loop_memory_has_reserve(void);
