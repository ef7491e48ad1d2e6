// What a context of either role is made of, and which certificate a server shows to whom.
#include "proxy/tls/context.h"

#include <stdlib.h>

#include "proxy/tls/context_internal.h"
#include "proxy/tls/rules.h"
#include "proxy/tls/trial.h"

enum { CERTIFICATES_MAX = 64 };

static uint16_t version_code(enum tls_version version)
{
    return version == TLS_VERSION_1_2 ? TLS1_2_VERSION : TLS1_3_VERSION;
}

struct tls_context *tls_context_begin(enum tls_version min, enum tls_version max,
                                      const struct tls_groups *groups)
{
    struct tls_context *context = calloc(1, sizeof *context);
    if (context == NULL)
        return NULL;
    atomic_init(&context->refs, 1);
    context->min = version_code(min);
    context->max = version_code(max);
    context->groups = *groups;
    context->ssl_ctx = SSL_CTX_new(TLS_with_buffers_method());
    if (context->ssl_ctx != NULL && SSL_CTX_set_min_proto_version(context->ssl_ctx, context->min) &&
        SSL_CTX_set_max_proto_version(context->ssl_ctx, context->max) &&
        tls_set_common_rules(context->ssl_ctx) && tls_groups_set(context->ssl_ctx, groups))
        return context;
    tls_context_unref(context);
    return NULL;
}

enum err tls_context_add(struct tls_context *context, struct slice chain_pem,
                         const struct tls_key *key, bool is_tried, struct errinfo *info)
{
    if (context->certificate_count == CERTIFICATES_MAX)
        return errinfo_set(info, ERR_LIMIT, "more than %d certificates", CERTIFICATES_MAX);
    struct certificate *more =
        realloc(context->certificates, (context->certificate_count + 1) * sizeof *more);
    if (more == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory for a certificate");
    context->certificates = more;
    struct certificate *added = &more[context->certificate_count];
    enum err error = certificate_init(added, chain_pem, key, info);
    if (error == ERR_OK && is_tried)
        error = trial_run(context->ssl_ctx, added, context->min, context->max, info);
    if (error == ERR_OK && context->certificate_count == 0 &&
        !certificate_serve_all(added, context->ssl_ctx))
        error = ERR_MEMORY;
    if (error != ERR_OK)
        certificate_deinit(added);
    else
        context->certificate_count++;
    return error;
}

enum err tls_context_finish(struct tls_context *context, enum err error, struct tls_context **out,
                            struct errinfo *info)
{
    *out = error == ERR_OK ? context : NULL;
    if (error != ERR_OK)
        tls_context_unref(context);
    return error == ERR_MEMORY ? errinfo_set(info, error, "no memory for a TLS context") : error;
}

bool tls_context_apply(const struct tls_context *context, const SSL_CLIENT_HELLO *hello,
                       struct private_key **out_key)
{
    SSL *ssl = hello->ssl;
    // SSL_set_SSL_CTX switches certificate, session id context and CA names, and nothing else. The SSL keeps its
    // versions and groups, which are set here, and its verification, which is set by the caller.
    if (SSL_get_SSL_CTX(ssl) != context->ssl_ctx &&
        (SSL_set_SSL_CTX(ssl, context->ssl_ctx) == NULL ||
         !tls_groups_set_one(ssl, &context->groups)))
        return false;
    if (!SSL_set_min_proto_version(ssl, context->min) ||
        !SSL_set_max_proto_version(ssl, context->max))
        return false;
    const struct certificate *chosen = certificates_choose(
        context->certificates, context->certificate_count, hello, context->max == TLS1_3_VERSION);
    *out_key = chosen->apart;
    return chosen == &context->certificates[0] || certificate_serve(chosen, ssl);
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
    free(context);
}

size_t tls_context_certificate_count(const struct tls_context *context)
{
    return context->certificate_count;
}

const struct tls_context_info *tls_context_describe(const struct tls_context *context, size_t index)
{
    return &context->certificates[index].info;
}
