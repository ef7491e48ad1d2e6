// outlet: sends records to a receiver beside the file: a bounded queue, and a thread that connects, sends, and connects
// again. A receiver that is slow or gone stalls nobody: what the queue cannot take is counted.
#pragma once

#include "auth/base/err.h"
#include "proxy/outlet/outlet_settings.h"

struct outlet;

enum outlet_event {
    OUTLET_FAILS, // its receiver cannot be reached any more; `problem` says why
    OUTLET_WORKS, // it can again; `problem` is NULL
    OUTLET_LOSES, // it ends, and `problem` says what was not sent
};

// outlet_event_fn is told, on the outlet's thread or that of its end.
typedef void (*outlet_event_fn)(const char *label, enum outlet_event event, const char *problem);

// outlet_open starts the thread. `settings` are copied. ERR_MEMORY or ERR_SYSTEM with a sentence.
enum err outlet_open(const struct outlet_settings *settings, outlet_event_fn on_event,
                     struct outlet **out, struct errinfo *info) MUST_USE;

// outlet_is_for tells whether the outlet sends to the place of these settings, so that outlet_adapt makes it theirs.
bool outlet_is_for(const struct outlet *outlet, const struct outlet_settings *settings);

// outlet_adapt goes on with other settings of the same place. The queue stays; the connection too, if TLS is the same.
void outlet_adapt(struct outlet *outlet, const struct outlet_settings *settings);

// outlet_offer queues a line, which is the two parts one after the other, without its line break, or counts it as lost.
// outlet_flush is to follow, after some lines: the thread may sleep until then. Any thread, one at a time.
void outlet_offer(struct outlet *outlet, struct slice body, struct slice end);

// outlet_flush makes sure that what was offered is sent. Any thread.
void outlet_flush(struct outlet *outlet);

// outlet_take_lost gives how many lines were lost since it was asked last; 0 while the receiver cannot be reached.
uint64_t outlet_take_lost(struct outlet *outlet);

// outlet_label gives its name, borrowed.
const char *outlet_label(const struct outlet *outlet);

// outlet_is_failing tells whether a required receiver has been away for a second, or its queue is half full.
bool outlet_is_failing(struct outlet *outlet);

struct outlet_status {
    const char *label; // borrowed from the outlet
    enum outlet_form form;
    bool is_required;
    bool is_up;            // its receiver can be reached
    uint64_t queued_bytes; // that it has not got yet
    uint64_t lost;         // lines since the outlet was opened
};

// outlet_look tells how it is. Any thread.
void outlet_look(struct outlet *outlet, struct outlet_status *out);

// How long an end waits for what is queued: while there is a connection or one is being made, and otherwise. Milliseconds.
struct outlet_patience {
    int64_t up_ms;
    int64_t down_ms;
};

// outlet_stop makes the thread end once the queue is empty, or this patience is over. It returns at once, and may be called
// again with less. Nothing may be offered afterwards.
void outlet_stop(struct outlet *outlet, struct outlet_patience patience);

// outlet_has_ended tells whether the thread has nothing to do any more after outlet_stop, so that outlet_close returns at once.
bool outlet_has_ended(const struct outlet *outlet);

// outlet_count_unsent gives how many lines were lost that were not taken with outlet_take_lost, after outlet_has_ended.
uint64_t outlet_count_unsent(const struct outlet *outlet);

// outlet_close waits for the thread after outlet_stop, tells OUTLET_LOSES where that is so, and frees. Gives
// outlet_count_unsent. NULL is allowed.
uint64_t outlet_close(struct outlet *outlet);

// outlet_is_required tells whether its settings say so.
bool outlet_is_required(const struct outlet *outlet);
