// Makes the SSL_CTX of a listener: versions, suites, certificate and key, the CAs to ask for.
#include "proxy/tls/context.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/pool.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "proxy/tls/context_internal.h"

enum { CHAIN_MAX_CERTIFICATES = 16 };

struct tls_context {
    atomic_size_t refs;
    SSL_CTX *ssl_ctx;         // owned
    BIO_METHOD *bio_method;   // owned; outlives every stream, as snapshots do
    CRYPTO_BUFFER_POOL *pool; // owned; certificates seen often are kept once
    struct tls_context_info info;
};

// What a client's proofs may be signed with: the same floor as auth/trust sets for chains.
static const uint16_t verify_algorithms[] = {
    SSL_SIGN_ECDSA_SECP256R1_SHA256, SSL_SIGN_ED25519,
    SSL_SIGN_RSA_PSS_RSAE_SHA256,    SSL_SIGN_RSA_PKCS1_SHA256,
    SSL_SIGN_ECDSA_SECP384R1_SHA384, SSL_SIGN_RSA_PSS_RSAE_SHA384,
    SSL_SIGN_RSA_PKCS1_SHA384,       SSL_SIGN_ECDSA_SECP521R1_SHA512,
    SSL_SIGN_RSA_PSS_RSAE_SHA512,    SSL_SIGN_RSA_PKCS1_SHA512,
};

static const char cipher_list[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

// on_alpn takes http/1.1 where it is offered, and refuses those who offer only what we do not speak
// (RFC 7301 3.2).
static int on_alpn(SSL *ssl, const uint8_t **out, uint8_t *out_len, const uint8_t *in,
                   unsigned in_len, void *arg)
{
    (void)ssl;
    (void)arg;
    static const struct slice spoken = {(const uint8_t *)"http/1.1", 8};
    struct slice rest = slice_of(in, in_len);
    while (rest.len > 0) {
        const struct slice name = slice_first(slice_from(rest, 1), rest.data[0]);
        if (slice_equal(name, spoken)) {
            *out = name.data;
            *out_len = (uint8_t)name.len;
            return SSL_TLSEXT_ERR_OK;
        }
        rest = slice_from(rest, 1 + name.len);
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

// chain_read reads the certificates of a PEM text into DER buffers; NULL when there is none, too many,
// or one is broken.
static STACK_OF(CRYPTO_BUFFER) *chain_read(struct slice pem, struct errinfo *info)
{
    STACK_OF(CRYPTO_BUFFER) *chain = sk_CRYPTO_BUFFER_new_null();
    BIO *bio = BIO_new_mem_buf(pem.data, (ossl_ssize_t)pem.len);
    bool is_good = chain != NULL && bio != NULL;
    while (is_good) {
        char *name = NULL;
        char *header = NULL;
        uint8_t *der = NULL;
        long der_len = 0;
        if (!PEM_read_bio(bio, &name, &header, &der, &der_len))
            break;
        const bool is_certificate = strcmp(name, PEM_STRING_X509) == 0;
        if (is_certificate) {
            CRYPTO_BUFFER *buffer = CRYPTO_BUFFER_new(der, (size_t)der_len, NULL);
            is_good = buffer != NULL && sk_CRYPTO_BUFFER_num(chain) < CHAIN_MAX_CERTIFICATES &&
                      sk_CRYPTO_BUFFER_push(chain, buffer) != 0;
            if (!is_good)
                CRYPTO_BUFFER_free(buffer);
        }
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_free(der);
    }
    const uint32_t code = ERR_peek_last_error();
    const bool is_whole =
        ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    BIO_free(bio);
    if (is_good && is_whole && sk_CRYPTO_BUFFER_num(chain) > 0)
        return chain;
    (void)errinfo_set(
        info, ERR_INPUT, "%s",
        is_good && is_whole
            ? "no certificate in it: expected PEM, `-----BEGIN CERTIFICATE-----`, leaf first"
            : "broken PEM, or more than 16 certificates");
    sk_CRYPTO_BUFFER_pop_free(chain, CRYPTO_BUFFER_free);
    return NULL;
}

// no_passphrase answers BoringSSL's question for a passphrase: there is none, and nobody to ask.
static int no_passphrase(char *out, int cap, int is_write, void *arg)
{
    (void)out;
    (void)cap;
    (void)is_write;
    (void)arg;
    return 0;
}

static EVP_PKEY *key_read(struct slice pem, struct errinfo *info)
{
    BIO *bio = BIO_new_mem_buf(pem.data, (ossl_ssize_t)pem.len);
    EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    ERR_clear_error();
    if (key == NULL)
        (void)errinfo_set(info, ERR_INPUT,
                          "no private key in it that can be read: expected PEM, `-----BEGIN "
                          "PRIVATE KEY-----`, without a passphrase");
    return key;
}

static int64_t time_of(const ASN1_TIME *time)
{
    int64_t seconds = 0;
    return ASN1_TIME_to_posix(time, &seconds) ? seconds : 0;
}

// describe_leaf notes the facts about the served leaf that `check` tells.
static bool describe_leaf(const CRYPTO_BUFFER *leaf, struct tls_context_info *out)
{
    CRYPTO_BUFFER *borrowed = (CRYPTO_BUFFER *)(uintptr_t)leaf;
    X509 *x509 = X509_parse_from_buffer(borrowed);
    if (x509 == NULL) {
        ERR_clear_error();
        return false;
    }
    out->not_before_s = time_of(X509_get0_notBefore(x509));
    out->not_after_s = time_of(X509_get0_notAfter(x509));
    out->has_server_auth = (X509_get_extended_key_usage(x509) & XKU_SSL_SERVER) != 0;
    BIO *bio = BIO_new(BIO_s_mem());
    const uint8_t *text = NULL;
    size_t len = 0;
    if (bio != NULL &&
        X509_NAME_print_ex(bio, X509_get_subject_name(x509), 0, XN_FLAG_RFC2253) >= 0 &&
        BIO_mem_contents(bio, &text, &len))
        (void)string_copy(
            out->subject, sizeof out->subject,
            slice_of(text, len < sizeof out->subject ? len : sizeof out->subject - 1));
    BIO_free(bio);
    GENERAL_NAMES *names = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
    for (size_t i = 0; names != NULL && i < sk_GENERAL_NAME_num(names); i++) {
        const int type = sk_GENERAL_NAME_value(names, i)->type;
        out->san_count += type == GEN_DNS || type == GEN_IPADD ? 1 : 0;
    }
    GENERAL_NAMES_free(names);
    X509_free(x509);
    ERR_clear_error();
    return true;
}

static uint16_t version_code(enum tls_version version)
{
    return version == TLS_VERSION_1_2 ? TLS1_2_VERSION : TLS1_3_VERSION;
}

// set_rules sets all that does not depend on the certificate.
static bool set_rules(struct tls_context *context, const struct tls_context_options *options)
{
    SSL_CTX *ctx = context->ssl_ctx;
    SSL_CTX_set_custom_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                              tls_stream_on_verify);
    SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set0_buffer_pool(ctx, context->pool);
    return SSL_CTX_set_min_proto_version(ctx, version_code(options->min)) &&
           SSL_CTX_set_max_proto_version(ctx, version_code(options->max)) &&
           SSL_CTX_set_strict_cipher_list(ctx, cipher_list) &&
           SSL_CTX_set_verify_algorithm_prefs(ctx, verify_algorithms,
                                              sizeof verify_algorithms / sizeof *verify_algorithms);
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

// is_curve_spoken tells whether TLS can sign with this key: BoringSSL takes one on any curve, and then
// no handshake would succeed.
static bool is_curve_spoken(const EVP_PKEY *key)
{
    if (EVP_PKEY_id(key) != EVP_PKEY_EC)
        return true;
    const int curve = EC_GROUP_get_curve_name(EC_KEY_get0_group(EVP_PKEY_get0_EC_KEY(key)));
    return curve == NID_X9_62_prime256v1 || curve == NID_secp384r1 || curve == NID_secp521r1;
}

// set_certificate installs chain and key, which must belong together.
static enum err set_certificate(struct tls_context *context, STACK_OF(CRYPTO_BUFFER) *chain,
                                EVP_PKEY *key, struct errinfo *info)
{
    const size_t count = sk_CRYPTO_BUFFER_num(chain);
    CRYPTO_BUFFER *certificates[CHAIN_MAX_CERTIFICATES];
    for (size_t i = 0; i < count; i++)
        certificates[i] = sk_CRYPTO_BUFFER_value(chain, i);
    if (!describe_leaf(certificates[0], &context->info))
        return errinfo_set(info, ERR_INPUT, "its first certificate cannot be read");
    if (!is_curve_spoken(key))
        return errinfo_set(info, ERR_INPUT,
                           "TLS cannot use a key on this curve: expected P-256, P-384 or P-521");
    if (SSL_CTX_set_chain_and_key(context->ssl_ctx, certificates, count, key, NULL))
        return ERR_OK;
    const uint32_t code = ERR_peek_last_error();
    ERR_clear_error();
    if (is_mismatch(code))
        return errinfo_set(info, ERR_INPUT,
                           "the private key does not belong to the first certificate of the chain "
                           "(%s): the leaf has to stand first",
                           context->info.subject);
    return errinfo_set(info, ERR_INPUT, "TLS cannot use this certificate and key (%s)",
                       ERR_reason_error_string(code));
}

enum err tls_context_create(const struct tls_context_options *options, struct tls_context **out,
                            struct errinfo *info)
{
    *out = NULL;
    STACK_OF(CRYPTO_BUFFER) *ca_names = options->client_ca_names;
    STACK_OF(CRYPTO_BUFFER) *chain = NULL;
    EVP_PKEY *key = NULL;
    enum err error = ERR_MEMORY;
    struct tls_context *context = calloc(1, sizeof *context);
    if (context == NULL)
        goto out;
    atomic_init(&context->refs, 1);
    context->ssl_ctx = SSL_CTX_new(TLS_with_buffers_method());
    context->bio_method = tls_bio_method_create();
    context->pool = CRYPTO_BUFFER_POOL_new();
    if (context->ssl_ctx == NULL || context->bio_method == NULL || context->pool == NULL ||
        !set_rules(context, options))
        goto out;
    if (ca_names != NULL) {
        SSL_CTX_set0_client_CAs(context->ssl_ctx, ca_names);
        ca_names = NULL;
    }
    error = ERR_INPUT;
    chain = chain_read(options->chain_pem, info);
    if (chain == NULL)
        goto out;
    key = key_read(options->key_pem, info);
    if (key == NULL)
        goto out;
    error = set_certificate(context, chain, key, info);
out:
    if (error == ERR_MEMORY)
        (void)errinfo_set(info, ERR_MEMORY, "no memory for a TLS context");
    sk_CRYPTO_BUFFER_pop_free(ca_names, CRYPTO_BUFFER_free);
    sk_CRYPTO_BUFFER_pop_free(chain, CRYPTO_BUFFER_free);
    EVP_PKEY_free(key);
    if (error == ERR_OK)
        *out = context;
    else
        tls_context_unref(context);
    return error;
}

struct tls_context *tls_context_ref(struct tls_context *context)
{
    (void)atomic_fetch_add_explicit(&context->refs, 1, memory_order_relaxed);
    return context;
}

void tls_context_unref(struct tls_context *context)
{
    if (context == NULL || atomic_fetch_sub_explicit(&context->refs, 1, memory_order_acq_rel) != 1)
        return;
    SSL_CTX_free(context->ssl_ctx);
    CRYPTO_BUFFER_POOL_free(context->pool);
    BIO_meth_free(context->bio_method);
    free(context);
}

void tls_context_describe(const struct tls_context *context, struct tls_context_info *out)
{
    *out = context->info;
}

SSL_CTX *tls_context_ssl_ctx(const struct tls_context *context)
{
    return context->ssl_ctx;
}

const BIO_METHOD *tls_context_bio_method(const struct tls_context *context)
{
    return context->bio_method;
}
