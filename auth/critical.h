// critical: the critical extensions of a client's own certificate that the library does not know. They are good only if
// the config gives each of them a meaning (RFC 5280 4.2). Private to auth.
#pragma once

#include <openssl/x509.h>
#include <stdbool.h>

#include "auth/base/err.h"
#include "auth/base/slice.h"

// critical_are_understood tells whether the set `oids` has all of them.
bool critical_are_understood(X509 *leaf, struct slice oids);

// critical_read gives them as a set of OIDs that the caller frees. ERR_LIMIT when one is beyond every reason, ERR_MEMORY.
enum err critical_read(X509 *leaf, uint8_t **out, size_t *out_len) MUST_USE;
