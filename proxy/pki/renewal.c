// A certificate made again with the names of the old one, and its files replaced.
//
//   1. The old certificate: issued by this CA, or by the one that it replaces; not revoked; recorded in our index.
//   2. Its names and kind; the key, old or new.
//   3. The new one is recorded, then every file is written completely as NAME.*.new.
//   4. The renames, key and certificate next to each other. A run that is interrupted between these two
//      leaves a key without its certificate. Running it again, with a new key, repairs that.
#include <openssl/err.h>

#include "proxy/config/file.h"
#include "proxy/pki/index_entry.h"
#include "proxy/pki/leaf.h"

// renewal is one renewal in progress.
struct renewal {
    const struct renew_options *options; // borrowed
    char chain_path[PATH_CAP];
    char key_path[PATH_CAP];
    X509 *old; // owned
    struct index_entry old_entry;
    struct identity *names; // owned; of the old one
    struct leaf leaf;
};

static enum err load_kept_key(const struct renewal *renewal, struct leaf *leaf,
                              struct errinfo *info)
{
    if (!leaf->has_key_file) {
        leaf->key = X509_get_pubkey(renewal->old);
        return leaf->key != NULL ? ERR_OK : ERR_MEMORY;
    }
    struct file_content pem;
    TRY(file_read(renewal->key_path, PEM_FILE_MAX, FILE_PRIVATE, &pem, info));
    const enum err error = keypair_parse(pem.bytes, (struct slice){0}, &leaf->key);
    file_content_deinit(&pem);
    if (error == ERR_OK && X509_check_private_key(renewal->old, leaf->key) == 1)
        return ERR_OK;
    ERR_clear_error();
    return errinfo_set(info, ERR_INPUT,
                       "%s is not the key of the certificate beside it: renew without --keep-key",
                       renewal->key_path);
}

static enum err choose_key(const struct renewal *renewal, struct leaf *leaf, struct errinfo *info)
{
    leaf->has_key_file = new_file_exists(renewal->key_path);
    if (renewal->options->keeps_key)
        return load_kept_key(renewal, leaf, info);
    if (!leaf->has_key_file)
        return errinfo_set(info, ERR_DENIED,
                           "there is no %s: its key is kept elsewhere; --keep-key makes a "
                           "certificate for the same key, `ca issue --csr` one for a new request",
                           renewal->key_path);
    return keypair_generate(&leaf->key);
}

// load_old reads the old certificate, which `issuer` has issued.
static enum err load_old(const struct authority *issuer, struct renewal *renewal,
                         struct errinfo *info)
{
    TRY(authority_load_leaf(issuer, renewal->chain_path, &renewal->old, info));
    if (!index_entry_of(renewal->old, renewal->options->name, &renewal->old_entry) ||
        identity_create(renewal->old, NULL, &renewal->names) != ERR_OK)
        return errinfo_set(info, ERR_INPUT, "%s has names that cannot be copied",
                           renewal->chain_path);
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
            renewal->chain_path, REVOCATIONS[known->reason].name);
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

// make_new makes the new certificate with the names of the old one. A bundle is made only if there is one already.
static enum err make_new(const struct authority *authority, int64_t now_s, struct renewal *renewal,
                         struct issued *out, struct errinfo *info)
{
    const struct renew_options *options = renewal->options;
    const struct index_entry *old = &renewal->old_entry;
    struct san sans[IDENTITY_MAX_SANS];
    const size_t count = renewal->names->san_count;
    for (size_t i = 0; i < count; i++)
        sans[i] = renewal->names->sans[i];
    char bundle_path[PATH_CAP];
    char common_name[AUTHORITY_COMMON_NAME_MAX + 1];
    const struct slice cn = dn_common_name(&renewal->names->subject);
    if (!string_copy(common_name, sizeof common_name, cn) || cn.len == 0)
        return errinfo_set(info, ERR_INPUT, "%s has no common name that can be copied",
                           renewal->chain_path);
    leaf_choose(options->directory, options->name, renewal->leaf.has_key_file,
                new_file_exists(path_join(options->directory, options->name, ".pem", bundle_path)),
                options->p12_passphrase.len > 0, out);
    struct certificate_plan plan = {
        .kind = old->kind == INDEX_SERVER ? CERTIFICATE_SERVER : CERTIFICATE_CLIENT,
        .common_name = common_name,
        .sans = sans,
        .san_count = count,
        .like = renewal->old,
    };
    return leaf_make(authority, &plan,
                     options->ttl_s > 0 ? options->ttl_s : old->not_after_s - old->not_before_s,
                     now_s, options->p12_passphrase, options->name, &renewal->leaf, out);
}

static enum err renew_locked(const struct authority *authority, struct index *index, int64_t now_s,
                             struct renewal *renewal, struct issued *out, struct errinfo *info)
{
    struct new_file files[ISSUED_FILES];
    const struct authority *old = renewal->options->old;
    TRY(load_old(old != NULL ? old : authority, renewal, info));
    TRY(look_up(renewal, index, info));
    TRY(choose_key(renewal, &renewal->leaf, info));
    TRY(make_new(authority, now_s, renewal, out, info));
    TRY(index_add_issue(index, &renewal->leaf.entry, info));
    return new_file_replace_all(files, leaf_list(&renewal->leaf, out, files), info);
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
    (void)path_join(options->directory, options->name, ".crt", renewal.chain_path);
    (void)path_join(options->directory, options->name, ".key", renewal.key_path);
    TRY(authority_read_index(authority, true, &index, info));
    const enum err error = renew_locked(authority, &index, now_s, &renewal, out, info);
    index_deinit(&index);
    identity_destroy(renewal.names);
    X509_free(renewal.old);
    return leaf_end(&renewal.leaf, error, info);
}
