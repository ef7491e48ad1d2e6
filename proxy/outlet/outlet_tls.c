// The receiver's chain is judged as the sidecar judges the proxy's: by the same trust profile for servers, and by the names of
// the leaf.
#include "proxy/outlet/outlet_tls.h"

#include <openssl/mem.h>
#include <openssl/sha.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "auth/server_name.h"
#include "auth/trust.h"

enum { MAX_DEPTH = 8 };

struct outlet_tls {
    atomic_size_t refs;
    struct target name;
    struct tls_context *client; // ref
    struct trust *trust;        // owned; for servers
    uint8_t digest[SHA256_DIGEST_LENGTH];
};

static void take_digest(const struct outlet_tls_options *options, struct outlet_tls *tls)
{
    char name[TARGET_TEXT_CAP];
    const struct slice parts[] = {slice_of_string(target_format_host(&options->name, name)),
                                  options->ca_pem, options->chain_pem, options->key_pem};
    SHA256_CTX hash;
    (void)SHA256_Init(&hash);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        (void)SHA256_Update(&hash, &parts[i].len, sizeof parts[i].len);
        (void)SHA256_Update(&hash, parts[i].data, parts[i].len);
    }
    (void)SHA256_Final(tls->digest, &hash);
}

static enum err load_trust(const struct outlet_tls_options *options, struct outlet_tls *tls,
                           struct errinfo *info)
{
    const struct trust_options wanted = {
        .name = "sink", .max_depth = MAX_DEPTH, .trusts_every_ca = true, .purpose = TRUST_SERVERS};
    if (trust_create(&wanted, &tls->trust) != ERR_OK)
        return errinfo_set(info, ERR_MEMORY, "no memory for a trust profile");
    TRY(trust_add_ca(tls->trust, options->ca_pem, info));
    return trust_finish(tls->trust, options->now_s, info);
}

enum err outlet_tls_create(const struct outlet_tls_options *options, struct outlet_tls **out,
                           enum outlet_tls_part *out_part, struct errinfo *info)
{
    struct outlet_tls *tls = calloc(1, sizeof *tls);
    *out = NULL;
    *out_part = OUTLET_TLS_CA;
    if (tls == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory for TLS");
    atomic_init(&tls->refs, 1);
    tls->name = options->name;
    take_digest(options, tls);
    enum err error = load_trust(options, tls, info);
    if (error == ERR_OK) {
        *out_part = OUTLET_TLS_CERTIFICATE;
        error = tls_client_create(options->chain_pem, options->key_pem, &tls->client, info);
    }
    if (error == ERR_OK)
        *out = tls;
    else
        outlet_tls_unref(tls);
    return error;
}

struct outlet_tls *outlet_tls_ref(struct outlet_tls *tls)
{
    if (tls != NULL)
        (void)atomic_fetch_add_explicit(&tls->refs, 1, memory_order_relaxed);
    return tls;
}

void outlet_tls_unref(struct outlet_tls *tls)
{
    if (tls == NULL || atomic_fetch_sub_explicit(&tls->refs, 1, memory_order_acq_rel) != 1)
        return;
    tls_context_unref(tls->client);
    trust_destroy(tls->trust);
    OPENSSL_cleanse(tls->digest, sizeof tls->digest);
    free(tls);
}

bool outlet_tls_equal(const struct outlet_tls *a, const struct outlet_tls *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    return CRYPTO_memcmp(a->digest, b->digest, sizeof a->digest) == 0;
}

const struct trust *outlet_tls_trust(const struct outlet_tls *tls)
{
    return tls->trust;
}

const struct tls_context_info *outlet_tls_own(const struct outlet_tls *tls)
{
    return tls_context_certificate_count(tls->client) == 0 ? NULL
                                                           : tls_context_describe(tls->client, 0);
}

// advice says what to do about a receiver's certificate that is no good.
static const char *advice(enum reason reason)
{
    if (reason == REASON_UNKNOWN_CA || reason == REASON_BAD_SIGNATURE)
        return "is its CA in the file of `tls.ca`?";
    if (reason == REASON_MISSING_INTERMEDIATE)
        return "let it send its intermediates, too, or add them to the file of `tls.ca`";
    if (reason == REASON_EXPIRED || reason == REASON_NOT_YET_VALID)
        return "give it a certificate that is valid now; is the clock right?";
    if (reason == REASON_BAD_PURPOSE)
        return "give it one for servers (serverAuth)";
    return "give it another one";
}

enum err outlet_tls_judge(const struct outlet_tls *tls, const STACK_OF(CRYPTO_BUFFER) *chain,
                          int64_t now_s, enum tls_alert *out_alert, struct errinfo *info)
{
    struct trust_verdict verdict;
    char name[TARGET_TEXT_CAP];
    const enum err error = trust_verify(tls->trust, chain, now_s, &verdict);
    *out_alert = TLS_ALERT_UNKNOWN_CA;
    if (error != ERR_OK)
        (void)errinfo_set(info, error, "its certificate is refused (%s): %s",
                          reason_name(verdict.reason), advice(verdict.reason));
    identity_destroy(verdict.identity);
    identity_destroy(verdict.presented);
    if (error != ERR_OK || server_name_fits(sk_CRYPTO_BUFFER_value(chain, 0), &tls->name))
        return error;
    *out_alert = TLS_ALERT_BAD_CERTIFICATE;
    return errinfo_set(info, ERR_DENIED,
                       "its certificate is not for %s: name what it is for as `tls.name`, or give "
                       "it one with this name",
                       target_format_host(&tls->name, name));
}

struct tls_stream *outlet_tls_stream_create(struct outlet_tls *tls, struct stream *below,
                                            struct buffer_pool *pool, tls_verify_fn verify,
                                            void *verify_arg)
{
    const char *name = tls->name.kind == TARGET_NAME ? tls->name.name.text : NULL;
    struct tls_stream *stream =
        tls_client_stream_create(tls->client, NULL, name, below, pool, verify, verify_arg);
    if (stream != NULL)
        tls_client_stream_offer_no_protocol(stream);
    return stream;
}
