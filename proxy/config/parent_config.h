// parent_config: a proxy that requests may be sent through, as it is configured. A plain value of a snapshot.
#pragma once

#include "auth/rules.h"
#include "auth/target.h"

enum { PARENT_PROXIES_MAX = 8 };

struct credentials;
struct proxy_board;
struct srv_settings;

// parent_health says how its proxies are checked. Zeroed: they are not.
struct parent_health {
    int64_t every_ms;
    uint32_t fall; // failed checks in a row after which a proxy is down
    uint32_t rise; // good ones after which it is not
};

struct parent_config {
    const char *name;             // snapshot's arena
    const struct target *proxies; // snapshot's arena; in the order in which they are tried
    size_t proxy_count;           // 1 to PARENT_PROXIES_MAX; 0 with `srv`
    const struct srv_settings
        *srv;          // snapshot's arena; DNS says where its proxies are; NULL: `proxies` are
    bool is_clear;     // http://, not https://
    bool resolves;     // names go to it as they are
    bool tells_client; // it is told whose request it is (RFC 9440)
    struct credentials *credentials; // owned; NULL: no TLS
    struct parent_health health;
    struct proxy_board *board; // owned; which proxies are down; NULL: they are not checked
};
