// The file with the CRLs of an authority: numbered, recorded in the index, then put in place as a whole.
#include <stdio.h>
#include <stdlib.h>

#include "proxy/pki/authority_internal.h"
#include "proxy/pki/new_file.h"

// check_target refuses to replace what is no CRL.
static enum err check_target(const char *path, struct errinfo *info)
{
    if (!new_file_exists(path))
        return ERR_OK;
    struct pem old;
    TRY(new_file_read(path, false, &old, info));
    const bool is_crl =
        slice_starts_with(pem_slice(&old), SLICE_LITERAL("-----BEGIN X509 CRL-----"));
    pem_deinit(&old);
    return is_crl ? ERR_OK
                  : errinfo_set(info, ERR_DENIED,
                                "%s exists and is not a CRL, so it is not replaced: choose another "
                                "--out",
                                path);
}

// join_texts makes one text of both CRLs; NULL without memory.
static char *join_texts(const struct pem *first, const struct pem *second)
{
    char *joined = NULL;
    const int len =
        asprintf(&joined, "%.*s%.*s", (int)first->len, (const char *)first->data, (int)second->len,
                 second->data == NULL ? "" : (const char *)second->data);
    return len < 0 ? NULL : joined;
}

enum err authority_publish_crl(const struct authority *authority, const struct authority *root,
                               struct index *index, const char *path, int64_t now_s, int64_t ttl_s,
                               uint64_t *out_number, struct errinfo *info)
{
    struct pem crl = {0};
    struct pem root_crl = {0};
    const uint64_t number = index->crl_number + 1;
    TRY(check_target(path, info));
    enum err error =
        authority_format_crl(authority, AUTHORITY_ISSUING, index, number, now_s, ttl_s, &crl, info);
    if (error == ERR_OK && root != NULL)
        error = authority_format_crl(root, AUTHORITY_ROOT, index, number, now_s, ttl_s, &root_crl,
                                     info);
    char *text = error == ERR_OK ? join_texts(&crl, &root_crl) : NULL;
    if (error == ERR_OK && text == NULL)
        error = errinfo_set(info, ERR_MEMORY, "no memory");
    if (error == ERR_OK)
        error = index_add_crl(index, number, now_s, info);
    if (error == ERR_OK)
        error = new_file_stage(path, slice_of_string(text), FILE_MODE_PUBLIC, info);
    if (error == ERR_OK)
        error = new_file_publish(path, info);
    free(text);
    pem_deinit(&crl);
    pem_deinit(&root_crl);
    *out_number = number;
    return error;
}
