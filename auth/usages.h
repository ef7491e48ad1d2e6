// usages: what a certificate may be used for by its extended key usage (RFC 5280 4.2.1.12), as far as a trust profile
// can ask.
#pragma once

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Usages in the words of the configuration. NONE: no extended key usage at all. ANY: anyExtendedKeyUsage.
#define USAGE_TABLE(X)                                                                             \
    X(USAGE_CLIENT_AUTH, "client_auth", 0)                                                         \
    X(USAGE_NONE, "none", 1)                                                                       \
    X(USAGE_ANY, "any", 2)                                                                         \
    X(USAGE_SERVER_AUTH, "server_auth", 3)

enum usage {
#define X(symbol, name, bit) symbol = 1 << (bit),
    USAGE_TABLE(X)
#undef X
};

enum { USAGE_COUNT = 4 };

// usage_name gives the word for the usage with this number, below USAGE_COUNT; static memory.
const char *usage_name(size_t number);

// usages_of gives the bits of enum usage that hold for a certificate: USAGE_NONE alone without the extension, 0 for
// one that is for something else.
uint32_t usages_of(X509 *cert);

// usages_fit tells whether a certificate with these usages is good where `allowed` ones are. An issuer without
// the extension constrains nobody, whatever is allowed.
bool usages_fit(uint32_t usages, uint32_t allowed, bool is_issuer);
