// A key and a certificate for a name: recorded in the index, then written.
#include "auth/base/text.h"
#include "proxy/pki/leaf.h"
#include "proxy/pki/request.h"

enum { SPIFFE_ID_CAP = sizeof "spiffe://" + AUTHORITY_TRUST_DOMAIN_MAX + 1 + AUTHORITY_NAME_MAX };

// needs_spiffe_id tells whether the certificate is a client's and has no URI.
static bool needs_spiffe_id(const struct issue_options *options)
{
    for (size_t i = 0; i < options->san_count; i++) {
        if (options->sans[i].kind == SAN_URI)
            return false;
    }
    return !options->is_server;
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
    if (needs_spiffe_id(options) && authority->trust_domain[0] == '\0')
        return errinfo_set(info, ERR_INPUT,
                           "ca.crt names no trust domain (a URI spiffe://DOMAIN), so that no "
                           "SPIFFE id can be made: give the client its id with --uri");
    return ERR_OK;
}

static enum err make_leaf(const struct authority *authority, const struct issue_options *options,
                          int64_t now_s, struct leaf *leaf, struct issued *out)
{
    char uri[SPIFFE_ID_CAP];
    struct text text;
    text_init(&text, uri, sizeof uri);
    struct san sans[AUTHORITY_MAX_SANS];
    size_t count = 0;
    if (needs_spiffe_id(options)) {
        text_append_format(&text, "spiffe://%s/%s", authority->trust_domain, options->name);
        sans[count++] =
            (struct san){.kind = SAN_URI, .is_usable = true, .value = text_slice(&text)};
    }
    for (size_t i = 0; i < options->san_count; i++)
        sans[count++] = options->sans[i];
    struct certificate_plan plan = {
        .kind = options->is_server ? CERTIFICATE_SERVER : CERTIFICATE_CLIENT,
        .common_name = options->name,
        .sans = sans,
        .san_count = count,
        .crl_url = options->crl_url,
        .ocsp_url = options->ocsp_url,
    };
    return leaf_make(authority, &plan, options->ttl_s, now_s, options->p12_passphrase,
                     options->name, leaf, out);
}

// check_absence fails when one of the files exists.
static enum err check_absence(const struct issued *issued, struct errinfo *info)
{
    for (size_t i = 0; i < ISSUED_FILES; i++) {
        if (issued->paths[i][0] != '\0' && new_file_exists(issued->paths[i]))
            return errinfo_set(info, ERR_DENIED,
                               "%s is there already and is never overwritten: move it away, or "
                               "choose another name or directory; `ca renew` replaces it",
                               issued->paths[i]);
    }
    return ERR_OK;
}

static enum err issue_locked(const struct authority *authority, const struct issue_options *options,
                             int64_t now_s, struct index *index, struct leaf *leaf,
                             struct issued *out, struct errinfo *info)
{
    struct new_file files[ISSUED_FILES];
    TRY(check_absence(out, info));
    TRY(leaf->has_key_file ? keypair_generate(&leaf->key)
                           : request_load_key(options->csr_path, &leaf->key, info));
    TRY(make_leaf(authority, options, now_s, leaf, out));
    TRY(index_add_issue(index, &leaf->entry, info));
    return new_file_write_all(files, leaf_list(leaf, out, files), info);
}

enum err authority_issue(const struct authority *authority, const struct issue_options *options,
                         int64_t now_s, struct issued *out, struct errinfo *info)
{
    ASSERT(authority->key != NULL);
    *out = (struct issued){0};
    TRY(check_issue(authority, options, info));
    TRY(new_file_make_directory(options->directory, info));
    struct leaf leaf = {.has_key_file = options->csr_path == NULL};
    struct index index;
    leaf_choose(options->directory, options->name, leaf.has_key_file, options->wants_bundle,
                options->p12_passphrase.len > 0, out);
    TRY(authority_read_index(authority, true, &index, info));
    const enum err error = issue_locked(authority, options, now_s, &index, &leaf, out, info);
    index_deinit(&index);
    return leaf_end(&leaf, error, info);
}
