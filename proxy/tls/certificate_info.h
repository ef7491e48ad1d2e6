// certificate_info: the facts about a certificate that is served. A plain value.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// tls_context_info is what `check` tells about the certificate that a context serves.
struct tls_context_info {
    char subject[256];   // RFC 4514, cut when too long
    int64_t not_after_s; // Unix seconds, of the leaf
    int64_t not_before_s;
    bool has_server_auth; // usable as a server certificate by its EKU (or has none)
    bool has_client_auth; // likewise as a client's
    size_t san_count;     // subject alternative names of types DNS and IP: clients need one
};
