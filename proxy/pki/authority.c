// A CA in a directory: made once, loaded and checked; its index and the certificates that it has issued.
#include "proxy/pki/authority.h"

#include <dirent.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/base/text.h"
#include "proxy/config/file.h"
#include "proxy/pki/index_entry.h"
#include "proxy/pki/new_file.h"

enum { TRUST_DOMAIN_CAP = sizeof "spiffe://" + AUTHORITY_TRUST_DOMAIN_MAX };

#define ROOT_SUFFIX " Root" // the root has the name of the CA with this after it

// The end of 9999, which GeneralizedTime can still say.
#define LAST_SECOND INT64_C(253402300799)

static enum err check_options(const struct authority_options *options, struct errinfo *info)
{
    const size_t name_max =
        AUTHORITY_COMMON_NAME_MAX - (options->has_root ? sizeof ROOT_SUFFIX - 1 : 0);
    const struct slice name = slice_of_string(options->common_name);
    if (name.len == 0 || name.len > name_max || !ascii_is_printable(name))
        return errinfo_set(info, ERR_INPUT,
                           "the CA's name must be 1 to %zu printable ASCII characters", name_max);
    if (!authority_trust_domain_is_valid(options->trust_domain))
        return errinfo_set(info, ERR_INPUT,
                           "'%.100s' is not a SPIFFE trust domain: lower-case letters, digits, "
                           "'.', '-' and '_' only, like example.org",
                           options->trust_domain);
    return ERR_OK;
}

// ca_pair is one certificate of a CA with its key, and the paths of both.
struct ca_pair {
    EVP_PKEY *key; // owned
    X509 *cert;    // owned
    struct pem texts[2];
    char paths[2][PATH_CAP];
};

// pair_make makes a CA's key and its certificate, signed by `issuer`, or by itself when that is NULL.
static enum err pair_make(const char *directory, const char *stem, const char *common_name,
                          const struct authority_options *options, const struct ca_pair *issuer,
                          unsigned path_len, int64_t now_s, struct ca_pair *out)
{
    char uri[TRUST_DOMAIN_CAP];
    struct text text;
    text_init(&text, uri, sizeof uri);
    text_append_format(&text, "spiffe://%s", options->trust_domain);
    const struct san san = {.kind = SAN_URI, .is_usable = true, .value = text_slice(&text)};
    const struct validity validity = certificate_validity(now_s, options->ttl_s, LAST_SECOND);
    const struct certificate_plan plan = {
        .kind = CERTIFICATE_CA,
        .common_name = common_name,
        .sans = &san,
        .san_count = 1,
        .not_before_s = validity.not_before_s,
        .not_after_s = validity.not_after_s,
        .path_len = path_len,
    };
    (void)path_join(directory, stem, ".key", out->paths[0]);
    (void)path_join(directory, stem, ".crt", out->paths[1]);
    TRY(keypair_generate(&out->key));
    TRY(certificate_make(&plan, out->key, issuer == NULL ? NULL : issuer->cert,
                         issuer == NULL ? out->key : issuer->key, &out->cert));
    TRY(keypair_format(out->key, options->passphrase, &out->texts[0]));
    return certificate_format(&out->cert, 1, &out->texts[1]);
}

static void pair_deinit(struct ca_pair *pair)
{
    pem_deinit(&pair->texts[0]);
    pem_deinit(&pair->texts[1]);
    X509_free(pair->cert);
    EVP_PKEY_free(pair->key);
}

// check_absence fails when one of the files of a CA exists.
static enum err check_absence(const char *directory, bool has_root, struct errinfo *info)
{
    static const char *const names[] = {"ca.crt", "ca.key", "ca.index", "root.crt", "root.key"};
    for (size_t i = 0; i < (has_root ? 5 : 3); i++) {
        char path[PATH_CAP];
        if (new_file_exists(path_join(directory, names[i], "", path)))
            return errinfo_set(info, ERR_DENIED,
                               "%s is there already and is never overwritten: move it away, or "
                               "choose another name or directory",
                               path);
    }
    return ERR_OK;
}

// create_index makes the index of a new CA. A CA that a root has issued is its first entry.
static enum err create_index(const char *directory, X509 *issued, struct errinfo *info)
{
    struct index index;
    struct index_entry entry;
    TRY(index_open(directory, true, &index, info));
    enum err error = ERR_OK;
    if (issued != NULL)
        error =
            index_entry_of(issued, "ca", &entry) ? index_adopt(&index, &entry, info) : ERR_MEMORY;
    if (error == ERR_OK)
        error = index_create(&index, info);
    index_deinit(&index);
    return error;
}

// init makes the CA, and its root, which comes first. After an error none of the files is left.
static enum err init(const char *directory, const struct authority_options *options, int64_t now_s,
                     struct ca_pair *root, struct ca_pair *ca, struct errinfo *info)
{
    char root_name[AUTHORITY_COMMON_NAME_MAX + 1];
    (void)snprintf(root_name, sizeof root_name, "%s" ROOT_SUFFIX, options->common_name);
    if (options->has_root)
        TRY(pair_make(directory, "root", root_name, options, NULL, 1, now_s, root));
    TRY(pair_make(directory, "ca", options->common_name, options, options->has_root ? root : NULL,
                  0, now_s, ca));
    TRY(check_absence(directory, options->has_root, info));
    struct new_file files[4];
    size_t count = 0;
    for (size_t i = options->has_root ? 0 : 2; i < 4; i++) {
        const struct ca_pair *pair = i < 2 ? root : ca;
        files[count++] = (struct new_file){
            .path = pair->paths[i % 2],
            .bytes = pem_slice(&pair->texts[i % 2]),
            .mode = i % 2 == 0 ? FILE_MODE_SECRET : FILE_MODE_PUBLIC,
        };
    }
    TRY(new_file_write_all(files, count, info));
    const enum err error = create_index(directory, options->has_root ? ca->cert : NULL, info);
    if (error != ERR_OK)
        new_file_remove_all(files, count);
    return error;
}

enum err authority_init(const char *directory, const struct authority_options *options,
                        int64_t now_s, struct errinfo *info)
{
    struct ca_pair root = {0};
    struct ca_pair ca = {0};
    TRY(check_options(options, info));
    TRY(new_file_make_directory(directory, info));
    const enum err error = init(directory, options, now_s, &root, &ca, info);
    pair_deinit(&root);
    pair_deinit(&ca);
    return error == ERR_MEMORY ? errinfo_set(info, error, "no memory") : error;
}

enum err authority_init_like(const struct authority *old, const char *directory, int64_t ttl_s,
                             struct slice passphrase, int64_t now_s, struct errinfo *info)
{
    const struct identity *identity = old->identity;
    char common_name[AUTHORITY_COMMON_NAME_MAX + 1];
    if (identity == NULL)
        return errinfo_set(info, ERR_INPUT, "ca.crt has names that cannot be copied");
    if (!string_copy(common_name, sizeof common_name, dn_common_name(&identity->subject)) ||
        common_name[0] == '\0' || old->trust_domain[0] == '\0')
        return errinfo_set(info, ERR_INPUT,
                           "ca.crt was not made by sallyport (it has no name, or no URI "
                           "spiffe://DOMAIN): make the new one with `ca init --dir DIR`");
    const int64_t life_s = identity->not_after_s - identity->not_before_s;
    const struct authority_options options = {
        .common_name = common_name,
        .trust_domain = old->trust_domain,
        .ttl_s = ttl_s > 0 ? ttl_s : life_s,
        .passphrase = passphrase,
        .has_root = old->has_root,
    };
    return authority_init(directory, &options, now_s, info);
}

// read_trust_domain takes the trust domain from the SPIFFE URI in the certificate, if there is one.
static void read_trust_domain(struct authority *authority)
{
    const struct slice scheme = SLICE_LITERAL("spiffe://");
    for (size_t i = 0; i < authority->identity->san_count; i++) {
        const struct san *san = &authority->identity->sans[i];
        if (san->kind != SAN_URI || !san->is_usable || !slice_starts_with(san->value, scheme))
            continue;
        char *domain = authority->trust_domain;
        if (!string_copy(domain, sizeof authority->trust_domain,
                         slice_from(san->value, scheme.len)) ||
            !authority_trust_domain_is_valid(domain))
            domain[0] = '\0';
    }
}

static const char *stem_of(const struct authority *authority)
{
    return authority->part == AUTHORITY_ROOT ? "root" : "ca";
}

// load_certificate reads the first certificate of a file.
static enum err load_certificate(const char *path, X509 **out, struct errinfo *info)
{
    struct file_content pem;
    TRY(file_read(path, PEM_FILE_MAX, FILE_PUBLIC, &pem, info));
    const enum err error = certificate_parse(pem.bytes, out);
    file_content_deinit(&pem);
    return error == ERR_OK ? ERR_OK
                           : errinfo_set(info, ERR_INPUT, "%s holds no certificate in PEM", path);
}

static enum err load(struct authority *authority, int64_t now_s, struct errinfo *info)
{
    char path[PATH_CAP];
    (void)path_join(authority->directory, stem_of(authority), ".crt", path);
    TRY(load_certificate(path, &authority->cert, info));
    if (!X509_check_ca(authority->cert))
        return errinfo_set(info, ERR_INPUT, "%s is not the certificate of a CA", path);
    if (certificate_not_after_s(authority->cert) < now_s)
        return errinfo_set(info, ERR_INPUT,
                           "the CA in %s has expired: make a new one in another directory", path);
    authority->has_root = X509_NAME_cmp(X509_get_subject_name(authority->cert),
                                        X509_get_issuer_name(authority->cert)) != 0;
    if (identity_create(authority->cert, NULL, &authority->identity) == ERR_OK)
        read_trust_domain(authority);
    return ERR_OK;
}

enum err authority_load(const char *directory, enum authority_part part, int64_t now_s,
                        struct authority *out, struct errinfo *info)
{
    *out = (struct authority){.part = part, .directory = directory};
    const enum err error = load(out, now_s, info);
    if (error != ERR_OK)
        authority_deinit(out);
    return error;
}

enum err authority_load_key(struct authority *authority, struct slice passphrase,
                            struct errinfo *info)
{
    struct file_content pem;
    char path[PATH_CAP];
    TRY(file_read(path_join(authority->directory, stem_of(authority), ".key", path), PEM_FILE_MAX,
                  FILE_PRIVATE, &pem, info));
    const bool is_encrypted = keypair_is_encrypted(pem.bytes);
    const enum err error = keypair_parse(pem.bytes, passphrase, &authority->key);
    file_content_deinit(&pem);
    if (error != ERR_OK && is_encrypted && passphrase.len == 0)
        return errinfo_set(info, ERR_INPUT,
                           "%s is under a passphrase: --passphrase-file says which file holds it",
                           path);
    if (error != ERR_OK && is_encrypted)
        return errinfo_set(info, ERR_INPUT, "the passphrase is not the one of %s", path);
    if (error != ERR_OK)
        return errinfo_set(info, ERR_INPUT, "%s holds no private key in PEM", path);
    if (X509_check_private_key(authority->cert, authority->key) == 1)
        return ERR_OK;
    ERR_clear_error();
    return errinfo_set(info, ERR_INPUT,
                       "%s is not the key of the certificate beside it: restore the matching pair",
                       path);
}

void authority_deinit(struct authority *authority)
{
    X509_free(authority->cert);
    EVP_PKEY_free(authority->key);
    identity_destroy(authority->identity);
    *authority = (struct authority){0};
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
    TRY(load_certificate(path, out, info));
    if (authority_has_issued(authority, *out) && !X509_check_ca(*out))
        return ERR_OK;
    X509_free(*out);
    *out = NULL;
    return errinfo_set(info, ERR_INPUT, "%s was not issued by this CA: --dir says where its CA is",
                       path);
}

// make_entry makes the entry of NAME.crt in `directory`. False unless this authority, or its root, has issued it.
static bool make_entry(const struct authority *authority, const char *directory, const char *name,
                       struct index_entry *out)
{
    struct errinfo ignored;
    X509 *cert = NULL;
    char path[PATH_CAP];
    if (!authority_name_is_valid(name) || strcmp(name, "root") == 0)
        return false;
    if (strcmp(name, "ca") == 0)
        return authority->has_root && index_entry_of(authority->cert, name, out);
    const bool is_ours = authority_load_leaf(authority, path_join(directory, name, ".crt", path),
                                             &cert, &ignored) == ERR_OK &&
                         index_entry_of(cert, name, out);
    X509_free(cert);
    return is_ours;
}

static int is_certificate(const struct dirent *entry)
{
    return slice_ends_with(slice_of_string(entry->d_name), SLICE_LITERAL(".crt"));
}

// adopt_directory adds the certificates in `directory` that this authority, or its root, has issued, to `index`.
static enum err adopt_directory(const struct authority *authority, const char *directory,
                                struct index *index, struct errinfo *info)
{
    struct dirent **found = NULL;
    const int count = scandir(directory, &found, is_certificate, alphasort);
    if (count < 0)
        return errinfo_set(info, ERR_SYSTEM, "the directory %s cannot be read: %m", directory);
    enum err error = ERR_OK;
    for (int i = 0; i < count; i++) {
        struct index_entry entry;
        char *name = found[i]->d_name;
        name[strlen(name) - sizeof ".crt" + 1] = '\0';
        if (error == ERR_OK && make_entry(authority, directory, name, &entry))
            error = index_adopt(index, &entry, info);
        free(found[i]);
    }
    free(found);
    return error;
}

enum err authority_read_index(const struct authority *authority, bool is_writing, struct index *out,
                              struct errinfo *info)
{
    TRY(index_open(authority->directory, is_writing, out, info));
    enum err error = ERR_OK;
    if (out->is_missing)
        error = adopt_directory(authority, authority->directory, out, info);
    if (error == ERR_OK && out->is_missing && is_writing)
        error = index_create(out, info);
    if (error != ERR_OK)
        index_deinit(out);
    return error;
}

enum err authority_find_due(const struct authority *authority, const char *directory,
                            unsigned numerator, unsigned denominator, int64_t now_s,
                            struct index_entry **out, size_t *out_count, struct errinfo *info)
{
    struct index index;
    struct index found = {.fd = -1, .lock_fd = -1};
    *out_count = 0;
    TRY(authority_read_index(authority, false, &index, info));
    const enum err error = adopt_directory(authority, directory, &found, info);
    for (size_t i = 0; error == ERR_OK && i < found.count; i++) {
        const struct index_entry *entry = &found.entries[i];
        const struct index_entry *known = index_find(&index, entry->serial);
        const int64_t life_s = entry->not_after_s - entry->not_before_s;
        if (entry->kind != INDEX_CA && (known == NULL || !known->is_revoked) &&
            (entry->not_after_s - now_s) * denominator < life_s * numerator)
            found.entries[(*out_count)++] = *entry;
    }
    if (error == ERR_OK) {
        *out = found.entries;
        found.entries = NULL;
    }
    index_deinit(&found);
    index_deinit(&index);
    return error;
}
