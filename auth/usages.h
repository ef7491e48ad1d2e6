// usages: what a certificate's extended key usage (RFC 5280 4.2.1.12) says it is for, as far as a trust
// profile can ask. Private to auth.
#pragma once

#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

// usages_of gives the bits of enum trust_usage that hold for a certificate: TRUST_USAGE_NONE alone without
// the extension, 0 for one that is for something else.
uint32_t usages_of(X509 *cert);

// usages_fit tells whether a certificate with these usages is good where `allowed` ones are. An issuer without
// the extension constrains nobody, whatever is allowed.
bool usages_fit(uint32_t usages, uint32_t allowed, bool is_issuer);
