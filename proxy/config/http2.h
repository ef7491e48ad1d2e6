// http2: what a listener says about HTTP/2: `false`, or its bounds.
#pragma once

#include "proxy/config/section.h"
#include "proxy/http2/http2_options.h"

extern const struct section http2_section;

// http2_read reads the options into `out`; of NULL the defaults. Faults are reported.
void http2_read(struct reader *reader, const struct node *node, struct http2_options *out);
