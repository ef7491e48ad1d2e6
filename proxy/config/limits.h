// limits: the sections that say how much a client, a source and the whole proxy may use. Opens no files.
#pragma once

#include "auth/limits.h"
#include "proxy/config/reader.h"

// client_limits_read reads `limits` of a client. What does not stand there is no limit; NULL: none at all.
void client_limits_read(struct reader *reader, const struct node *node, struct client_limits *out);

// proxy_limits_read reads the top level's `limits`, likewise; `head` always has a value.
void proxy_limits_read(struct reader *reader, const struct node *node, struct proxy_limits *out);

// bounded_size_read reads a size from `min` to `max`; `*out` stays where there is none or a bad one.
void bounded_size_read(struct reader *reader, const struct node *node, const char *what,
                       uint32_t min, uint32_t max, uint32_t *out);

enum { LIMITS_TEXT_CAP = 256 }; // bytes, with the NUL

// client_limits_format and proxy_limits_format write what is limited, such as `tunnels 500, age 12h`, or
// nothing where nothing is; NUL-terminated. They return `out`.
const char *client_limits_format(const struct client_limits *limits, char out[LIMITS_TEXT_CAP]);
const char *proxy_limits_format(const struct proxy_limits *limits, char out[LIMITS_TEXT_CAP]);
