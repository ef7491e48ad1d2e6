// loop_memory: the memory of all event loops, with a reserve. libev ends the process where it gets none.
//
// libev asks for memory when a loop has more descriptors, timers or events than ever before: for a table at most twice as
// large as the last one. The reserve has room for a few such tables. While part of it is used up, nothing new should be
// begun.
#pragma once

#include <stdbool.h>

// loop_memory_start fills the reserve and has libev ask here from now on. Once, before there is any loop. False
// without memory.
bool loop_memory_start(void);

// loop_memory_has_reserve fills up what is missing, and tells whether the reserve is whole. Any thread.
bool loop_memory_has_reserve(void);
