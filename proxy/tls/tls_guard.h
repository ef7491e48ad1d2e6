// tls_guard: TLS to one server of ours that is known by name, such as a DNS server, as a stream_guard.
//
// What server_trust_judge refuses is not spoken to, and nothing goes out in the clear. Nothing is resumed.
#pragma once

#include "proxy/net/stream_guard.h"
#include "proxy/tls/server_trust.h"

// tls_guard_create makes a guard for the server that `trust` is for; the caller owns one reference. `trust` is taken over,
// also on failure. NULL without memory.
struct stream_guard *tls_guard_create(struct server_trust *trust) MUST_USE;
