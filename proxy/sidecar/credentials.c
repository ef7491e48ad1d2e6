// Reads three files, and tells the ways apart in which they can be wrong.
#include "proxy/sidecar/credentials.h"

#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "auth/pem.h"
#include "proxy/config/file.h"

enum { FILE_MAX = 1024 * 1024, CA_FILE_MAX = 16 * 1024 * 1024, MAX_DEPTH = 8 };

struct files {
    struct file_content cert;
    struct file_content key;
    struct file_content ca;
};

static enum err read_files(const struct credential_paths *paths, struct files *out,
                           enum cause *out_cause, struct errinfo *info)
{
    *out_cause = CAUSE_CA_FILE;
    TRY(file_read(paths->ca, CA_FILE_MAX, FILE_PUBLIC, &out->ca, info));
    if (paths->cert == NULL)
        return ERR_OK;
    *out_cause = CAUSE_CERT_FILE;
    TRY(file_read(paths->cert, FILE_MAX, FILE_PUBLIC, &out->cert, info));
    *out_cause = CAUSE_KEY_FILE;
    return file_read(paths->key, FILE_MAX, FILE_SECRET, &out->key, info);
}

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

static enum err load_certificate(const struct credential_paths *paths, const struct files *files,
                                 struct credentials *out, enum cause *out_cause,
                                 struct errinfo *info)
{
    struct errinfo why;
    *out_cause = CAUSE_CERT_FILE;
    out->chain = sk_CRYPTO_BUFFER_new_null();
    if (out->chain == NULL)
        return errinfo_set(info, ERR_MEMORY, "no memory for a certificate");
    if (paths->cert == NULL)
        return ERR_OK;
    if (pem_read_chain(files->cert.bytes, out->chain, &why) != ERR_OK)
        return errinfo_set(info, ERR_INPUT, "%s: %s", paths->cert, why.text);
    if (sk_CRYPTO_BUFFER_num(out->chain) == 0)
        return errinfo_set(info, ERR_INPUT,
                           "%s: no certificate in it: PEM is expected, beginning with "
                           "-----BEGIN CERTIFICATE-----",
                           paths->cert);
    return read_leaf(out, paths->cert, info);
}

static enum err load_tls(const struct credential_paths *paths, const struct files *files,
                         struct credentials *out, enum cause *out_cause, struct errinfo *info)
{
    struct errinfo why;
    *out_cause = CAUSE_KEY_ENCRYPTED;
    if (slice_contains(files->key.bytes, SLICE_LITERAL("-----BEGIN ENCRYPTED PRIVATE KEY-----")) ||
        slice_contains(files->key.bytes, SLICE_LITERAL("Proc-Type: 4,ENCRYPTED")))
        return errinfo_set(info, ERR_INPUT, "%s: the private key is encrypted", paths->key);
    const enum err error = tls_client_create(files->cert.bytes, files->key.bytes, &out->tls, &why);
    if (error == ERR_OK)
        return ERR_OK;
    if (out->own.is_shown && !out->may_sign) {
        *out_cause = CAUSE_BAD_PURPOSE;
        return errinfo_set(info, ERR_INPUT, "%s: its key usage leaves out digitalSignature",
                           paths->cert);
    }
    const struct slice text = slice_of_string(why.text);
    const bool is_pair = !slice_contains(text, SLICE_LITERAL("does not belong"));
    const bool is_key = slice_contains(text, SLICE_LITERAL("private key"));
    *out_cause = !is_pair ? CAUSE_KEY_MISMATCH : is_key ? CAUSE_KEY_FILE : CAUSE_CERT_FILE;
    return errinfo_set(info, error, "%s: %s", is_pair && is_key ? paths->key : paths->cert,
                       why.text);
}

static enum err load_trust(const struct credential_paths *paths, const struct files *files,
                           int64_t now_s, struct credentials *out, enum cause *out_cause,
                           struct errinfo *info)
{
    struct errinfo why = {.text = "no memory"};
    const struct trust_options options = {
        .name = "proxy", .max_depth = MAX_DEPTH, .trusts_every_ca = true, .purpose = TRUST_SERVERS};
    *out_cause = CAUSE_CA_FILE;
    enum err error = trust_create(&options, &out->trust);
    if (error == ERR_OK)
        error = trust_add_ca(out->trust, files->ca.bytes, &why);
    if (error == ERR_OK)
        error = trust_finish(out->trust, now_s, &why);
    return error == ERR_OK ? ERR_OK : errinfo_set(info, error, "%s: %s", paths->ca, why.text);
}

static void take_digest(const struct files *files, uint8_t out[CREDENTIALS_DIGEST_LEN])
{
    const struct slice parts[] = {files->cert.bytes, files->key.bytes, files->ca.bytes};
    SHA256_CTX ctx;
    SHA256_Init(&ctx);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        SHA256_Update(&ctx, &parts[i].len, sizeof parts[i].len);
        SHA256_Update(&ctx, parts[i].data, parts[i].len);
    }
    SHA256_Final(out, &ctx);
}

enum err credentials_load(const struct credential_paths *paths, int64_t now_s,
                          struct credentials **out, enum cause *out_cause, struct errinfo *info)
{
    *out = NULL;
    struct files files = {0};
    struct credentials *credentials = calloc(1, sizeof *credentials);
    if (credentials == NULL) {
        *out_cause = CAUSE_NO_RESOURCES;
        return errinfo_set(info, ERR_MEMORY, "no memory");
    }
    atomic_init(&credentials->refs, 1);
    enum err error = read_files(paths, &files, out_cause, info);
    if (error == ERR_OK)
        error = load_certificate(paths, &files, credentials, out_cause, info);
    if (error == ERR_OK)
        error = load_tls(paths, &files, credentials, out_cause, info);
    if (error == ERR_OK)
        error = load_trust(paths, &files, now_s, credentials, out_cause, info);
    if (error == ERR_OK) {
        take_digest(&files, credentials->digest);
        *out = credentials;
        *out_cause = CAUSE_NONE;
    } else {
        credentials_unref(credentials);
    }
    file_content_deinit(&files.cert);
    file_content_deinit(&files.key);
    file_content_deinit(&files.ca);
    return error;
}

struct credentials *credentials_ref(struct credentials *credentials)
{
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
