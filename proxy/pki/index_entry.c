// Reads serial, kind and validity of a certificate.
#include "proxy/pki/index_entry.h"

#include <openssl/x509v3.h>

#include "auth/base/text.h"
#include "auth/identity.h"
#include "proxy/pki/names.h"

static enum index_kind kind_of(X509 *cert)
{
    if (X509_check_ca(cert))
        return INDEX_CA;
    return (X509_get_extended_key_usage(cert) & XKU_SSL_SERVER) != 0 ? INDEX_SERVER : INDEX_CLIENT;
}

bool index_entry_of(X509 *cert, const char *name, struct index_entry *out)
{
    *out = (struct index_entry){.kind = kind_of(cert)};
    struct identity *identity = NULL;
    if (!authority_name_is_valid(name) || identity_create(cert, NULL, &identity) != ERR_OK)
        return false;
    struct text serial;
    char hex[INDEX_SERIAL_CAP];
    text_init(&serial, hex, sizeof hex);
    text_append_hex(&serial, identity->serial);
    const bool is_good = !serial.is_cut &&
                         index_parse_serial(serial.len == 0 ? "0" : hex, out->serial) &&
                         string_copy(out->name, sizeof out->name, slice_of_string(name));
    out->not_before_s = identity->not_before_s;
    out->not_after_s = identity->not_after_s;
    identity_destroy(identity);
    return is_good;
}
