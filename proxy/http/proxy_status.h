// proxy_status: what the answer of a proxy says about itself in Proxy-Status (RFC 9209), read from the field's value.
//
// Pure. Each proxy on the way adds its member at the end: the last one is of the proxy that we have asked.
#pragma once

#include "auth/base/slice.h"

// Borrowed from the value; empty where there is none.
struct proxy_status_member {
    struct slice name;    // of the proxy, such as `sallyport`
    struct slice details; // what stands between the quotes of `details`, with its escapes
};

// proxy_status_last gives the last member of a field's value (a list of RFC 8941). What is malformed, such as a quote that
// is never closed, has no member.
struct proxy_status_member proxy_status_last(struct slice value);
