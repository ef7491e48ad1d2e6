// The library compares; what is compared is a canonical name or the bytes of an address.
#include "auth/server_name.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

bool server_name_fits(const CRYPTO_BUFFER *leaf, const struct target *server)
{
    X509 *cert = X509_parse_from_buffer((CRYPTO_BUFFER *)(uintptr_t)leaf);
    bool fits = false;
    if (cert != NULL && server->kind == TARGET_NAME)
        fits = X509_check_host(cert, server->name.text, server->name.len,
                               X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) == 1;
    else if (cert != NULL)
        fits = X509_check_ip(cert, server->address.bytes, server->address.family == IP_V4 ? 4 : 16,
                             0) == 1;
    X509_free(cert);
    ERR_clear_error();
    return fits;
}
