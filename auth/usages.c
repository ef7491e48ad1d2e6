// Extended key usages as a set of bits.
#include "auth/usages.h"

#include <openssl/x509v3.h>

#include "auth/base/err.h"

const char *usage_name(size_t number)
{
    static const char *const names[] = {
#define X(symbol, name, bit) [bit] = name,
        USAGE_TABLE(X)
#undef X
    };
    ASSERT(number < USAGE_COUNT);
    return names[number];
}

uint32_t usages_of(X509 *cert)
{
    const uint32_t found = X509_get_extended_key_usage(cert);
    if ((X509_get_extension_flags(cert) & EXFLAG_XKUSAGE) == 0)
        return USAGE_NONE;
    return ((found & XKU_SSL_CLIENT) != 0 ? (uint32_t)USAGE_CLIENT_AUTH : 0) |
           ((found & XKU_SSL_SERVER) != 0 ? (uint32_t)USAGE_SERVER_AUTH : 0) |
           ((found & XKU_ANYEKU) != 0 ? (uint32_t)USAGE_ANY : 0);
}

bool usages_fit(uint32_t usages, uint32_t allowed, bool is_issuer)
{
    return (usages & (allowed | (is_issuer ? (uint32_t)USAGE_NONE : 0))) != 0;
}
