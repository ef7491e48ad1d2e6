// egress: `egress` of a client: the addresses of this machine that its connections go out from.
#pragma once

#include "auth/policy.h"
#include "proxy/config/section.h"

extern const struct section egress_section;

// egress_read reads `egress` (NULL: left out) into the client. An address that is not on this machine is a warning:
// it may come later, and until then requests that need it are refused.
void egress_read(struct reader *reader, const struct node *node, struct client *client);
