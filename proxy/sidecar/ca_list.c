// Walks from the leaf upwards by names.
#include "proxy/sidecar/ca_list.h"

#include <openssl/err.h>
#include <openssl/x509.h>

#include "auth/dn.h"
#include "auth/pem.h"

enum { STEPS_MAX = 16, NAMES_SHOWN = 4 };

static struct slice name_der(X509_NAME *name)
{
    struct slice der = {0};
    if (X509_NAME_get0_der(name, &der.data, &der.len) != 1)
        der = (struct slice){0};
    return der;
}

// has_name tells whether a name of the list is alike to `der` by `is_alike`.
static bool has_name(const STACK_OF(CRYPTO_BUFFER) *names, struct slice der,
                     bool (*is_alike)(const struct dn *a, const struct dn *b))
{
    struct dn wanted;
    if (dn_from_der(der, &wanted) != ERR_OK)
        return false;
    for (size_t i = 0; i < sk_CRYPTO_BUFFER_num(names); i++) {
        const CRYPTO_BUFFER *name = sk_CRYPTO_BUFFER_value(names, i);
        struct dn listed;
        if (dn_from_der(slice_of(CRYPTO_BUFFER_data(name), CRYPTO_BUFFER_len(name)), &listed) ==
                ERR_OK &&
            is_alike(&listed, &wanted))
            return true;
    }
    return false;
}

// find_subject gives the certificate of the stack with that subject, or NULL.
static X509 *find_subject(const STACK_OF(X509) *certs, const X509_NAME *name)
{
    for (size_t i = 0; i < sk_X509_num(certs); i++) {
        X509 *cert = sk_X509_value(certs, i);
        if (X509_NAME_cmp(X509_get_subject_name(cert), name) == 0)
            return cert;
    }
    return NULL;
}

// climb follows issuers from `cert` through `certs` until one is listed; gives the last one it came to.
static X509 *climb(X509 *cert, const STACK_OF(X509) *certs, const STACK_OF(CRYPTO_BUFFER) *names,
                   bool *out_is_listed)
{
    *out_is_listed = false;
    for (int i = 0; i < STEPS_MAX; i++) {
        if (has_name(names, name_der(X509_get_issuer_name(cert)), dn_equal)) {
            *out_is_listed = true;
            return cert;
        }
        X509 *issuer = find_subject(certs, X509_get_issuer_name(cert));
        if (issuer == NULL || issuer == cert)
            return cert;
        cert = issuer;
    }
    return cert;
}

// parse_all parses certificates; NULL when one cannot be read, or without memory.
static STACK_OF(X509) *parse_all(const STACK_OF(CRYPTO_BUFFER) *ders)
{
    STACK_OF(X509) *certs = sk_X509_new_null();
    for (size_t i = 0; certs != NULL && i < sk_CRYPTO_BUFFER_num(ders); i++) {
        X509 *cert = X509_parse_from_buffer(sk_CRYPTO_BUFFER_value(ders, i));
        if (cert != NULL && sk_X509_push(certs, cert) != 0)
            continue;
        X509_free(cert);
        sk_X509_pop_free(certs, X509_free);
        certs = NULL;
    }
    return certs;
}

static enum ca_list_finding judge(const STACK_OF(X509) *chain, const STACK_OF(X509) *known,
                                  const STACK_OF(CRYPTO_BUFFER) *names)
{
    bool is_listed = false;
    X509 *top = climb(sk_X509_value(chain, 0), chain, names, &is_listed);
    if (is_listed)
        return CA_LIST_FITS;
    X509 *missing = find_subject(known, X509_get_issuer_name(top));
    if (missing != NULL) {
        (void)climb(missing, known, names, &is_listed);
        if (is_listed)
            return CA_LIST_LACKS_INTERMEDIATE;
    }
    return has_name(names, name_der(X509_get_issuer_name(top)), dn_equal_but_common_name)
               ? CA_LIST_LACKS_INTERMEDIATE
               : CA_LIST_UNKNOWN;
}

enum ca_list_finding ca_list_check(const STACK_OF(CRYPTO_BUFFER) *chain,
                                   const STACK_OF(CRYPTO_BUFFER) *names, struct slice known_pem)
{
    struct errinfo info;
    enum ca_list_finding finding = CA_LIST_UNREADABLE;
    STACK_OF(CRYPTO_BUFFER) *ders = sk_CRYPTO_BUFFER_new_null();
    STACK_OF(X509) *certs = parse_all(chain);
    STACK_OF(X509) *known = NULL;
    if (ders != NULL && pem_read_chain(known_pem, ders, &info) == ERR_OK)
        known = parse_all(ders);
    if (sk_CRYPTO_BUFFER_num(names) == 0)
        finding = CA_LIST_SILENT;
    else if (sk_X509_num(certs) > 0 && known != NULL)
        finding = judge(certs, known, names);
    sk_X509_pop_free(certs, X509_free);
    sk_X509_pop_free(known, X509_free);
    sk_CRYPTO_BUFFER_pop_free(ders, CRYPTO_BUFFER_free);
    ERR_clear_error();
    return finding;
}

size_t ca_list_wire_len(const STACK_OF(CRYPTO_BUFFER) *names)
{
    size_t len = 0;
    for (size_t i = 0; i < sk_CRYPTO_BUFFER_num(names); i++)
        len += 2 + CRYPTO_BUFFER_len(sk_CRYPTO_BUFFER_value(names, i));
    return len;
}

void ca_list_append(const STACK_OF(CRYPTO_BUFFER) *names, struct text *out)
{
    const size_t count = sk_CRYPTO_BUFFER_num(names);
    for (size_t i = 0; i < count && i < NAMES_SHOWN; i++) {
        const CRYPTO_BUFFER *name = sk_CRYPTO_BUFFER_value(names, i);
        struct dn dn;
        text_append_string(out, i == 0 ? "" : "; ");
        if (dn_from_der(slice_of(CRYPTO_BUFFER_data(name), CRYPTO_BUFFER_len(name)), &dn) == ERR_OK)
            dn_format(&dn, out);
        else
            text_append_string(out, "(unreadable)");
    }
    if (count > NAMES_SHOWN)
        text_append_format(out, "; and %zu more", count - NAMES_SHOWN);
}
