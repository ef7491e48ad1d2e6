// audit_event: the events of the audit log. One enum with stable names, for writers and readers of the log
// back; docs/AUDIT.md says what they hold. Names are never changed or reused.
#pragma once

#include <stdbool.h>

// The last column: whether a record of this event has an `id`.
#define AUDIT_EVENT_TABLE(X)                                                                       \
    X(AUDIT_EVENT_DECISION, "decision", true)                                                      \
    X(AUDIT_EVENT_CLOSE, "close", true)                                                            \
    X(AUDIT_EVENT_HANDSHAKE_REFUSED, "handshake_refused", true)                                    \
    X(AUDIT_EVENT_REQUESTS_REFUSED, "requests_refused", false)                                     \
    X(AUDIT_EVENT_ADMIN, "admin", false)                                                           \
    X(AUDIT_EVENT_RECORDS_LOST, "records_lost", false)                                             \
    X(AUDIT_EVENT_SINK_LOST, "sink_lost", false)                                                   \
    X(AUDIT_EVENT_CHECKPOINT, "checkpoint", false)

enum audit_event {
    AUDIT_EVENT_OTHER, // of a later version
#define X(symbol, name, has_id) symbol,
    AUDIT_EVENT_TABLE(X)
#undef X
};

// audit_event_name gives the stable name; static memory.
const char *audit_event_name(enum audit_event event);

// audit_event_named finds the event of a name; AUDIT_EVENT_OTHER where there is none.
enum audit_event audit_event_named(const char *name);

// audit_event_has_id tells whether its records have an `id`.
bool audit_event_has_id(enum audit_event event);
