// authorizer_settings: whom the proxy asks where a rule says `ask: true`. A plain value of a snapshot.
#pragma once

#include "auth/http_url.h"

struct server_trust;

struct authorizer_settings {
    struct http_url url;
    struct server_trust *tls; // ref; of an https:// URL; otherwise NULL
    bool has_system_cas;      // `tls` believes those of the system, which others look after
    int64_t timeout_ms;       // for the whole of a question
    int64_t ttl_max_ms;       // a yes holds no longer
    uint8_t digest
        [32]; // SHA-256: where it differs, somebody else is asked, or a yes holds for another time
};
