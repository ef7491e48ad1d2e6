// The file with the CRLs of an authority: numbered, recorded in the index, then replaced as a whole.
#include "proxy/config/file.h"
#include "proxy/pki/authority.h"
#include "proxy/pki/new_file.h"
#include "proxy/pki/revocation_list.h"

// check_target refuses to replace a file that is not a CRL.
static enum err check_target(const char *path, struct errinfo *info)
{
    if (!new_file_exists(path))
        return ERR_OK;
    struct file_content old;
    TRY(file_read(path, PEM_FILE_MAX, FILE_PUBLIC, &old, info));
    const bool is_crl = slice_starts_with(old.bytes, SLICE_LITERAL("-----BEGIN X509 CRL-----"));
    file_content_deinit(&old);
    return is_crl ? ERR_OK
                  : errinfo_set(info, ERR_DENIED,
                                "%s exists and is not a CRL, so it is not replaced: choose another "
                                "--out",
                                path);
}

// write_crl appends the CRL of one authority: with AUTHORITY_ROOT of what root.crt has issued, which is ca.crt.
static bool write_crl(const struct authority *authority, struct revocation_plan *plan, BIO *out)
{
    ASSERT(authority->key != NULL);
    plan->is_of_cas = authority->part == AUTHORITY_ROOT;
    return revocation_list_write(plan, authority->cert, authority->key, out);
}

enum err authority_publish_crl(const struct authority *authority, const struct authority *root,
                               struct index *index, const char *path, int64_t now_s, int64_t ttl_s,
                               uint64_t *out_number, struct errinfo *info)
{
    struct pem pem;
    struct revocation_plan plan = {
        .entries = index->entries,
        .entry_count = index->count,
        .number = index->crl_number + 1,
        .this_update_s = now_s - CERTIFICATE_BACKDATE_S,
        .next_update_s = now_s + ttl_s,
    };
    *out_number = plan.number;
    TRY(check_target(path, info));
    BIO *bio = BIO_new(BIO_s_mem());
    const bool is_written = bio != NULL && write_crl(authority, &plan, bio) &&
                            (root == NULL || write_crl(root, &plan, bio));
    if (pem_take(bio, is_written, &pem) != ERR_OK)
        return errinfo_set(info, ERR_MEMORY, "no memory");
    const struct new_file file = {path, pem_slice(&pem), FILE_MODE_PUBLIC};
    enum err error = index_add_crl(index, plan.number, now_s, info);
    if (error == ERR_OK)
        error = new_file_replace_all(&file, 1, info);
    pem_deinit(&pem);
    return error;
}
