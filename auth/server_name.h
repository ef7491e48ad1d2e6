// server_name: does a server's certificate have the name that its client means? (RFC 6125, RFC 9525)
//
// Pure. Only subject alternative names count, never the common name: DNS names, with `*.` for one label,
// or addresses. Whether the certificate is to be trusted is for trust.h.
#pragma once

#include <openssl/pool.h>

#include "auth/target.h"

// server_name_fits tells whether `leaf` has the name, or the address, of `server`; its port does not
// matter. False also for what cannot be read.
bool server_name_fits(const CRYPTO_BUFFER *leaf, const struct target *server);
