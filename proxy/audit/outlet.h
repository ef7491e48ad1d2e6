// outlet: sends records to a receiver beside the file: a bounded queue, and a thread that connects, sends, and connects
// again. A receiver that is slow or gone stalls nobody: what the queue cannot take is counted.
#pragma once

#include "auth/base/err.h"
#include "proxy/audit/outlet_settings.h"

struct outlet;

// outlet_problem_fn is told, on the outlet's thread, when its receiver cannot be reached any more, and why; `problem` is
// NULL when it can again.
typedef void (*outlet_problem_fn)(const char *label, const char *problem);

// outlet_open starts the thread. `settings` are copied. ERR_MEMORY or ERR_SYSTEM with a sentence.
enum err outlet_open(const struct outlet_settings *settings, outlet_problem_fn on_problem,
                     struct outlet **out, struct errinfo *info) MUST_USE;

// outlet_offer queues a line, which is the two parts one after the other, without its line break, or counts it as lost.
// On the writer's thread.
void outlet_offer(struct outlet *outlet, struct slice body, struct slice end);

// outlet_take_lost gives how many lines were lost since it was asked last; 0 while the receiver cannot be reached.
uint64_t outlet_take_lost(struct outlet *outlet);

// outlet_label gives its name, borrowed.
const char *outlet_label(const struct outlet *outlet);

// outlet_is_failing tells whether a required receiver has been away for a second, or its queue is half full.
bool outlet_is_failing(struct outlet *outlet);

// outlet_close sends what waits for a few seconds at most, ends the thread and frees. Gives how many lines a required
// receiver did not get; of another one `on_problem` is told. NULL is allowed.
uint64_t outlet_close(struct outlet *outlet);
