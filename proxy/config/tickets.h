// tickets: `tls.tickets` of the listeners: how long ticket keys live, and the file of those that are shared.
//
// The keys belong to the process: listeners that say something say the same.
#pragma once

#include "proxy/config/section.h"
#include "proxy/config/snapshot.h"

extern const struct section tickets_section;

// tickets_read reads `tickets` of one listener into `tickets`, and its file. NULL: it says nothing.
void tickets_read(struct reader *reader, const struct node *node, struct tickets *tickets);
