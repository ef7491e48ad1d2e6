// The CA in a directory: made once, loaded and checked, and what it signs.
#include "proxy/pki/authority.h"

#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "auth/base/text.h"
#include "proxy/pki/new_file.h"

enum {
    BACKDATE_S = 5 * 60,        // for clocks that are a little behind ours
    BACKDATED_FROM_S = 60 * 60, // from this ttl on, the five minutes count
    SPIFFE_ID_CAP = sizeof "spiffe://" + AUTHORITY_TRUST_DOMAIN_MAX + 1 + AUTHORITY_NAME_MAX,
};

// The end of 9999, which GeneralizedTime can still say.
#define LAST_SECOND INT64_C(253402300799)

struct authority {
    X509 *cert;    // owned
    EVP_PKEY *key; // owned; NULL when loaded without
    char trust_domain[AUTHORITY_TRUST_DOMAIN_MAX + 1];
};

static bool is_name_byte(char byte)
{
    const uint8_t lower = ascii_lower((uint8_t)byte);
    return (lower >= 'a' && lower <= 'z') || (byte >= '0' && byte <= '9') || byte == '.' ||
           byte == '_' || byte == '-';
}

bool authority_name_is_valid(const char *name)
{
    const size_t len = strlen(name);
    if (len < 1 || len > AUTHORITY_NAME_MAX || name[0] == '.')
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!is_name_byte(name[i]))
            return false;
    }
    return true;
}

bool authority_trust_domain_is_valid(const char *domain)
{
    const size_t len = strlen(domain);
    if (len < 1 || len > AUTHORITY_TRUST_DOMAIN_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!is_name_byte(domain[i]) || (domain[i] >= 'A' && domain[i] <= 'Z'))
            return false;
    }
    return true;
}

static bool common_name_is_valid(const char *name)
{
    const size_t len = strlen(name);
    for (size_t i = 0; i < len; i++) {
        if (name[i] < ' ' || name[i] > '~')
            return false;
    }
    return len >= 1 && len <= AUTHORITY_COMMON_NAME_MAX;
}

char *path_join(const char *directory, const char *name, const char *suffix)
{
    char *path = NULL;
    const size_t len = strlen(directory);
    const char *separator = len > 0 && directory[len - 1] == '/' ? "" : "/";
    return asprintf(&path, "%s%s%s%s", directory, separator, name, suffix) < 0 ? NULL : path;
}

static enum err no_memory(struct errinfo *info)
{
    return errinfo_set(info, ERR_MEMORY, "no memory");
}

// write_pair writes the key and then the certificate; neither stays without the other.
static enum err write_pair(const char *key_path, EVP_PKEY *key, const char *chain_path, X509 *cert,
                           struct errinfo *info)
{
    struct pem key_pem = {0};
    struct pem cert_pem = {0};
    enum err error = ERR_OK;
    if (key_path == NULL || chain_path == NULL || keypair_format(key, &key_pem) != ERR_OK ||
        certificate_format(cert, &cert_pem) != ERR_OK)
        error = no_memory(info);
    else if (new_file_exists(chain_path))
        error = errinfo_set(info, ERR_DENIED,
                            "%s is there already and is never overwritten: move it away, or "
                            "choose another name or directory",
                            chain_path);
    if (error == ERR_OK)
        error = new_file_write(key_path, pem_slice(&key_pem), FILE_MODE_SECRET, info);
    if (error == ERR_OK) {
        error = new_file_write(chain_path, pem_slice(&cert_pem), FILE_MODE_PUBLIC, info);
        if (error != ERR_OK)
            (void)unlink(key_path);
    }
    pem_deinit(&key_pem);
    pem_deinit(&cert_pem);
    return error;
}

// end_of gives the end of a validity that begins BACKDATE_S before `now_s`, not behind `limit_s`.
// The whole of it is `ttl_s`, so that 90d passes a max_lifetime of 90d; a short one counts from
// now.
static int64_t end_of(int64_t now_s, int64_t ttl_s, int64_t limit_s)
{
    const int64_t left_s = ttl_s > BACKDATED_FROM_S ? ttl_s - BACKDATE_S : ttl_s;
    return left_s > limit_s - now_s ? limit_s : now_s + left_s;
}

static enum err check_options(const struct authority_options *options, struct errinfo *info)
{
    if (!common_name_is_valid(options->common_name))
        return errinfo_set(info, ERR_INPUT,
                           "the CA's name must be 1 to %d printable ASCII characters",
                           AUTHORITY_COMMON_NAME_MAX);
    if (!authority_trust_domain_is_valid(options->trust_domain))
        return errinfo_set(info, ERR_INPUT,
                           "'%.100s' is not a SPIFFE trust domain: lower-case letters, digits, "
                           "'.', '-' and '_' only, like example.org",
                           options->trust_domain);
    return ERR_OK;
}

// make_root makes the self-signed certificate.
static enum err make_root(const struct authority_options *options, int64_t now_s, EVP_PKEY *key,
                          X509 **out)
{
    char uri[SPIFFE_ID_CAP];
    struct text text;
    text_init(&text, uri, sizeof uri);
    text_append_format(&text, "spiffe://%s", options->trust_domain);
    const struct san san = {.kind = SAN_URI, .is_usable = true, .value = text_slice(&text)};
    const struct certificate_plan plan = {
        .kind = CERTIFICATE_CA,
        .common_name = options->common_name,
        .sans = &san,
        .san_count = 1,
        .not_before_s = now_s - BACKDATE_S,
        .not_after_s = end_of(now_s, options->ttl_s, LAST_SECOND),
    };
    return certificate_make(&plan, key, NULL, key, out);
}

enum err authority_init(const char *directory, const struct authority_options *options,
                        int64_t now_s, struct errinfo *info)
{
    TRY(check_options(options, info));
    TRY(new_file_make_directory(directory, info));
    EVP_PKEY *key = NULL;
    X509 *cert = NULL;
    char *key_path = path_join(directory, "ca", ".key");
    char *cert_path = path_join(directory, "ca", ".crt");
    enum err error = ERR_OK;
    if (keypair_generate(&key) != ERR_OK || make_root(options, now_s, key, &cert) != ERR_OK)
        error = no_memory(info);
    else
        error = write_pair(key_path, key, cert_path, cert, info);
    free(key_path);
    free(cert_path);
    X509_free(cert);
    EVP_PKEY_free(key);
    return error;
}

// read_trust_domain takes the trust domain out of the one SPIFFE URI in ca.crt, if there is one.
static void read_trust_domain(struct authority *authority)
{
    const struct slice scheme = SLICE_LITERAL("spiffe://");
    struct identity *identity = NULL;
    if (identity_create(authority->cert, NULL, &identity) != ERR_OK)
        return;
    for (size_t i = 0; i < identity_san_count(identity); i++) {
        const struct san *san = identity_san(identity, i);
        if (san->kind != SAN_URI || !san->is_usable || !slice_starts_with(san->value, scheme))
            continue;
        char *domain = authority->trust_domain;
        if (!string_copy(domain, sizeof authority->trust_domain,
                         slice_from(san->value, scheme.len)) ||
            !authority_trust_domain_is_valid(domain))
            domain[0] = '\0';
    }
    identity_destroy(identity);
}

static enum err load_cert(struct authority *authority, const char *path, int64_t now_s,
                          struct errinfo *info)
{
    struct pem pem;
    TRY(new_file_read(path, false, &pem, info));
    const enum err error = certificate_parse(pem_slice(&pem), &authority->cert);
    pem_deinit(&pem);
    if (error != ERR_OK)
        return errinfo_set(info, ERR_INPUT, "%s holds no certificate in PEM", path);
    if (!X509_check_ca(authority->cert))
        return errinfo_set(info, ERR_INPUT, "%s is not the certificate of a CA", path);
    if (certificate_not_after_s(authority->cert) < now_s)
        return errinfo_set(info, ERR_INPUT,
                           "the CA in %s has expired: make a new one in another directory", path);
    read_trust_domain(authority);
    return ERR_OK;
}

static enum err load_key(struct authority *authority, const char *path, struct errinfo *info)
{
    struct pem pem;
    TRY(new_file_read(path, true, &pem, info));
    const enum err error = keypair_parse(pem_slice(&pem), &authority->key);
    pem_deinit(&pem);
    if (error != ERR_OK)
        return errinfo_set(info, ERR_INPUT,
                           "%s holds no private key in PEM (a passphrase is not supported yet)",
                           path);
    if (X509_check_private_key(authority->cert, authority->key) != 1) {
        ERR_clear_error();
        return errinfo_set(info, ERR_INPUT,
                           "%s is not the key of the ca.crt beside it: put back the pair that "
                           "belongs together",
                           path);
    }
    return ERR_OK;
}

enum err authority_load(const char *directory, bool with_key, int64_t now_s, struct authority **out,
                        struct errinfo *info)
{
    *out = NULL;
    struct authority *authority = calloc(1, sizeof *authority);
    char *key_path = path_join(directory, "ca", ".key");
    char *cert_path = path_join(directory, "ca", ".crt");
    enum err error = ERR_OK;
    if (authority == NULL || key_path == NULL || cert_path == NULL)
        error = no_memory(info);
    if (error == ERR_OK)
        error = load_cert(authority, cert_path, now_s, info);
    if (error == ERR_OK && with_key)
        error = load_key(authority, key_path, info);
    free(key_path);
    free(cert_path);
    if (error == ERR_OK)
        *out = authority;
    else
        authority_destroy(authority);
    return error;
}

void authority_destroy(struct authority *authority)
{
    if (authority == NULL)
        return;
    X509_free(authority->cert);
    EVP_PKEY_free(authority->key);
    free(authority);
}

const char *authority_trust_domain(const struct authority *authority)
{
    return authority->trust_domain;
}

int64_t authority_not_after_s(const struct authority *authority)
{
    return certificate_not_after_s(authority->cert);
}

bool authority_has_issued(const struct authority *authority, X509 *cert)
{
    EVP_PKEY *key = X509_get_pubkey(authority->cert);
    const bool is_issued = key != NULL && X509_check_issued(authority->cert, cert) == X509_V_OK &&
                           X509_verify(cert, key) == 1;
    EVP_PKEY_free(key);
    ERR_clear_error();
    return is_issued;
}

// has_uri tells whether there is a URI among the names.
static bool has_uri(const struct issue_options *options)
{
    for (size_t i = 0; i < options->san_count; i++) {
        if (options->sans[i].kind == SAN_URI)
            return true;
    }
    return false;
}

static enum err check_issue(const struct authority *authority, const struct issue_options *options,
                            struct errinfo *info)
{
    if (!authority_name_is_valid(options->name))
        return errinfo_set(info, ERR_INPUT,
                           "'%.100s' is not a name: 1 to %d letters, digits, '.', '_' and '-'",
                           options->name, AUTHORITY_NAME_MAX);
    if (options->san_count >= AUTHORITY_MAX_SANS)
        return errinfo_set(info, ERR_LIMIT, "more than %d names for one certificate",
                           AUTHORITY_MAX_SANS - 1);
    if (!options->is_server && !has_uri(options) && authority->trust_domain[0] == '\0')
        return errinfo_set(info, ERR_INPUT,
                           "ca.crt names no trust domain (a URI spiffe://DOMAIN), so that no "
                           "SPIFFE id can be made: give the client its id with --uri");
    return ERR_OK;
}

static enum err make_leaf(const struct authority *authority, const struct issue_options *options,
                          int64_t now_s, EVP_PKEY *key, struct issued *issued, X509 **out)
{
    char uri[SPIFFE_ID_CAP];
    struct text text;
    text_init(&text, uri, sizeof uri);
    struct san sans[AUTHORITY_MAX_SANS];
    size_t count = 0;
    if (!options->is_server && !has_uri(options)) {
        text_append_format(&text, "spiffe://%s/%s", authority->trust_domain, options->name);
        sans[count++] =
            (struct san){.kind = SAN_URI, .is_usable = true, .value = text_slice(&text)};
    }
    for (size_t i = 0; i < options->san_count; i++)
        sans[count++] = options->sans[i];
    const int64_t limit_s = authority_not_after_s(authority);
    issued->not_after_s = end_of(now_s, options->ttl_s, limit_s);
    issued->is_cut = issued->not_after_s == limit_s;
    const struct certificate_plan plan = {
        .kind = options->is_server ? CERTIFICATE_SERVER : CERTIFICATE_CLIENT,
        .common_name = options->name,
        .sans = sans,
        .san_count = count,
        .not_before_s = now_s - BACKDATE_S,
        .not_after_s = issued->not_after_s,
    };
    return certificate_make(&plan, key, authority->cert, authority->key, out);
}

enum err authority_issue(const struct authority *authority, const struct issue_options *options,
                         int64_t now_s, struct issued *out, struct errinfo *info)
{
    ASSERT(authority->key != NULL);
    *out = (struct issued){0};
    TRY(check_issue(authority, options, info));
    TRY(new_file_make_directory(options->directory, info));
    EVP_PKEY *key = NULL;
    X509 *cert = NULL;
    out->key_path = path_join(options->directory, options->name, ".key");
    out->chain_path = path_join(options->directory, options->name, ".crt");
    enum err error = ERR_OK;
    if (keypair_generate(&key) != ERR_OK ||
        make_leaf(authority, options, now_s, key, out, &cert) != ERR_OK)
        error = no_memory(info);
    else
        error = write_pair(out->key_path, key, out->chain_path, cert, info);
    X509_free(cert);
    EVP_PKEY_free(key);
    if (error != ERR_OK)
        issued_deinit(out);
    return error;
}

void issued_deinit(struct issued *issued)
{
    free(issued->chain_path);
    free(issued->key_path);
    *issued = (struct issued){0};
}
