// The CA in a directory: made once, loaded and checked, and what it signs.
#include "proxy/pki/authority.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "auth/base/text.h"
#include "proxy/pki/authority_internal.h"
#include "proxy/pki/index_entry.h"
#include "proxy/pki/new_file.h"
#include "proxy/pki/revocation_list.h"

enum {
    BACKDATE_PART = 10, // of a short life, this part may lie before its beginning
    TRUST_DOMAIN_CAP = sizeof "spiffe://" + AUTHORITY_TRUST_DOMAIN_MAX,
};

// The end of 9999, which GeneralizedTime can still say.
#define LAST_SECOND INT64_C(253402300799)

static bool common_name_is_valid(const char *name)
{
    const size_t len = strlen(name);
    for (size_t i = 0; i < len; i++) {
        if (name[i] < ' ' || name[i] > '~')
            return false;
    }
    return len >= 1 && len <= AUTHORITY_COMMON_NAME_MAX;
}

static enum err no_memory(struct errinfo *info)
{
    return errinfo_set(info, ERR_MEMORY, "no memory");
}

// write_pair writes the key and then the certificate; neither stays without the other.
static enum err write_pair(const char *key_path, EVP_PKEY *key, struct slice passphrase,
                           const char *chain_path, X509 *cert, struct errinfo *info)
{
    struct pem key_pem = {0};
    struct pem cert_pem = {0};
    const enum err formatted = passphrase.len > 0 ? keypair_format_sealed(key, passphrase, &key_pem)
                                                  : keypair_format(key, &key_pem);
    enum err error = ERR_OK;
    if (formatted != ERR_OK || certificate_format(cert, &cert_pem) != ERR_OK)
        error = no_memory(info);
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

struct validity authority_validity(int64_t now_s, int64_t ttl_s, int64_t limit_s)
{
    const int64_t part_s = ttl_s / BACKDATE_PART;
    const int64_t back_s = part_s < AUTHORITY_BACKDATE_S ? part_s : AUTHORITY_BACKDATE_S;
    const bool is_cut = ttl_s - back_s > limit_s - now_s;
    return (struct validity){
        .not_before_s = now_s - back_s,
        .not_after_s = is_cut ? limit_s : now_s - back_s + ttl_s,
        .is_cut = is_cut,
    };
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

// make_ca makes a CA's certificate, signed by `issuer`, or by itself when there is none.
static enum err make_ca(const struct authority_options *options, const char *common_name,
                        unsigned path_len, int64_t now_s, EVP_PKEY *key, X509 *issuer,
                        EVP_PKEY *issuer_key, X509 **out)
{
    char uri[TRUST_DOMAIN_CAP];
    struct text text;
    text_init(&text, uri, sizeof uri);
    text_append_format(&text, "spiffe://%s", options->trust_domain);
    const struct san san = {.kind = SAN_URI, .is_usable = true, .value = text_slice(&text)};
    const struct validity validity = authority_validity(now_s, options->ttl_s, LAST_SECOND);
    const struct certificate_plan plan = {
        .kind = CERTIFICATE_CA,
        .common_name = common_name,
        .sans = &san,
        .san_count = 1,
        .not_before_s = validity.not_before_s,
        .not_after_s = validity.not_after_s,
        .path_len = path_len,
    };
    return certificate_make(&plan, key, issuer, issuer == NULL ? key : issuer_key, out);
}

// making is a CA on its way into its files.
struct making {
    EVP_PKEY *key; // owned, as all of it
    X509 *cert;
    EVP_PKEY *root_key; // NULL without a root
    X509 *root;
    char *key_path;
    char *cert_path;
    char *root_key_path;
    char *root_path;
};

static enum err making_init(const char *directory, const struct authority_options *options,
                            int64_t now_s, struct making *out)
{
    char root_name[AUTHORITY_COMMON_NAME_MAX + sizeof " Root"];
    (void)snprintf(root_name, sizeof root_name, "%s Root", options->common_name);
    *out = (struct making){
        .key_path = path_join(directory, "ca", ".key"),
        .cert_path = path_join(directory, "ca", ".crt"),
        .root_key_path = path_join(directory, "root", ".key"),
        .root_path = path_join(directory, "root", ".crt"),
    };
    if (out->key_path == NULL || out->cert_path == NULL || out->root_key_path == NULL ||
        out->root_path == NULL)
        return ERR_MEMORY;
    if (options->has_root) {
        TRY(keypair_generate(&out->root_key));
        TRY(make_ca(options, root_name, 1, now_s, out->root_key, NULL, NULL, &out->root));
    }
    TRY(keypair_generate(&out->key));
    return make_ca(options, options->common_name, 0, now_s, out->key, out->root, out->root_key,
                   &out->cert);
}

static void making_deinit(struct making *making)
{
    free(making->key_path);
    free(making->cert_path);
    free(making->root_key_path);
    free(making->root_path);
    X509_free(making->cert);
    X509_free(making->root);
    EVP_PKEY_free(making->key);
    EVP_PKEY_free(making->root_key);
}

static enum err check_absence(const char *directory, const struct authority_options *options,
                              const struct making *making, struct errinfo *info)
{
    char *index_path = path_join(directory, "ca", ".index");
    const char *const paths[] = {making->cert_path, making->key_path,
                                 options->has_root ? making->root_path : NULL,
                                 options->has_root ? making->root_key_path : NULL, index_path};
    enum err error = index_path == NULL ? no_memory(info) : ERR_OK;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0] && error == ERR_OK; i++) {
        if (paths[i] != NULL && new_file_exists(paths[i]))
            error = errinfo_set(info, ERR_DENIED,
                                "%s is there already and is never overwritten: move it away, or "
                                "choose another name or directory",
                                paths[i]);
    }
    free(index_path);
    return error;
}

// begin_index makes the index of a new CA; one that a root has issued is its first entry.
static enum err begin_index(const char *directory, const struct making *making,
                            struct errinfo *info)
{
    struct index index;
    struct index_entry entry;
    TRY(index_open(directory, true, &index, info));
    enum err error = ERR_OK;
    if (making->root != NULL && !index_entry_of(making->cert, "ca", &entry))
        error = no_memory(info);
    if (error == ERR_OK && making->root != NULL)
        error = index_adopt(&index, &entry, info);
    if (error == ERR_OK)
        error = index_create(&index, info);
    index_deinit(&index);
    return error;
}

static enum err write_ca(const char *directory, const struct authority_options *options,
                         const struct making *making, struct errinfo *info)
{
    TRY(check_absence(directory, options, making, info));
    if (making->root != NULL)
        TRY(write_pair(making->root_key_path, making->root_key, options->passphrase,
                       making->root_path, making->root, info));
    enum err error = write_pair(making->key_path, making->key, options->passphrase,
                                making->cert_path, making->cert, info);
    if (error == ERR_OK) {
        error = begin_index(directory, making, info);
        if (error != ERR_OK) {
            (void)unlink(making->key_path);
            (void)unlink(making->cert_path);
        }
    }
    if (error != ERR_OK && making->root != NULL) {
        (void)unlink(making->root_key_path);
        (void)unlink(making->root_path);
    }
    return error;
}

enum err authority_init(const char *directory, const struct authority_options *options,
                        int64_t now_s, struct errinfo *info)
{
    TRY(check_options(options, info));
    TRY(new_file_make_directory(directory, info));
    struct making making;
    enum err error = ERR_OK;
    if (making_init(directory, options, now_s, &making) != ERR_OK)
        error = no_memory(info);
    else
        error = write_ca(directory, options, &making, info);
    making_deinit(&making);
    return error;
}

enum err authority_succeed(const struct authority *old, const char *directory, int64_t ttl_s,
                           struct slice passphrase, int64_t now_s, struct errinfo *info)
{
    struct identity *identity = NULL;
    char common_name[AUTHORITY_COMMON_NAME_MAX + 1];
    if (identity_create(old->cert, NULL, &identity) != ERR_OK)
        return errinfo_set(info, ERR_INPUT, "ca.crt has names that cannot be copied");
    const bool has_name =
        string_copy(common_name, sizeof common_name, identity_common_name(identity));
    const int64_t life_s = identity_not_after_s(identity) - identity_not_before_s(identity);
    identity_destroy(identity);
    if (!has_name || common_name[0] == '\0' || old->trust_domain[0] == '\0')
        return errinfo_set(info, ERR_INPUT,
                           "ca.crt was not made by sallyport (it has no name, or no URI "
                           "spiffe://DOMAIN): make the new one with `ca init --dir DIR`");
    const struct authority_options options = {
        .common_name = common_name,
        .trust_domain = old->trust_domain,
        .ttl_s = ttl_s > 0 ? ttl_s : life_s,
        .passphrase = passphrase,
        .has_root = old->has_root,
    };
    return authority_init(directory, &options, now_s, info);
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
    authority->has_root = X509_NAME_cmp(X509_get_subject_name(authority->cert),
                                        X509_get_issuer_name(authority->cert)) != 0;
    read_trust_domain(authority);
    return ERR_OK;
}

static enum err load_key(struct authority *authority, const char *path, struct slice passphrase,
                         struct errinfo *info)
{
    struct pem pem;
    TRY(new_file_read(path, true, &pem, info));
    const bool is_sealed = keypair_is_sealed(pem_slice(&pem));
    const enum err error = keypair_parse_sealed(pem_slice(&pem), passphrase, &authority->key);
    pem_deinit(&pem);
    if (error != ERR_OK && is_sealed && passphrase.len == 0)
        return errinfo_set(info, ERR_INPUT,
                           "%s is under a passphrase: --passphrase-file says which file holds it",
                           path);
    if (error != ERR_OK && is_sealed)
        return errinfo_set(info, ERR_INPUT, "the passphrase is not the one of %s", path);
    if (error != ERR_OK)
        return errinfo_set(info, ERR_INPUT, "%s holds no private key in PEM", path);
    if (X509_check_private_key(authority->cert, authority->key) != 1) {
        ERR_clear_error();
        return errinfo_set(
            info, ERR_INPUT,
            "%s is not the key of the certificate beside it: restore the matching pair", path);
    }
    return ERR_OK;
}

// load reads one part of a CA, with its key or without.
static enum err load(const char *directory, enum authority_part part, bool with_key,
                     struct slice passphrase, int64_t now_s, struct authority **out,
                     struct errinfo *info)
{
    *out = NULL;
    const char *stem = part == AUTHORITY_ROOT ? "root" : "ca";
    struct authority *authority = calloc(1, sizeof *authority);
    char *key_path = path_join(directory, stem, ".key");
    char *cert_path = path_join(directory, stem, ".crt");
    enum err error = ERR_OK;
    if (authority != NULL)
        authority->directory = strdup(directory);
    if (authority == NULL || key_path == NULL || cert_path == NULL || authority->directory == NULL)
        error = no_memory(info);
    if (error == ERR_OK)
        error = load_cert(authority, cert_path, now_s, info);
    if (error == ERR_OK && with_key)
        error = load_key(authority, key_path, passphrase, info);
    free(key_path);
    free(cert_path);
    if (error == ERR_OK)
        *out = authority;
    else
        authority_destroy(authority);
    return error;
}

enum err authority_load(const char *directory, bool with_key, int64_t now_s, struct authority **out,
                        struct errinfo *info)
{
    return load(directory, AUTHORITY_ISSUING, with_key, (struct slice){0}, now_s, out, info);
}

enum err authority_open(const char *directory, enum authority_part part, struct slice passphrase,
                        int64_t now_s, struct authority **out, struct errinfo *info)
{
    return load(directory, part, true, passphrase, now_s, out, info);
}

void authority_destroy(struct authority *authority)
{
    if (authority == NULL)
        return;
    X509_free(authority->cert);
    EVP_PKEY_free(authority->key);
    free(authority->directory);
    free(authority);
}

bool authority_has_root(const struct authority *authority)
{
    return authority->has_root;
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

enum err authority_load_leaf(const struct authority *authority, const char *path, X509 **out,
                             struct errinfo *info)
{
    *out = NULL;
    struct pem pem;
    TRY(new_file_read(path, false, &pem, info));
    enum err error = certificate_parse(pem_slice(&pem), out);
    pem_deinit(&pem);
    if (error != ERR_OK)
        return errinfo_set(info, ERR_INPUT, "%s holds no certificate in PEM", path);
    if (authority_has_issued(authority, *out) && !X509_check_ca(*out))
        return ERR_OK;
    X509_free(*out);
    *out = NULL;
    return errinfo_set(info, ERR_INPUT, "%s was not issued by this CA: --dir says where its CA is",
                       path);
}

// adopt_file takes NAME.crt into the index when this authority, or its root, has issued it.
static enum err adopt_file(const struct authority *authority, const char *file_name,
                           struct index *index, struct errinfo *info)
{
    const struct slice suffix = SLICE_LITERAL(".crt");
    const struct slice file = slice_of_string(file_name);
    char name[INDEX_NAME_CAP];
    if (!slice_ends_with(file, suffix) ||
        !string_copy(name, sizeof name, slice_first(file, file.len - suffix.len)) ||
        !authority_name_is_valid(name) || strcmp(name, "root") == 0)
        return ERR_OK;
    struct errinfo ignored;
    struct index_entry entry;
    X509 *cert = NULL;
    char *path = path_join(authority->directory, file_name, "");
    if (path == NULL)
        return no_memory(info);
    bool is_ours = false;
    if (strcmp(name, "ca") == 0)
        is_ours = authority->has_root && index_entry_of(authority->cert, name, &entry);
    else
        is_ours = authority_load_leaf(authority, path, &cert, &ignored) == ERR_OK &&
                  index_entry_of(cert, name, &entry);
    X509_free(cert);
    free(path);
    return is_ours ? index_adopt(index, &entry, info) : ERR_OK;
}

// adopt_directory takes what is found beside ca.crt.
static enum err adopt_directory(const struct authority *authority, struct index *index,
                                struct errinfo *info)
{
    DIR *directory = opendir(authority->directory);
    if (directory == NULL)
        return errinfo_set(info, ERR_SYSTEM, "the directory %s cannot be read: %s",
                           authority->directory, strerror(errno));
    enum err error = ERR_OK;
    const struct dirent *entry = NULL;
    while (error == ERR_OK && (entry = readdir(directory)) != NULL)
        error = adopt_file(authority, entry->d_name, index, info);
    (void)closedir(directory);
    return error;
}

enum err authority_create_index(const struct authority *authority, struct index *index,
                                struct errinfo *info)
{
    TRY(adopt_directory(authority, index, info));
    return index_create(index, info);
}

enum err authority_read_index(const struct authority *authority, bool is_writing, struct index *out,
                              struct errinfo *info)
{
    TRY(index_open(authority->directory, is_writing, out, info));
    enum err error = ERR_OK;
    if (out->is_missing)
        error = is_writing ? authority_create_index(authority, out, info)
                           : adopt_directory(authority, out, info);
    if (error != ERR_OK)
        index_deinit(out);
    return error;
}

enum err authority_format_crl(const struct authority *authority, enum authority_part part,
                              const struct index *index, uint64_t number, int64_t now_s,
                              int64_t ttl_s, struct pem *out, struct errinfo *info)
{
    ASSERT(authority->key != NULL);
    const struct revocation_plan plan = {
        .entries = index->entries,
        .entry_count = index->count,
        .is_of_cas = part == AUTHORITY_ROOT,
        .number = number,
        .this_update_s = now_s - AUTHORITY_BACKDATE_S,
        .next_update_s = now_s + ttl_s,
    };
    if (revocation_list_format(&plan, authority->cert, authority->key, out) != ERR_OK)
        return no_memory(info);
    return ERR_OK;
}
