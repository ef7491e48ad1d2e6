// counts_message: what this process has, on its way to the one that serves, or is about to: tunnels of each account,
// connections, memory.
#pragma once

#include "proxy/handover/handover_link.h"
#include "proxy/limits/ledger.h"

// counts_message_send queues what has changed since the last time; `is_full`: all. False: not all of it could be queued.
bool counts_message_send(struct handover_link *link, struct ledger *ledger, bool is_full) MUST_USE;
