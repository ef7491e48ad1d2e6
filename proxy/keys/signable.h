// signable: is a message one that TLS has signed? A key that signs anything could be made to sign a certificate, or a word of
// another protocol.
//
// Pure.
#pragma once

#include "auth/base/slice.h"

// signable_by_tls tells whether `message` is what a server or a client signs in TLS 1.3 (RFC 8446 4.4.3), a server in TLS 1.2
// with ECDHE (RFC 8422 5.4), or a client in TLS 1.2 (RFC 5246 7.4.8). It is strict about their form, and says nothing about
// their content.
bool signable_by_tls(struct slice message);
