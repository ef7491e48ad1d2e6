// credential_files: the files that the credentials of the client's side are read from.
#pragma once

#include "proxy/uplink/upstream.h"

// credential_paths is where they are.
struct credential_paths {
    const char *cert; // NULL: no certificate is shown
    const char *key;  // may be the same file
    const char *ca;
};

// proxy_way is how the proxy is reached, as the command line says.
struct proxy_way {
    struct proxy_route_options route;
    struct credential_paths paths;
};

// credentials_load reads the files at `now_s` (Unix seconds). The caller owns one reference. ERR_INPUT, ERR_SYSTEM,
// ERR_LIMIT or ERR_MEMORY, with the kind in `*out_cause` and the sentence in `info`. Blocking.
enum err credentials_load(const struct credential_paths *paths, int64_t now_s,
                          struct credentials **out, enum cause *out_cause,
                          struct errinfo *info) MUST_USE;
