// egress: `egress` of a client: the addresses of ours that it goes out from.
#pragma once

#include "auth/policy.h"
#include "proxy/config/reader.h"

// egress_read reads `egress` (NULL: left out) into the client. An address that is not on this machine is a warning:
// it may come later, and until then what needs it is refused.
void egress_read(struct reader *reader, const struct node *node, struct client *client);
