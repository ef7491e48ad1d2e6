// event_queue: what is to happen, in the order of virtual time; of the same time in the order in which it was added.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct queued_event {
    int64_t at_ms;
    uint64_t order; // set by event_queue_add
    int kind;
    uint32_t proxy;
    uint32_t part;   // of the proxy: which of its questions
    uint64_t number; // of the connection, the process or the message that is meant
    void *data;      // owned by the one who has added it
};

// event_queue is zeroed when it is empty.
struct event_queue {
    struct queued_event *heap; // owned
    size_t count, room;
    uint64_t order;
};

void event_queue_add(struct event_queue *queue, struct queued_event event);

// event_queue_next takes the first one; there must be one.
struct queued_event event_queue_next(struct event_queue *queue);

void event_queue_deinit(struct event_queue *queue);
