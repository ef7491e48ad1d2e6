// blocks_message: what is known of blocks on its way to another process, in pieces.
#pragma once

#include "proxy/admin/block_state.h"
#include "proxy/handover/handover_link.h"

// blocks_message_send queues a list, for a process that goes by it; blocks_message_send_state all that is kept, for one that keeps
// it from then on. False: not all of it could be queued, and the link is of no use any more.
bool blocks_message_send(struct handover_link *link, const struct blocklist *blocks) MUST_USE;
bool blocks_message_send_state(struct handover_link *link,
                               const struct block_state *state) MUST_USE;
