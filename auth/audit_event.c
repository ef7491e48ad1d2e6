// The names of the events.
#include "auth/audit_event.h"

#include <stddef.h>
#include <string.h>

static const struct {
    const char *name;
    bool has_id;
} events[] = {[AUDIT_EVENT_OTHER] = {"other", false},
#define X(symbol, name, has_id) [symbol] = {name, has_id},
              AUDIT_EVENT_TABLE(X)
#undef X
};

const char *audit_event_name(enum audit_event event)
{
    return events[event].name;
}

enum audit_event audit_event_named(const char *name)
{
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        if (strcmp(events[i].name, name) == 0)
            return (enum audit_event)i;
    }
    return AUDIT_EVENT_OTHER;
}

bool audit_event_has_id(enum audit_event event)
{
    return events[event].has_id;
}
