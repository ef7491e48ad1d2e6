#include "tests/fleet/event_queue.h"

#include <stdbool.h>
#include <stdlib.h>

#include "auth/base/err.h"

static bool is_before(const struct queued_event *a, const struct queued_event *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

void event_queue_add(struct event_queue *queue, struct queued_event event)
{
    if (queue->count == queue->room) {
        queue->room = queue->room == 0 ? 4096 : 2 * queue->room;
        queue->heap = realloc(queue->heap, queue->room * sizeof event);
        ASSERT(queue->heap != NULL);
    }
    event.order = queue->order++;
    size_t at = queue->count++;
    for (; at > 0 && is_before(&event, &queue->heap[(at - 1) / 2]); at = (at - 1) / 2)
        queue->heap[at] = queue->heap[(at - 1) / 2];
    queue->heap[at] = event;
}

struct queued_event event_queue_next(struct event_queue *queue)
{
    const struct queued_event first = queue->heap[0];
    const struct queued_event last = queue->heap[--queue->count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= queue->count)
            break;
        if (child + 1 < queue->count && is_before(&queue->heap[child + 1], &queue->heap[child]))
            child++;
        if (!is_before(&queue->heap[child], &last))
            break;
        queue->heap[at] = queue->heap[child];
        at = child;
    }
    queue->heap[at] = last;
    return first;
}

void event_queue_deinit(struct event_queue *queue)
{
    free(queue->heap);
    *queue = (struct event_queue){0};
}
