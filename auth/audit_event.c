// The names of the events.
#include "auth/audit_event.h"

#include <stddef.h>
#include <string.h>

static const struct {
    const char *name;
    enum audit_event event;
    bool has_id;
} events[] = {
#define X(symbol, name, has_id) {name, symbol, has_id},
    AUDIT_EVENT_TABLE(X)
#undef X
};

enum { EVENT_COUNT = sizeof events / sizeof events[0] };

const char *audit_event_name(enum audit_event event)
{
    for (size_t i = 0; i < EVENT_COUNT; i++) {
        if (events[i].event == event)
            return events[i].name;
    }
    return "other";
}

enum audit_event audit_event_named(const char *name)
{
    for (size_t i = 0; i < EVENT_COUNT; i++) {
        if (strcmp(events[i].name, name) == 0)
            return events[i].event;
    }
    return AUDIT_EVENT_OTHER;
}

bool audit_event_has_id(enum audit_event event)
{
    for (size_t i = 0; i < EVENT_COUNT; i++) {
        if (events[i].event == event)
            return events[i].has_id;
    }
    return false;
}
