// proxy_header_out: the PROXY header, version 2, that tells a target whose connection it gets (proxy-protocol.txt of HAProxy,
// 2.2). Pure: values in, bytes out.
#pragma once

#include "auth/ipaddr.h"

enum {
    PROXY_HEADER_ID_MAX = 128, // bytes of the id (2.2.5)
    PROXY_HEADER_NAME_MAX =
        256, // of the certificate's name; one that is longer, or has C0 or DEL, is left out
    PROXY_HEADER_OUT_CAP = 640, // of the longest header that is made
};

// What the header says; all is borrowed.
struct proxy_header_out {
    struct ip_addr source; // the client's; IP_NONE: not known, and then neither end is told
    uint16_t source_port;
    struct ip_addr target; // that is connected to
    uint16_t target_port;
    struct slice id;         // of the request; at most PROXY_HEADER_ID_MAX bytes
    const char *tls_version; // of the client's connection: `1.2`, `1.3`
    const char *tls_cipher;
    bool has_certificate;   // the client has shown one, and it was verified
    bool is_resumed;        // it did so on an earlier connection of the same TLS session
    struct slice cert_name; // the CN; empty: it has none
};

// proxy_header_format writes the header and gives its length.
size_t proxy_header_format(const struct proxy_header_out *out,
                           uint8_t header[PROXY_HEADER_OUT_CAP]);
