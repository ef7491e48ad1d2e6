// proxy_header: what a balancer says before everything else about the connection that it passes on: the PROXY protocol,
// versions 1 and 2 (proxy-protocol.txt of HAProxy, 2020-03-05). Pure: bytes in, values out.
//
// The address of the client is taken, and nothing else: no name, no certificate, no word of its other parts. What
// two readers could read in two ways is bad. Whether the sender may say such a thing is the caller's question.
#pragma once

#include "auth/ipaddr.h"

enum {
    PROXY_HEADER_V1_MAX_LEN = 107, // bytes, with the line break (2.1)
    PROXY_HEADER_MAX_LEN = 4096,   // bytes of a header that is read; version 2 could have 64 KiB
};

enum proxy_header_status {
    PROXY_HEADER_OK,
    PROXY_HEADER_MORE, // it is not complete: all of the bytes belong to it, and more will
    PROXY_HEADER_BAD,
};

struct proxy_header {
    size_t len; // bytes of the header; what follows is not the balancer's
    // LOCAL, UNKNOWN, or no family: the connection is the balancer's own, or it cannot say whose it is
    bool is_unknown;
    struct ip_addr source; // the client's; canonical; IP_NONE with `is_unknown`
    uint16_t port;         // the client's
};

// proxy_header_parse reads the header at the front of `bytes`. After PROXY_HEADER_OK `*out` is set. After PROXY_HEADER_BAD
// `*out_why` is a sentence, static memory. PROXY_HEADER_MORE is never said of PROXY_HEADER_MAX_LEN bytes.
enum proxy_header_status proxy_header_parse(struct slice bytes, struct proxy_header *out,
                                            const char **out_why);
