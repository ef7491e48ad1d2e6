// proxy_protocol: what a listener says about balancers that pass connections on: from whom a PROXY header must come first.
#pragma once

#include "proxy/config/section.h"
#include "proxy/config/snapshot.h"

extern const struct section proxy_protocol_section;

// proxy_protocol_read reads the section into `out`; of NULL it is off. Faults are reported.
void proxy_protocol_read(struct reader *reader, const struct node *node,
                         struct proxy_protocol *out);
