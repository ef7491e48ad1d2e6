// A trust profile for servers, and a client's context.
#include "proxy/fetch/fetch_tls.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "auth/server_name.h"
#include "auth/trust.h"
#include "proxy/tls/tls_client.h"

struct fetch_tls {
    atomic_uint refs;
    struct trust *trust;         // owned
    struct tls_context *context; // ref
};

static enum err make_trust(const struct fetch_tls_options *options, int64_t now_s,
                           struct trust **out, struct errinfo *info)
{
    struct pem_left_out left_out;
    const struct trust_options wanted = {.name = "server",
                                         .max_depth = TRUST_MAX_DEPTH,
                                         .trusts_every_ca = true,
                                         .purpose = TRUST_SERVERS};
    if (trust_create(&wanted, out) != ERR_OK)
        return errinfo_set(info, ERR_MEMORY, "no memory for the CAs");
    if (options->is_system)
        TRY(trust_add_system_cas(*out, options->ca_pem, &left_out, info));
    else
        TRY(trust_add_ca(*out, options->ca_pem, info));
    return trust_finish(*out, now_s, info);
}

enum err fetch_tls_create(const struct fetch_tls_options *options, int64_t now_s,
                          struct fetch_tls **out, struct errinfo *info)
{
    *out = NULL;
    struct fetch_tls *tls = calloc(1, sizeof *tls);
    if (tls == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory for TLS");
    atomic_init(&tls->refs, 1);
    enum err error = make_trust(options, now_s, &tls->trust, info);
    if (error == ERR_OK)
        error = tls_client_create(options->chain_pem, options->key_pem, &tls->context, info);
    if (error == ERR_OK)
        *out = tls;
    else
        fetch_tls_unref(tls);
    return error;
}

struct fetch_tls *fetch_tls_ref(struct fetch_tls *tls)
{
    if (tls != NULL)
        (void)atomic_fetch_add_explicit(&tls->refs, 1, memory_order_relaxed);
    return tls;
}

void fetch_tls_unref(struct fetch_tls *tls)
{
    if (tls == NULL || atomic_fetch_sub_explicit(&tls->refs, 1, memory_order_acq_rel) != 1)
        return;
    tls_context_unref(tls->context);
    trust_destroy(tls->trust);
    free(tls);
}

struct tls_context *fetch_tls_context(const struct fetch_tls *tls)
{
    return tls->context;
}

enum err fetch_tls_judge(const struct fetch_tls *tls, const STACK_OF(CRYPTO_BUFFER) *chain,
                         const struct target *server, int64_t now_s, enum tls_alert *out_alert,
                         struct errinfo *info)
{
    struct trust_verdict verdict;
    enum err error = trust_verify(tls->trust, chain, now_s, &verdict);
    *out_alert = TLS_ALERT_UNKNOWN_CA;
    if (error != ERR_OK) {
        error = errinfo_set(info, error, "the server's certificate: %s (%s)", verdict.detail,
                            reason_name(verdict.reason));
    } else if (!server_name_fits(sk_CRYPTO_BUFFER_value(chain, 0), server)) {
        *out_alert = TLS_ALERT_BAD_CERTIFICATE;
        error = errinfo_set(info, ERR_DENIED,
                            "the server's certificate does not have the name of the URL");
    }
    identity_destroy(verdict.identity);
    identity_destroy(verdict.presented);
    return error;
}
