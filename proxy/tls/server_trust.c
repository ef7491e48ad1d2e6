// A trust profile for servers, and a client's context.
#include "proxy/tls/server_trust.h"

#include <openssl/mem.h>
#include <openssl/sha.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "auth/server_name.h"

struct server_trust {
    atomic_size_t refs;
    bool is_for_one;
    struct target server;              // where it is for one
    struct trust *profile;             // owned
    struct tls_context *context;       // ref
    uint8_t own[SHA256_DIGEST_LENGTH]; // of the certificate and the key
};

static void take_digest(const struct server_trust_options *options, struct server_trust *trust)
{
    uint8_t key[SHA256_DIGEST_LENGTH];
    const struct slice parts[] = {options->chain_pem, slice_of(key, sizeof key)};
    SHA256_CTX hash;
    tls_key_digest(&options->key, key);
    (void)SHA256_Init(&hash);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        (void)SHA256_Update(&hash, &parts[i].len, sizeof parts[i].len);
        (void)SHA256_Update(&hash, parts[i].data, parts[i].len);
    }
    (void)SHA256_Final(trust->own, &hash);
}

static struct server_trust *make(const struct server_trust_options *options)
{
    struct server_trust *trust = calloc(1, sizeof *trust);
    if (trust == NULL)
        return NULL;
    atomic_init(&trust->refs, 1);
    trust->is_for_one = options->server != NULL;
    if (trust->is_for_one)
        trust->server = *options->server;
    take_digest(options, trust);
    return trust;
}

static enum err load_profile(const struct server_trust_options *options, struct trust **out,
                             struct errinfo *info)
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
    return trust_finish(*out, options->now_s, info);
}

enum err server_trust_create(const struct server_trust_options *options, struct server_trust **out,
                             enum server_trust_part *out_part, struct errinfo *info)
{
    enum server_trust_part part = SERVER_TRUST_CA;
    struct server_trust *trust = make(options);
    *out = NULL;
    if (trust == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory for TLS");
    enum err error = load_profile(options, &trust->profile, info);
    if (error == ERR_OK) {
        part = SERVER_TRUST_CERTIFICATE;
        error = tls_client_create(options->chain_pem, &options->key, &trust->context, info);
    }
    if (out_part != NULL)
        *out_part = part;
    if (error == ERR_OK)
        *out = trust;
    else
        server_trust_unref(trust);
    return error;
}

struct server_trust *server_trust_of(struct trust *profile, const struct target *server)
{
    const struct server_trust_options options = {.server = server};
    struct errinfo info;
    struct server_trust *trust = make(&options);
    if (trust == NULL) {
        trust_destroy(profile);
        return NULL;
    }
    trust->profile = profile;
    if (tls_client_create(options.chain_pem, &options.key, &trust->context, &info) == ERR_OK)
        return trust;
    server_trust_unref(trust);
    return NULL;
}

struct server_trust *server_trust_ref(struct server_trust *trust)
{
    if (trust != NULL)
        (void)atomic_fetch_add_explicit(&trust->refs, 1, memory_order_relaxed);
    return trust;
}

void server_trust_unref(struct server_trust *trust)
{
    if (trust == NULL || atomic_fetch_sub_explicit(&trust->refs, 1, memory_order_acq_rel) != 1)
        return;
    tls_context_unref(trust->context);
    trust_destroy(trust->profile);
    OPENSSL_cleanse(trust->own, sizeof trust->own);
    free(trust);
}

bool server_trust_equal(const struct server_trust *a, const struct server_trust *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    if (a->is_for_one != b->is_for_one ||
        (a->is_for_one && !target_equal_host(&a->server, &b->server)))
        return false;
    return trust_has_same_cas(a->profile, b->profile) &&
           CRYPTO_memcmp(a->own, b->own, sizeof a->own) == 0;
}

const struct trust *server_trust_profile(const struct server_trust *trust)
{
    return trust->profile;
}

const struct tls_context_info *server_trust_own(const struct server_trust *trust)
{
    return tls_context_certificate_count(trust->context) == 0
               ? NULL
               : tls_context_describe(trust->context, 0);
}

// server_of gives the server that is meant.
static const struct target *server_of(const struct server_trust *trust, const struct target *server)
{
    ASSERT(server != NULL || trust->is_for_one);
    return server != NULL ? server : &trust->server;
}

// advice says what to do about a server's certificate that is no good.
static const char *advice(enum reason reason)
{
    if (reason == REASON_UNKNOWN_CA || reason == REASON_BAD_SIGNATURE)
        return "is its CA in the file of `ca`, or without `ca` one of the system's?";
    if (reason == REASON_MISSING_INTERMEDIATE)
        return "let it send its intermediates, too, or add them to the file of `ca`";
    if (reason == REASON_EXPIRED || reason == REASON_NOT_YET_VALID)
        return "give it a certificate that is valid now; is the clock right?";
    if (reason == REASON_BAD_PURPOSE)
        return "give it one for servers (serverAuth)";
    return "give it another one";
}

enum err server_trust_judge(const struct server_trust *trust, const STACK_OF(CRYPTO_BUFFER) *chain,
                            const struct target *server, int64_t now_s, enum tls_alert *out_alert,
                            struct errinfo *info)
{
    struct trust_verdict verdict;
    char name[TARGET_TEXT_CAP];
    const enum err error = trust_verify(trust->profile, chain, now_s, &verdict);
    *out_alert = TLS_ALERT_UNKNOWN_CA;
    if (error != ERR_OK)
        (void)errinfo_set(info, error, "its certificate is refused (%s): %s",
                          reason_name(verdict.reason), advice(verdict.reason));
    identity_destroy(verdict.identity);
    identity_destroy(verdict.presented);
    if (error != ERR_OK ||
        server_name_fits(sk_CRYPTO_BUFFER_value(chain, 0), server_of(trust, server)))
        return error;
    *out_alert = TLS_ALERT_BAD_CERTIFICATE;
    return errinfo_set(info, ERR_DENIED,
                       "its certificate is not for %s: configure the name that it is for, or give "
                       "it one with this name",
                       target_format_host(server_of(trust, server), name));
}

struct tls_stream *server_trust_connect(const struct server_trust *trust,
                                        const struct target *server, struct stream *below,
                                        struct buffer_pool *pool, tls_verify_fn verify,
                                        void *verify_arg)
{
    const struct target *wanted = server_of(trust, server);
    const char *name = wanted->kind == TARGET_NAME ? wanted->name.text : NULL;
    return tls_client_stream_create(trust->context, NULL, name, below, pool, verify, verify_arg);
}
