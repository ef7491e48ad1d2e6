// A name, and a small file.
#include "proxy/service/crl_mark_file.h"

#include "auth/base/text.h"
#include "proxy/config/file.h"

bool crl_mark_file_path(const char *path, char out[CONFIG_PATH_MAX + 1])
{
    struct text text;
    const char *slash = strrchr(path, '/');
    const size_t folder_len = slash == NULL ? 0 : (size_t)(slash - path) + 1;
    text_init(&text, out, CONFIG_PATH_MAX + 1);
    text_append(&text, slice_of(path, folder_len));
    text_append_format(&text, ".%s.signer", path + folder_len);
    return !text.is_cut;
}

bool crl_mark_file_read(const char *path, struct slice list, uint8_t out[CERT_DIGEST_LEN])
{
    char name[CONFIG_PATH_MAX + 1];
    struct file_content mark = {0};
    struct errinfo ignored;
    if (list.len == 0 || !crl_mark_file_path(path, name) ||
        file_read(name, CRL_MARK_LEN, FILE_PUBLIC, &mark, &ignored) != ERR_OK)
        return false;
    const uint8_t *signer = crl_mark_signer(mark.bytes, list);
    if (signer != NULL)
        ASSERT(bytes_copy(out, CERT_DIGEST_LEN, slice_of(signer, CERT_DIGEST_LEN)));
    file_content_deinit(&mark);
    return signer != NULL;
}
