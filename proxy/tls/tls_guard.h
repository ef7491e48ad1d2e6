// tls_guard: TLS to one server of ours that is known by name, such as a DNS server, as a stream_guard.
//
// The server's chain must be good under a trust profile, and its certificate must have the name; nothing else is accepted, and nothing
// goes out in the clear. No certificate of ours is shown. Nothing is resumed.
#pragma once

#include "auth/target.h"
#include "auth/trust.h"
#include "proxy/net/stream_guard.h"

// tls_guard_create makes a guard for `server`, whose port does not matter; the caller owns one reference. `trust` is
// finished, for servers, and taken over, also on failure. ERR_MEMORY.
enum err tls_guard_create(struct trust *trust, const struct target *server,
                          struct stream_guard **out) MUST_USE;
