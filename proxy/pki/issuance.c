// A key and a certificate for a name, recorded and then written.
#include <openssl/err.h>
#include <stdlib.h>
#include <unistd.h>

#include "auth/base/text.h"
#include "proxy/pki/authority_internal.h"
#include "proxy/pki/index_entry.h"
#include "proxy/pki/new_file.h"
#include "proxy/pki/request.h"

enum { SPIFFE_ID_CAP = sizeof "spiffe://" + AUTHORITY_TRUST_DOMAIN_MAX + 1 + AUTHORITY_NAME_MAX };

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
    if (strcmp(options->name, "ca") == 0 || strcmp(options->name, "root") == 0)
        return errinfo_set(info, ERR_DENIED,
                           "the files %s.crt and %s.key are the CA's own and are never "
                           "overwritten: choose another name",
                           options->name, options->name);
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
    const struct validity validity =
        authority_validity(now_s, options->ttl_s, authority_not_after_s(authority));
    issued->not_after_s = validity.not_after_s;
    issued->is_cut = validity.is_cut;
    const struct certificate_plan plan = {
        .kind = options->is_server ? CERTIFICATE_SERVER : CERTIFICATE_CLIENT,
        .common_name = options->name,
        .sans = sans,
        .san_count = count,
        .not_before_s = validity.not_before_s,
        .not_after_s = validity.not_after_s,
    };
    return certificate_make(&plan, key, authority->cert, authority->key, out);
}

// check_absence refuses to begin when one of the files is there.
static enum err check_absence(const struct issued *issued, struct errinfo *info)
{
    const char *const paths[] = {issued->chain_path, issued->key_path, issued->bundle_path,
                                 issued->p12_path};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        if (paths[i] != NULL && new_file_exists(paths[i]))
            return errinfo_set(info, ERR_DENIED,
                               "%s is there already and is never overwritten: move it away, or "
                               "choose another name or directory; `ca renew` replaces it",
                               paths[i]);
    }
    return ERR_OK;
}

// write_files writes what is wanted, the key first; none stays without the others.
static enum err write_files(const struct issued *issued, const struct leaf_texts *texts,
                            struct errinfo *info)
{
    const struct {
        const char *path;
        const struct pem *text;
        mode_t mode;
    } files[] = {
        {issued->key_path, &texts->key, FILE_MODE_SECRET},
        {issued->bundle_path, &texts->bundle, FILE_MODE_SECRET},
        {issued->p12_path, &texts->p12, FILE_MODE_SECRET},
        {issued->chain_path, &texts->chain, FILE_MODE_PUBLIC},
    };
    enum { COUNT = sizeof files / sizeof files[0] };
    for (size_t i = 0; i < COUNT; i++) {
        if (files[i].path == NULL)
            continue;
        const enum err error =
            new_file_write(files[i].path, pem_slice(files[i].text), files[i].mode, info);
        if (error == ERR_OK)
            continue;
        for (size_t j = 0; j < i; j++) {
            if (files[j].path != NULL)
                (void)unlink(files[j].path);
        }
        return error;
    }
    return ERR_OK;
}

// record adds the certificate to the index; a directory of an earlier version gets one.
static enum err record(const struct authority *authority, const struct issue_options *options,
                       X509 *cert, struct index *index, struct errinfo *info)
{
    struct index_entry entry;
    if (!index_entry_of(cert, options->name, &entry))
        return errinfo_set(info, ERR_MEMORY, "no memory");
    if (index->is_missing)
        TRY(authority_create_index(authority, index, info));
    return index_add_issue(index, &entry, info);
}

// choose_paths says which files are written.
static void choose_paths(const struct issue_options *options, const struct leaf_files *files,
                         struct issued *out)
{
    const bool has_key = options->csr_path == NULL;
    out->chain_path = strdup(files->chain_path);
    out->key_path = has_key ? strdup(files->key_path) : NULL;
    out->bundle_path = has_key && options->wants_bundle ? strdup(files->bundle_path) : NULL;
    out->p12_path = has_key && options->p12_passphrase.len > 0 ? strdup(files->p12_path) : NULL;
}

static enum err issue_locked(const struct authority *authority, const struct issue_options *options,
                             int64_t now_s, struct index *index, struct issued *out,
                             struct errinfo *info)
{
    EVP_PKEY *key = NULL;
    X509 *cert = NULL;
    struct leaf_texts texts = {0};
    enum err error = check_absence(out, info);
    if (error == ERR_OK && options->csr_path != NULL)
        error = request_load_key(options->csr_path, &key, info);
    else if (error == ERR_OK && keypair_generate(&key) != ERR_OK)
        error = errinfo_set(info, ERR_MEMORY, "no memory");
    if (error == ERR_OK && make_leaf(authority, options, now_s, key, out, &cert) != ERR_OK)
        error = errinfo_set(info, ERR_MEMORY, "no memory");
    if (error == ERR_OK)
        error = leaf_texts_make(authority, cert, options->csr_path == NULL ? key : NULL,
                                options->name, options->p12_passphrase, &texts, info);
    if (error == ERR_OK)
        error = record(authority, options, cert, index, info);
    if (error == ERR_OK)
        error = write_files(out, &texts, info);
    leaf_texts_deinit(&texts);
    X509_free(cert);
    EVP_PKEY_free(key);
    return error;
}

enum err authority_issue(const struct authority *authority, const struct issue_options *options,
                         int64_t now_s, struct issued *out, struct errinfo *info)
{
    ASSERT(authority->key != NULL);
    *out = (struct issued){0};
    TRY(check_issue(authority, options, info));
    TRY(new_file_make_directory(options->directory, info));
    struct leaf_files files;
    struct index index;
    TRY(leaf_files_init(options->directory, options->name, &files, info));
    choose_paths(options, &files, out);
    leaf_files_deinit(&files);
    enum err error = index_open(authority->directory, true, &index, info);
    if (error == ERR_OK) {
        error = issue_locked(authority, options, now_s, &index, out, info);
        index_deinit(&index);
    }
    if (error != ERR_OK)
        issued_deinit(out);
    return error;
}

void issued_deinit(struct issued *issued)
{
    free(issued->chain_path);
    free(issued->key_path);
    free(issued->bundle_path);
    free(issued->p12_path);
    *issued = (struct issued){0};
}
