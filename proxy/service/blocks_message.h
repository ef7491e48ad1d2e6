// blocks_message: a list of blocks on its way to another process, in pieces.
#pragma once

#include "auth/blocklist.h"
#include "proxy/handover/handover_link.h"

// blocks_message_send queues the list. False: not all of it could be queued, and the link is of no use any more.
bool blocks_message_send(struct handover_link *link, const struct blocklist *blocks) MUST_USE;
