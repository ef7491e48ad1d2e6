// The SSL_CTX of a listener, or of names on it: versions, certificates, the CAs to ask for.
#include "proxy/tls/context.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pool.h>
#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "proxy/tls/certificate.h"
#include "proxy/tls/context_internal.h"
#include "proxy/tls/rules.h"
#include "proxy/tls/ticket_keys.h"
#include "proxy/tls/trial.h"

enum {
    CERTIFICATES_MAX = 64,
    // Bytes of a Certificate message round the certificates: lengths, and in TLS 1.3 empty extensions, of the 16
    // certificates that a chain may have (RFC 8446 4.4.2).
    CHAIN_FRAMING_LEN = 4 + 16 * 5,
};

struct tls_context {
    atomic_size_t refs;
    SSL_CTX *ssl_ctx;         // owned; serves the first certificate
    int verify_mode;          // BoringSSL's flags; its own getter is for X.509 contexts only
    BIO_METHOD *bio_method;   // owned; outlives every stream, as snapshots do
    CRYPTO_BUFFER_POOL *pool; // owned; certificates seen often are kept once
    struct certificate *certificates; // owned
    size_t certificate_count;
    enum tls_version min;
    enum tls_version max;
    uint8_t binding[TICKET_BINDING_LEN];
};

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

static uint16_t version_code(enum tls_version version)
{
    return version == TLS_VERSION_1_2 ? TLS1_2_VERSION : TLS1_3_VERSION;
}

// set_rules sets all that does not depend on the certificate.
static bool set_rules(struct tls_context *context, const struct tls_context_options *options)
{
    SSL_CTX *ctx = context->ssl_ctx;
    const int need = options->is_certificate_optional ? 0 : SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    context->verify_mode = SSL_VERIFY_PEER | need;
    SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
    (void)SSL_CTX_set_timeout(ctx, TLS_TICKET_LIFE_S);
    SSL_CTX_set_session_psk_dhe_timeout(ctx, TLS_TICKET_LIFE_S);
    SSL_CTX_set0_buffer_pool(ctx, context->pool);
    // The name is too narrow: it bounds each message of a handshake in which a certificate is asked for.
    SSL_CTX_set_max_cert_list(ctx, options->max_chain + CHAIN_FRAMING_LEN);
    return SSL_CTX_set_num_tickets(ctx, 1) &&
           SSL_CTX_set_session_id_context(ctx, context->binding, sizeof context->binding) &&
           SSL_CTX_set_min_proto_version(ctx, version_code(options->min)) &&
           SSL_CTX_set_max_proto_version(ctx, version_code(options->max)) &&
           tls_set_common_rules(ctx);
}

enum err tls_context_add_certificate(struct tls_context *context, struct slice chain_pem,
                                     struct slice key_pem, struct errinfo *info)
{
    if (context->certificate_count == CERTIFICATES_MAX)
        return errinfo_set(info, ERR_LIMIT, "more than %d certificates", CERTIFICATES_MAX);
    struct certificate *more =
        realloc(context->certificates, (context->certificate_count + 1) * sizeof *more);
    if (more == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory for a certificate");
    context->certificates = more;
    struct certificate *added = &more[context->certificate_count];
    enum err error = certificate_init(added, chain_pem, key_pem, info);
    if (error == ERR_OK)
        error = trial_shake(context->ssl_ctx, added, version_code(context->min),
                            version_code(context->max), info);
    if (error != ERR_OK) {
        certificate_deinit(added);
        return error;
    }
    context->certificate_count++;
    return ERR_OK;
}

enum err tls_context_make(const struct tls_context_options *options, BIO_METHOD *bio_method,
                          struct tls_context **out, struct errinfo *info)
{
    *out = NULL;
    STACK_OF(CRYPTO_BUFFER) *ca_names = options->client_ca_names;
    enum err error = ERR_MEMORY;
    struct tls_context *context = calloc(1, sizeof *context);
    if (context == NULL) {
        BIO_meth_free(bio_method);
        goto out;
    }
    context->bio_method = bio_method;
    atomic_init(&context->refs, 1);
    context->min = options->min;
    context->max = options->max;
    if (options->binding != NULL)
        (void)bytes_copy(context->binding, sizeof context->binding,
                         slice_of(options->binding, TICKET_BINDING_LEN));
    context->ssl_ctx = SSL_CTX_new(TLS_with_buffers_method());
    context->pool = CRYPTO_BUFFER_POOL_new();
    if (context->ssl_ctx == NULL || bio_method == NULL || context->pool == NULL ||
        !set_rules(context, options))
        goto out;
    if (ca_names != NULL) {
        SSL_CTX_set0_client_CAs(context->ssl_ctx, ca_names);
        ca_names = NULL;
    }
    error = tls_context_add_certificate(context, options->chain_pem, options->key_pem, info);
    if (error != ERR_OK)
        goto out;
    const struct certificate *first = &context->certificates[0];
    if (!SSL_CTX_set_chain_and_key(context->ssl_ctx, first->chain, first->count, first->key, NULL))
        error = ERR_MEMORY;
out:
    if (error == ERR_MEMORY)
        (void)errinfo_set(info, ERR_MEMORY, "no memory for a TLS context");
    sk_CRYPTO_BUFFER_pop_free(ca_names, CRYPTO_BUFFER_free);
    if (error == ERR_OK)
        *out = context;
    else
        tls_context_unref(context);
    return error;
}

bool tls_context_apply(const struct tls_context *context, const SSL_CLIENT_HELLO *hello)
{
    SSL *ssl = hello->ssl;
    // SSL_set_SSL_CTX switches certificate, session id context and CA names, and nothing else. The SSL keeps its
    // versions, which are set here, and its verification, which is set by the caller.
    if (SSL_get_SSL_CTX(ssl) != context->ssl_ctx && SSL_set_SSL_CTX(ssl, context->ssl_ctx) == NULL)
        return false;
    if (!SSL_set_min_proto_version(ssl, version_code(context->min)) ||
        !SSL_set_max_proto_version(ssl, version_code(context->max)))
        return false;
    const struct certificate *chosen = certificates_choose(
        context->certificates, context->certificate_count, hello, context->max == TLS_VERSION_1_3);
    return chosen == &context->certificates[0] ||
           SSL_set_chain_and_key(ssl, chosen->chain, chosen->count, chosen->key, NULL);
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
    for (size_t i = 0; i < context->certificate_count; i++)
        certificate_deinit(&context->certificates[i]);
    free(context->certificates);
    CRYPTO_BUFFER_POOL_free(context->pool);
    BIO_meth_free(context->bio_method);
    free(context);
}

void tls_context_describe(const struct tls_context *context, struct tls_context_info *out)
{
    tls_context_describe_at(context, 0, out);
}

size_t tls_context_certificate_count(const struct tls_context *context)
{
    return context->certificate_count;
}

void tls_context_describe_at(const struct tls_context *context, size_t index,
                             struct tls_context_info *out)
{
    *out = context->certificates[index].info;
}

const uint8_t *tls_context_binding(const struct tls_context *context)
{
    return context->binding;
}

SSL_CTX *tls_context_ssl_ctx(const struct tls_context *context)
{
    return context->ssl_ctx;
}

const BIO_METHOD *tls_context_bio_method(const struct tls_context *context)
{
    return context->bio_method;
}

int tls_context_verify_mode(const struct tls_context *context)
{
    return context->verify_mode;
}
