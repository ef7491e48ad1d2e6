// scheduling: how the kernel shares a processor between this process and others.
#pragma once

// scheduling_take_short_turns asks for turns of 0.1 ms for this thread, and all that it starts: a process that is woken, often by
// what was sent here just now, needs not wait until a longer turn is over (1.4 ms and more). The share of the processor is
// the same. Its priority stays as it is, and any policy but the ordinary one; a kernel before Linux 6.12, or a sandbox that forbids the call,
// changes nothing. Called before other threads are started. sched_setattr(2).
void scheduling_take_short_turns(void);
