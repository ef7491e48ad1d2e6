// Reads a certificate with its key, and picks among several the one that a client can verify.
//
// What a client can verify stands in its ClientHello: in TLS 1.3 the signature algorithms alone
// (RFC 8446 4.2.3), in TLS 1.2 the cipher suite has to fit the key as well (RFC 5246 7.4.2, RFC 8422).
#include "proxy/tls/certificate.h"

#include <openssl/bytestring.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/nid.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "auth/pem.h"
#include "proxy/tls/signature.h"

// chain_read reads the certificates of a PEM text, leaf first, into `out`.
static enum err chain_read(struct slice pem, struct certificate *out, struct errinfo *info)
{
    out->stack = sk_CRYPTO_BUFFER_new_null();
    if (out->stack == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory");
    TRY(pem_read_chain(pem, out->stack, info));
    out->count = sk_CRYPTO_BUFFER_num(out->stack);
    if (out->count == 0)
        return errinfo_set(info, ERR_INPUT,
                           "no certificate in it: expected PEM, `-----BEGIN CERTIFICATE-----`, "
                           "leaf first");
    if (out->count > CHAIN_MAX_CERTIFICATES)
        return errinfo_set(info, ERR_INPUT, "more than %d certificates in it",
                           CHAIN_MAX_CERTIFICATES);
    for (size_t i = 0; i < out->count; i++)
        out->chain[i] = sk_CRYPTO_BUFFER_value(out->stack, i);
    return ERR_OK;
}

// take_key takes the key, or the public half of one that is apart.
static enum err take_key(const struct tls_key *key, struct certificate *out, struct errinfo *info)
{
    if (key->problem != NULL)
        return errinfo_set(info, ERR_INPUT, "%s", key->problem);
    if (key->apart == NULL)
        return private_key_parse(key->pem, &out->key, info);
    out->apart = private_key_ref(key->apart);
    out->key = key->apart->public_key;
    (void)EVP_PKEY_up_ref(out->key);
    return ERR_OK;
}

static int64_t time_of(const ASN1_TIME *time)
{
    int64_t seconds = 0;
    return ASN1_TIME_to_posix(time, &seconds) ? seconds : 0;
}

// keep_name keeps a DNS name of the leaf for choosing by it. What no client could ask for is left out.
static bool keep_name(struct certificate *out, const ASN1_STRING *name)
{
    const struct slice text =
        slice_of(ASN1_STRING_get0_data(name), (size_t)ASN1_STRING_length(name));
    const bool is_wildcard = text.len > 2 && text.data[0] == '*' && text.data[1] == '.';
    struct served_name kept = {.is_wildcard = is_wildcard};
    if (hostname_parse(is_wildcard ? slice_from(text, 2) : text, &kept.name) != ERR_OK ||
        out->name_count == NAMES_MAX)
        return true;
    struct served_name *names = realloc(out->names, (out->name_count + 1) * sizeof *names);
    if (names == NULL)
        return false;
    names[out->name_count++] = kept;
    out->names = names;
    return true;
}

// describe_leaf notes the facts about the served leaf that `check` tells.
static bool describe_leaf(CRYPTO_BUFFER *leaf, struct certificate *out)
{
    X509 *x509 = X509_parse_from_buffer(leaf);
    if (x509 == NULL) {
        ERR_clear_error();
        return false;
    }
    out->info.not_before_s = time_of(X509_get0_notBefore(x509));
    out->info.not_after_s = time_of(X509_get0_notAfter(x509));
    out->info.has_server_auth = (X509_get_extended_key_usage(x509) & XKU_SSL_SERVER) != 0;
    out->info.has_client_auth = (X509_get_extended_key_usage(x509) & XKU_SSL_CLIENT) != 0;
    BIO *bio = BIO_new(BIO_s_mem());
    const uint8_t *text = NULL;
    size_t len = 0;
    if (bio != NULL &&
        X509_NAME_print_ex(bio, X509_get_subject_name(x509), 0, XN_FLAG_RFC2253) >= 0 &&
        BIO_mem_contents(bio, &text, &len))
        (void)string_copy(
            out->info.subject, sizeof out->info.subject,
            slice_of(text, len < sizeof out->info.subject ? len : sizeof out->info.subject - 1));
    BIO_free(bio);
    GENERAL_NAMES *names = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
    bool is_good = true;
    for (size_t i = 0; names != NULL && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        out->info.san_count += name->type == GEN_DNS || name->type == GEN_IPADD ? 1 : 0;
        if (name->type == GEN_DNS)
            is_good &= keep_name(out, name->d.dNSName);
    }
    GENERAL_NAMES_free(names);
    X509_free(x509);
    ERR_clear_error();
    return is_good;
}

// is_mismatch tells BoringSSL's ways to say that key and certificate are not a pair.
static bool is_mismatch(uint32_t code)
{
    const int reason = ERR_GET_REASON(code);
    if (ERR_GET_LIB(code) == ERR_LIB_SSL)
        return reason == SSL_R_CERTIFICATE_AND_PRIVATE_KEY_MISMATCH;
    return ERR_GET_LIB(code) == ERR_LIB_X509 &&
           (reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH);
}

// signature_of gives what TLS 1.3 signs with under a key on a curve; 0: TLS does not know the curve.
static uint16_t signature_of(const EVP_PKEY *key)
{
    if (EVP_PKEY_id(key) == EVP_PKEY_ED25519)
        return SSL_SIGN_ED25519;
    switch (EC_GROUP_get_curve_name(EC_KEY_get0_group(EVP_PKEY_get0_EC_KEY(key)))) {
    case NID_X9_62_prime256v1:
        return SSL_SIGN_ECDSA_SECP256R1_SHA256;
    case NID_secp384r1:
        return SSL_SIGN_ECDSA_SECP384R1_SHA384;
    case NID_secp521r1:
        return SSL_SIGN_ECDSA_SECP521R1_SHA512;
    default:
        return 0;
    }
}

bool certificate_serve(const struct certificate *certificate, SSL *ssl)
{
    const bool is_apart = certificate->apart != NULL;
    return SSL_set_chain_and_key(ssl, certificate->chain, certificate->count,
                                 is_apart ? NULL : certificate->key,
                                 is_apart ? &signature_method : NULL);
}

bool certificate_serve_all(const struct certificate *certificate, SSL_CTX *ctx)
{
    const bool is_apart = certificate->apart != NULL;
    return SSL_CTX_set_chain_and_key(ctx, certificate->chain, certificate->count,
                                     is_apart ? NULL : certificate->key,
                                     is_apart ? &signature_method : NULL);
}

// has_key_of_leaf tells whether the leaf is for this key: for a key that is apart the library does not look.
static bool has_key_of_leaf(const struct certificate *certificate)
{
    X509 *leaf = X509_parse_from_buffer(certificate->chain[0]);
    EVP_PKEY *key = leaf == NULL ? NULL : X509_get_pubkey(leaf);
    const bool is_same = key != NULL && EVP_PKEY_cmp(key, certificate->key) == 1;
    EVP_PKEY_free(key);
    X509_free(leaf);
    ERR_clear_error();
    return is_same;
}

static enum err refuse_mismatch(const struct certificate *certificate, struct errinfo *info)
{
    return errinfo_set(info, ERR_INPUT,
                       "the private key does not belong to the first certificate of the chain "
                       "(%s): the leaf must come first",
                       certificate->info.subject);
}

// check_pair has the library check that chain and key belong together, and can be served.
static enum err check_pair(const struct certificate *certificate, struct errinfo *info)
{
    SSL_CTX *scratch = SSL_CTX_new(TLS_with_buffers_method());
    if (scratch == NULL)
        return ERR_MEMORY;
    const bool is_good = certificate_serve_all(certificate, scratch);
    const uint32_t code = ERR_peek_last_error();
    ERR_clear_error();
    SSL_CTX_free(scratch);
    if (is_mismatch(code) || (is_good && !has_key_of_leaf(certificate)))
        return refuse_mismatch(certificate, info);
    if (is_good)
        return ERR_OK;
    return errinfo_set(info, ERR_INPUT, "TLS cannot use this certificate and key (%s)",
                       ERR_reason_error_string(code));
}

enum err certificate_init(struct certificate *certificate, struct slice chain_pem,
                          const struct tls_key *key, struct errinfo *info)
{
    *certificate = (struct certificate){0};
    TRY(chain_read(chain_pem, certificate, info));
    TRY(take_key(key, certificate, info));
    if (!describe_leaf(certificate->chain[0], certificate))
        return errinfo_set(info, ERR_INPUT, "its first certificate cannot be read");
    // BoringSSL takes a key on any curve, and then no handshake would succeed.
    if (EVP_PKEY_id(certificate->key) == EVP_PKEY_EC && signature_of(certificate->key) == 0)
        return errinfo_set(info, ERR_INPUT,
                           "TLS cannot use a key on this curve: expected P-256, P-384 or P-521");
    return check_pair(certificate, info);
}

void certificate_deinit(struct certificate *certificate)
{
    sk_CRYPTO_BUFFER_pop_free(certificate->stack, CRYPTO_BUFFER_free);
    EVP_PKEY_free(certificate->key);
    private_key_unref(certificate->apart);
    free(certificate->names);
    *certificate = (struct certificate){0};
}

// name_fits compares as clients do (RFC 6125 6.4.3): `*.` is one label.
static bool name_fits(const struct served_name *served, const struct hostname *asked)
{
    struct slice name = hostname_slice(asked);
    if (served->is_wildcard) {
        const uint8_t *dot = memchr(name.data, '.', name.len);
        if (dot == NULL)
            return false;
        name = slice_from(name, (size_t)(dot - name.data) + 1);
    }
    return slice_equal(hostname_slice(&served->name), name);
}

static bool has_name(const struct certificate *certificate, const struct hostname *asked)
{
    for (size_t i = 0; i < certificate->name_count; i++) {
        if (name_fits(&certificate->names[i], asked))
            return true;
    }
    return false;
}

// has_names_of tells whether `a` has every name of `b`.
static bool has_names_of(const struct certificate *a, const struct certificate *b)
{
    for (size_t i = 0; i < b->name_count; i++) {
        bool is_found = false;
        for (size_t j = 0; j < a->name_count; j++)
            is_found |=
                a->names[j].is_wildcard == b->names[i].is_wildcard &&
                slice_equal(hostname_slice(&a->names[j].name), hostname_slice(&b->names[i].name));
        if (!is_found)
            return false;
    }
    return true;
}

// hello_list gives a list of two-byte values out of an extension, after `len_len` bytes of length.
static CBS hello_list(const SSL_CLIENT_HELLO *hello, uint16_t extension, size_t len_len)
{
    const uint8_t *data = NULL;
    size_t len = 0;
    CBS body;
    CBS list;
    CBS_init(&list, NULL, 0);
    if (!SSL_early_callback_ctx_extension_get(hello, extension, &data, &len))
        return list;
    CBS_init(&body, data, len);
    const int is_read = len_len == 1 ? CBS_get_u8_length_prefixed(&body, &list)
                                     : CBS_get_u16_length_prefixed(&body, &list);
    if (!is_read)
        CBS_init(&list, NULL, 0);
    return list;
}

static bool list_has(CBS list, const uint16_t *wanted, size_t count)
{
    uint16_t value = 0;
    while (CBS_get_u16(&list, &value)) {
        for (size_t i = 0; i < count; i++) {
            if (value == wanted[i])
                return true;
        }
    }
    return false;
}

// can_verify tells whether the client has the means to verify what is signed with this key.
static bool can_verify(const SSL_CLIENT_HELLO *hello, const EVP_PKEY *key, bool speaks_1_3)
{
    static const uint16_t rsa[] = {
        SSL_SIGN_RSA_PSS_RSAE_SHA256, SSL_SIGN_RSA_PSS_RSAE_SHA384, SSL_SIGN_RSA_PSS_RSAE_SHA512,
        SSL_SIGN_RSA_PKCS1_SHA256,    SSL_SIGN_RSA_PKCS1_SHA384,    SSL_SIGN_RSA_PKCS1_SHA512,
    };
    enum { PSS_COUNT = 3 };
    static const uint16_t rsa_suites[] = {0xC02F, 0xC030, 0xCCA8};
    static const uint16_t ecdsa_suites[] = {0xC02B, 0xC02C, 0xCCA9};
    static const uint16_t version_1_3[] = {TLS1_3_VERSION};
    const CBS algorithms = hello_list(hello, TLSEXT_TYPE_signature_algorithms, 2);
    const bool is_1_3 = speaks_1_3 && list_has(hello_list(hello, TLSEXT_TYPE_supported_versions, 1),
                                               version_1_3, 1);
    const bool is_rsa = EVP_PKEY_id(key) == EVP_PKEY_RSA;
    CBS suites;
    CBS_init(&suites, hello->cipher_suites, hello->cipher_suites_len);
    if (!is_1_3 && !list_has(suites, is_rsa ? rsa_suites : ecdsa_suites, 3))
        return false;
    if (is_rsa)
        return list_has(algorithms, rsa, is_1_3 ? PSS_COUNT : sizeof rsa / sizeof *rsa);
    const uint16_t signature = signature_of(key);
    return list_has(algorithms, &signature, 1);
}

const struct certificate *certificates_choose(const struct certificate *certificates, size_t count,
                                              const SSL_CLIENT_HELLO *hello, bool speaks_1_3)
{
    const char *asked = SSL_get_servername(hello->ssl, TLSEXT_NAMETYPE_host_name);
    const struct certificate *first = NULL;
    struct hostname name;
    if (count == 1)
        return certificates;
    if (asked != NULL && hostname_parse(slice_of_string(asked), &name) == ERR_OK) {
        for (size_t i = 0; i < count && first == NULL; i++)
            first = has_name(&certificates[i], &name) ? &certificates[i] : NULL;
    }
    const bool is_known = first != NULL;
    if (!is_known)
        first = certificates;
    for (size_t i = 0; i < count; i++) {
        const struct certificate *other = &certificates[i];
        const bool is_like = is_known ? has_name(other, &name)
                                      : has_names_of(first, other) && has_names_of(other, first);
        if (is_like && can_verify(hello, other->key, speaks_1_3))
            return other;
    }
    return first;
}
