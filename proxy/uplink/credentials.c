// Makes them step by step, and tells the ways apart in which the files can be wrong.
#include "proxy/uplink/credentials.h"

#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "auth/pem.h"

enum { MAX_DEPTH = 8 };

// read_leaf notes what the own leaf says.
static enum err read_leaf(struct credentials *out, const char *path, struct errinfo *info)
{
    X509 *leaf = X509_parse_from_buffer(sk_CRYPTO_BUFFER_value(out->chain, 0));
    enum err error = leaf == NULL ? ERR_INPUT : identity_create(leaf, NULL, &out->identity);
    if (error == ERR_OK) {
        out->may_sign = (X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE) != 0;
        out->own = (struct own_certificate){
            .is_shown = true,
            .is_for_clients =
                out->may_sign && X509_check_purpose(leaf, X509_PURPOSE_SSL_CLIENT, 0) == 1,
            .not_before_s = out->identity->not_before_s,
            .not_after_s = out->identity->not_after_s,
        };
    }
    X509_free(leaf);
    ERR_clear_error();
    if (error == ERR_OK)
        return ERR_OK;
    return errinfo_set(info, error, "%s: its first certificate cannot be read", path);
}

static enum err take_certificate(const struct credential_text *cert, struct credentials *out,
                                 enum cause *out_cause, struct errinfo *info)
{
    struct errinfo why;
    *out_cause = CAUSE_CERT_FILE;
    out->chain = sk_CRYPTO_BUFFER_new_null();
    if (out->chain == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory for a certificate");
    if (cert->path == NULL)
        return ERR_OK;
    if (pem_read_chain(cert->pem, out->chain, &why) != ERR_OK)
        return errinfo_set(info, ERR_INPUT, "%s: %s", cert->path, why.text);
    if (sk_CRYPTO_BUFFER_num(out->chain) == 0)
        return errinfo_set(info, ERR_INPUT,
                           "%s: no certificate in it: PEM is expected, beginning with "
                           "-----BEGIN CERTIFICATE-----",
                           cert->path);
    return read_leaf(out, cert->path, info);
}

static enum err make_tls(const struct credential_texts *texts, struct credentials *out,
                         enum cause *out_cause, struct errinfo *info)
{
    struct errinfo why;
    *out_cause = CAUSE_KEY_ENCRYPTED;
    if (slice_contains(texts->key.pem, SLICE_LITERAL("-----BEGIN ENCRYPTED PRIVATE KEY-----")) ||
        slice_contains(texts->key.pem, SLICE_LITERAL("Proc-Type: 4,ENCRYPTED")))
        return errinfo_set(info, ERR_INPUT, "%s: the private key is encrypted", texts->key_path);
    const enum err error = tls_client_create(texts->cert.pem, &texts->key, &out->tls, &why);
    if (error == ERR_OK)
        return ERR_OK;
    if (out->own.is_shown && !out->may_sign) {
        *out_cause = CAUSE_BAD_PURPOSE;
        return errinfo_set(info, ERR_INPUT, "%s: its key usage leaves out digitalSignature",
                           texts->cert.path);
    }
    const struct slice text = slice_of_string(why.text);
    const bool is_pair = !slice_contains(text, SLICE_LITERAL("does not belong"));
    const bool is_key = slice_contains(text, SLICE_LITERAL("private key"));
    *out_cause = !is_pair ? CAUSE_KEY_MISMATCH : is_key ? CAUSE_KEY_FILE : CAUSE_CERT_FILE;
    return errinfo_set(info, error, "%s: %s",
                       is_pair && is_key ? texts->key_path : texts->cert.path, why.text);
}

static enum err make_trust(const struct credential_texts *texts, int64_t now_s,
                           struct credentials *out, enum cause *out_cause, struct errinfo *info)
{
    struct errinfo why = {.text = "no memory"};
    const struct trust_options options = {
        .name = "proxy", .max_depth = MAX_DEPTH, .trusts_every_ca = true, .purpose = TRUST_SERVERS};
    const char *path = texts->cas[0].path;
    *out_cause = CAUSE_CA_FILE;
    enum err error = trust_create(&options, &out->trust);
    for (size_t i = 0; error == ERR_OK && i < texts->ca_count; i++) {
        path = texts->cas[i].path;
        error = trust_add_ca(out->trust, texts->cas[i].pem, &why);
    }
    if (error == ERR_OK)
        error = trust_finish(out->trust, now_s, &why);
    return error == ERR_OK ? ERR_OK : errinfo_set(info, error, "%s: %s", path, why.text);
}

static void add_digest(SHA256_CTX *ctx, struct slice part)
{
    SHA256_Update(ctx, &part.len, sizeof part.len);
    SHA256_Update(ctx, part.data, part.len);
}

static void take_digest(const struct credential_texts *texts, uint8_t out[CREDENTIALS_DIGEST_LEN])
{
    SHA256_CTX ctx;
    uint8_t key[SHA256_DIGEST_LENGTH];
    tls_key_digest(&texts->key, key);
    SHA256_Init(&ctx);
    add_digest(&ctx, texts->cert.pem);
    add_digest(&ctx, slice_of(key, sizeof key));
    for (size_t i = 0; i < texts->ca_count; i++)
        add_digest(&ctx, texts->cas[i].pem);
    SHA256_Final(out, &ctx);
}

enum err credentials_create(const struct credential_texts *texts, int64_t now_s,
                            struct credentials **out, enum cause *out_cause, struct errinfo *info)
{
    *out = NULL;
    struct credentials *credentials = calloc(1, sizeof *credentials);
    if (credentials == NULL) {
        *out_cause = CAUSE_NO_RESOURCES;
        return errinfo_set(info, ERR_MEMORY, "no memory");
    }
    atomic_init(&credentials->refs, 1);
    enum err error = take_certificate(&texts->cert, credentials, out_cause, info);
    if (error == ERR_OK)
        error = make_tls(texts, credentials, out_cause, info);
    if (error == ERR_OK)
        error = make_trust(texts, now_s, credentials, out_cause, info);
    if (error == ERR_OK) {
        take_digest(texts, credentials->digest);
        *out = credentials;
        *out_cause = CAUSE_NONE;
    } else {
        credentials_unref(credentials);
    }
    return error;
}

const struct tls_context_info *credentials_own(const struct credentials *credentials)
{
    return tls_context_certificate_count(credentials->tls) == 0
               ? NULL
               : tls_context_describe(credentials->tls, 0);
}

struct credentials *credentials_ref(struct credentials *credentials)
{
    if (credentials != NULL)
        (void)atomic_fetch_add_explicit(&credentials->refs, 1, memory_order_relaxed);
    return credentials;
}

void credentials_unref(struct credentials *credentials)
{
    if (credentials == NULL ||
        atomic_fetch_sub_explicit(&credentials->refs, 1, memory_order_acq_rel) != 1)
        return;
    tls_context_unref(credentials->tls);
    trust_destroy(credentials->trust);
    identity_destroy(credentials->identity);
    sk_CRYPTO_BUFFER_pop_free(credentials->chain, CRYPTO_BUFFER_free);
    free(credentials);
}
