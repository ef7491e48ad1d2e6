// parent_config: a proxy that requests may be sent through, as it is configured. A plain value of a snapshot.
#pragma once

#include "auth/rules.h"
#include "auth/target.h"

enum { PARENT_PROXIES_MAX = 8 };

struct credentials;

struct parent_config {
    const char *name;                // snapshot's arena
    const struct target *proxies;    // snapshot's arena; in the order in which they are tried
    size_t proxy_count;              // 1 to PARENT_PROXIES_MAX
    bool is_clear;                   // http://, not https://
    bool tells_client;               // it is told whose request it is (RFC 9440)
    struct credentials *credentials; // owned; NULL: no TLS
};
