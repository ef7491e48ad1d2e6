// limits: the sections that say how much a client, a source and the whole proxy may use. Opens no files.
#pragma once

#include "auth/limits.h"
#include "proxy/config/section.h"

extern const struct section client_limits_section;
extern const struct section proxy_limits_section;
extern const struct section source_limits_section; // `source` in the proxy's limits

// client_limits_read reads `limits` of a client. A key that is not there sets no limit; NULL: no limits.
void client_limits_read(struct reader *reader, const struct node *node, struct client_limits *out);

// proxy_limits_check warns about limits that so many workers can hardly keep. `node` is the section; NULL: there is none.
void proxy_limits_check(struct reader *reader, const struct node *node,
                        const struct proxy_limits *limits, uint32_t workers);

enum { LIMITS_TEXT_CAP = 256 }; // bytes, with the NUL

// client_limits_format and proxy_limits_format write what is limited, such as `tunnels 500, age 12h`;
// NUL-terminated, empty without limits. They return `out`.
const char *client_limits_format(const struct client_limits *limits, char out[LIMITS_TEXT_CAP]);
const char *proxy_limits_format(const struct proxy_limits *limits, char out[LIMITS_TEXT_CAP]);
