// A certificate made again with the names of the old one, and the files of both kinds exchanged.
//
//   1. The old certificate: ours, or of the CA that is given up; not revoked; one that our index knows or learns of now.
//   2. Its names and kind; the key, old or new.
//   3. The new one is recorded, then every file is written whole under NAME.*.new.
//   4. The renames, key and certificate next to each other. A run that is cut off between the two
//      leaves a key without its certificate; running it again, with a new key, mends that.
#include <dirent.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <unistd.h>

#include "proxy/pki/authority_internal.h"
#include "proxy/pki/index_entry.h"
#include "proxy/pki/new_file.h"

static enum err no_memory(struct errinfo *info)
{
    return errinfo_set(info, ERR_MEMORY, "no memory");
}

// renewal is one in the making; everything owned.
struct renewal {
    const struct renew_options *options; // borrowed
    struct leaf_files files;
    X509 *old;
    struct index_entry old_entry;
    struct identity *names; // of the old one
    EVP_PKEY *key;
    bool has_key_file; // the private key is here
    X509 *cert;
    struct leaf_texts texts;
};

static enum err load_kept_key(struct renewal *renewal, struct errinfo *info)
{
    if (!renewal->has_key_file) {
        renewal->key = X509_get_pubkey(renewal->old);
        return renewal->key != NULL ? ERR_OK : no_memory(info);
    }
    struct pem pem;
    TRY(new_file_read(renewal->files.key_path, true, &pem, info));
    const enum err error = keypair_parse(pem_slice(&pem), &renewal->key);
    pem_deinit(&pem);
    if (error == ERR_OK && X509_check_private_key(renewal->old, renewal->key) == 1)
        return ERR_OK;
    ERR_clear_error();
    return errinfo_set(info, ERR_INPUT,
                       "%s is not the key of the certificate beside it: renew without --keep-key",
                       renewal->files.key_path);
}

static enum err choose_key(struct renewal *renewal, struct errinfo *info)
{
    renewal->has_key_file = new_file_exists(renewal->files.key_path);
    if (renewal->options->keeps_key)
        return load_kept_key(renewal, info);
    if (!renewal->has_key_file)
        return errinfo_set(info, ERR_DENIED,
                           "there is no %s: its key is kept elsewhere; --keep-key makes a "
                           "certificate for the same key, `ca issue --csr` one for a new request",
                           renewal->files.key_path);
    return keypair_generate(&renewal->key) == ERR_OK ? ERR_OK : no_memory(info);
}

// load_old reads the old certificate, which `issuer` has issued.
static enum err load_old(const struct authority *issuer, struct renewal *renewal,
                         struct errinfo *info)
{
    TRY(authority_load_leaf(issuer, renewal->files.chain_path, &renewal->old, info));
    if (!index_entry_of(renewal->old, renewal->options->name, &renewal->old_entry) ||
        identity_create(renewal->old, NULL, &renewal->names) != ERR_OK)
        return errinfo_set(info, ERR_INPUT, "%s has names that cannot be copied",
                           renewal->files.chain_path);
    return ERR_OK;
}

static enum err check_revocation(const struct renewal *renewal, const struct index *index,
                                 struct errinfo *info)
{
    const struct index_entry *known = index_find(index, renewal->old_entry.serial);
    if (known != NULL && known->is_revoked)
        return errinfo_set(
            info, ERR_DENIED,
            "%s is revoked (%s): for a new one use `ca issue` with another name, or move the files away first",
            renewal->files.chain_path, revocation_name(known->reason));
    return ERR_OK;
}

// look_up asks the index of the CA that issued the old one: `index`, which learns of it, or that of another CA.
static enum err look_up(const struct renewal *renewal, struct index *index, struct errinfo *info)
{
    if (renewal->options->old != NULL) {
        struct index other;
        TRY(authority_read_index(renewal->options->old, false, &other, info));
        const enum err error = check_revocation(renewal, &other, info);
        index_deinit(&other);
        return error;
    }
    TRY(check_revocation(renewal, index, info));
    return index_find(index, renewal->old_entry.serial) == NULL
               ? index_add_issue(index, &renewal->old_entry, info)
               : ERR_OK;
}

static enum err make_new(const struct authority *authority, int64_t now_s, struct renewal *renewal,
                         struct issued *out, struct errinfo *info)
{
    struct san sans[IDENTITY_MAX_SANS];
    const size_t count = identity_san_count(renewal->names);
    for (size_t i = 0; i < count; i++)
        sans[i] = *identity_san(renewal->names, i);
    const struct index_entry *old = &renewal->old_entry;
    const int64_t ttl_s = renewal->options->ttl_s > 0 ? renewal->options->ttl_s
                                                      : old->not_after_s - old->not_before_s;
    const struct validity validity =
        authority_validity(now_s, ttl_s, authority_not_after_s(authority));
    char common_name[AUTHORITY_COMMON_NAME_MAX + 1];
    const struct slice cn = identity_common_name(renewal->names);
    if (!string_copy(common_name, sizeof common_name, cn) || cn.len == 0)
        return errinfo_set(info, ERR_INPUT, "%s has no common name that can be copied",
                           renewal->files.chain_path);
    out->not_after_s = validity.not_after_s;
    out->is_cut = validity.is_cut;
    const struct certificate_plan plan = {
        .kind = old->kind == INDEX_SERVER ? CERTIFICATE_SERVER : CERTIFICATE_CLIENT,
        .common_name = common_name,
        .sans = sans,
        .san_count = count,
        .not_before_s = validity.not_before_s,
        .not_after_s = validity.not_after_s,
    };
    if (certificate_make(&plan, renewal->key, authority->cert, authority->key, &renewal->cert) !=
        ERR_OK)
        return no_memory(info);
    return leaf_texts_make(authority, renewal->cert, renewal->has_key_file ? renewal->key : NULL,
                           renewal->options->name, renewal->options->p12_passphrase,
                           &renewal->texts, info);
}

// choose_paths says which files are replaced: a bundle only where there is one.
static enum err choose_paths(const struct renewal *renewal, struct issued *out,
                             struct errinfo *info)
{
    const struct leaf_files *files = &renewal->files;
    const bool has_key = renewal->has_key_file;
    out->chain_path = strdup(files->chain_path);
    out->key_path = has_key ? strdup(files->key_path) : NULL;
    out->bundle_path =
        has_key && new_file_exists(files->bundle_path) ? strdup(files->bundle_path) : NULL;
    out->p12_path = renewal->texts.p12.len > 0 ? strdup(files->p12_path) : NULL;
    return out->chain_path == NULL ? no_memory(info) : ERR_OK;
}

static enum err exchange_files(const struct renewal *renewal, const struct issued *paths,
                               struct errinfo *info)
{
    const struct leaf_texts *texts = &renewal->texts;
    const struct {
        const char *path;
        const struct pem *text;
        mode_t mode;
    } files[] = {
        {paths->bundle_path, &texts->bundle, FILE_MODE_SECRET},
        {paths->p12_path, &texts->p12, FILE_MODE_SECRET},
        {paths->key_path, &texts->key, FILE_MODE_SECRET},
        {paths->chain_path, &texts->chain, FILE_MODE_PUBLIC},
    };
    enum { COUNT = sizeof files / sizeof files[0] };
    for (size_t i = 0; i < COUNT; i++) {
        if (files[i].path != NULL)
            TRY(new_file_stage(files[i].path, pem_slice(files[i].text), files[i].mode, info));
    }
    for (size_t i = 0; i < COUNT; i++) {
        if (files[i].path != NULL)
            TRY(new_file_publish(files[i].path, info));
    }
    return ERR_OK;
}

static enum err renew_locked(const struct authority *authority, struct index *index, int64_t now_s,
                             struct renewal *renewal, struct issued *out, struct errinfo *info)
{
    struct index_entry entry;
    const struct authority *old = renewal->options->old;
    TRY(load_old(old != NULL ? old : authority, renewal, info));
    TRY(look_up(renewal, index, info));
    TRY(choose_key(renewal, info));
    TRY(make_new(authority, now_s, renewal, out, info));
    TRY(choose_paths(renewal, out, info));
    if (!index_entry_of(renewal->cert, renewal->options->name, &entry))
        return no_memory(info);
    TRY(index_add_issue(index, &entry, info));
    return exchange_files(renewal, out, info);
}

static void renewal_deinit(struct renewal *renewal)
{
    leaf_files_deinit(&renewal->files);
    leaf_texts_deinit(&renewal->texts);
    identity_destroy(renewal->names);
    X509_free(renewal->old);
    X509_free(renewal->cert);
    EVP_PKEY_free(renewal->key);
}

enum err authority_renew(const struct authority *authority, const struct renew_options *options,
                         int64_t now_s, struct issued *out, struct errinfo *info)
{
    ASSERT(authority->key != NULL);
    *out = (struct issued){0};
    if (!authority_name_is_valid(options->name))
        return errinfo_set(info, ERR_INPUT, "'%.100s' is not a name: `ca list` shows them",
                           options->name);
    if (strcmp(options->name, "ca") == 0 || strcmp(options->name, "root") == 0)
        return errinfo_set(info, ERR_DENIED,
                           "%s.crt is the CA itself, and all its clients would be refused without "
                           "it: `ca renew ca --out DIR` makes a new CA beside it",
                           options->name);
    struct renewal renewal = {.options = options};
    struct index index;
    TRY(leaf_files_init(options->directory, options->name, &renewal.files, info));
    enum err error = authority_read_index(authority, true, &index, info);
    if (error == ERR_OK) {
        error = renew_locked(authority, &index, now_s, &renewal, out, info);
        index_deinit(&index);
    }
    renewal_deinit(&renewal);
    if (error != ERR_OK)
        issued_deinit(out);
    return error;
}

// is_due tells whether NAME.crt is ours, not revoked, and near its end.
static bool is_due(const struct authority *authority, const struct index *index,
                   const char *directory, const char *name, unsigned numerator,
                   unsigned denominator, int64_t now_s)
{
    struct errinfo ignored;
    struct index_entry entry;
    X509 *cert = NULL;
    char *path = path_join(directory, name, ".crt");
    const bool is_ours = path != NULL &&
                         authority_load_leaf(authority, path, &cert, &ignored) == ERR_OK &&
                         index_entry_of(cert, name, &entry);
    X509_free(cert);
    free(path);
    if (!is_ours)
        return false;
    const struct index_entry *known = index_find(index, entry.serial);
    const int64_t life_s = entry.not_after_s - entry.not_before_s;
    return (known == NULL || !known->is_revoked) &&
           (entry.not_after_s - now_s) * denominator < life_s * numerator;
}

static int keep_certificates(const struct dirent *entry)
{
    return slice_ends_with(slice_of_string(entry->d_name), SLICE_LITERAL(".crt"));
}

enum err authority_due_names(const struct authority *authority, const char *directory,
                             unsigned numerator, unsigned denominator, int64_t now_s, char ***out,
                             size_t *out_count, struct errinfo *info)
{
    *out = NULL;
    *out_count = 0;
    struct index index;
    struct dirent **found = NULL;
    TRY(authority_read_index(authority, false, &index, info));
    const int count = scandir(directory, &found, keep_certificates, alphasort);
    enum err error = ERR_OK;
    if (count < 0)
        error = errinfo_set(info, ERR_SYSTEM, "the directory %s cannot be read: %s", directory,
                            strerror(errno));
    else if ((*out = calloc((size_t)count + 1, sizeof **out)) == NULL)
        error = no_memory(info);
    for (int i = 0; i < count; i++) {
        char *name = found[i]->d_name;
        name[strlen(name) - sizeof ".crt" + 1] = '\0';
        if (error == ERR_OK && authority_name_is_valid(name) &&
            is_due(authority, &index, directory, name, numerator, denominator, now_s) &&
            ((*out)[*out_count] = strdup(name)) != NULL)
            ++*out_count;
        free(found[i]);
    }
    free(found);
    index_deinit(&index);
    return error;
}
