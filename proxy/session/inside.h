// inside: what the tunnel of an exchange carries, held against what its client may reach (auth/inner.h).
//
// It asks policy and DNS, and answers. Nothing here ends an exchange or enters a state: exchange.c does.
#pragma once

#include "proxy/session/exchange_parts.h"

// inside_inspect has what the client says inside the tunnel looked at, where the rule that admits it says so, and makes room
// to record it. ERR_MEMORY.
enum err inside_inspect(struct exchange *exchange) MUST_USE;

// inside_inspect_by does so by these rules. `is_report`: nothing is held.
enum err inside_inspect_by(struct exchange *exchange, const struct inner *inner,
                           bool is_report) MUST_USE;

// inside_judge answers what the inspection asks about. GO: the tunnel goes on, and the inspection knows; also where it is
// only observed, and its `close` will say what would have been. WAIT: DNS has not answered yet. REFUSE: the tunnel is to end
// with the verdict's reason.
enum verdict_kind inside_judge(struct exchange *exchange, const struct inner_verdict *verdict);

// inside_is_still_allowed judges what was seen inside a live tunnel by other `rules`, which hold from then on. What they
// would hold, and nobody has looked at, is not allowed.
bool inside_is_still_allowed(struct exchange *exchange, const struct inner *rules);
