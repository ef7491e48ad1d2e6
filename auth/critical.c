// Reads OIDs only; what is in the extensions is for identity.c.
#include "auth/critical.h"

#include <openssl/x509v3.h>
#include <stdlib.h>

#include "auth/cert_id.h"

static bool is_unknown(const X509 *leaf, int index)
{
    const X509_EXTENSION *extension = X509_get_ext(leaf, index);
    return X509_EXTENSION_get_critical(extension) && !X509_supported_extension(extension);
}

bool critical_are_understood(X509 *leaf, struct slice oids)
{
    for (int i = 0; i < X509_get_ext_count(leaf); i++) {
        if (is_unknown(leaf, i) && !oid_set_has(oids, extension_at(leaf, i).oid))
            return false;
    }
    return true;
}

enum err critical_read(X509 *leaf, uint8_t **out, size_t *out_len)
{
    const int count = X509_get_ext_count(leaf);
    size_t len = 0;
    *out_len = 0;
    for (int i = 0; i < count; i++) {
        if (!is_unknown(leaf, i))
            continue;
        if (extension_at(leaf, i).oid.len > EXTENSION_OID_MAX)
            return ERR_LIMIT;
        len += 1 + extension_at(leaf, i).oid.len;
    }
    *out = malloc(len + 1);
    if (*out == NULL)
        return ERR_MEMORY;
    for (int i = 0; i < count; i++) {
        const struct slice oid = extension_at(leaf, i).oid;
        if (!is_unknown(leaf, i))
            continue;
        ASSERT(oid_set_put(*out, len, out_len, oid));
    }
    return ERR_OK;
}
