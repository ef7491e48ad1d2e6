// tail_view: audit records as they come: which of them are wanted, and each as one line for people.
//
// A `close` does not say whose it is: the decisions of late are remembered, so that its line and the filters know. Knows no
// terminal and no socket.
#pragma once

#include "proxy/cli/paint.h"
#include "proxy/history/entry.h"

struct tail_filter {
    const char *client; // borrowed; an account or an entry of `clients`; NULL: everybody
    const char *reason; // borrowed; NULL: any
    bool is_denied;     // only what was refused by policy or at the handshake
};

struct tail_view;

// tail_view_create makes one; NULL without memory.
struct tail_view *tail_view_create(const struct tail_filter *filter) MUST_USE;

void tail_view_destroy(struct tail_view *view);

// tail_view_wants remembers a decision, and tells whether a record is one of those that are wanted: all that is asked for is
// true of it.
bool tail_view_wants(struct tail_view *view, const struct history_entry *entry);

// tail_view_paint writes a record as a line, without its end.
void tail_view_paint(const struct tail_view *view, const struct history_entry *entry,
                     struct painter *painter);
