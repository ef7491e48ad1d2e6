// Reads three files.
#include "proxy/sidecar/credential_files.h"

#include "proxy/config/file.h"

enum { FILE_MAX = 1024 * 1024, CA_FILE_MAX = 16 * 1024 * 1024 };

struct files {
    struct file_content cert;
    struct file_content key;
    struct file_content ca;
};

static enum err read_files(const struct credential_paths *paths, struct files *out,
                           enum cause *out_cause, struct errinfo *info)
{
    *out_cause = CAUSE_CA_FILE;
    TRY(file_read(paths->ca, CA_FILE_MAX, FILE_PUBLIC, &out->ca, info));
    if (paths->cert == NULL)
        return ERR_OK;
    *out_cause = CAUSE_CERT_FILE;
    TRY(file_read(paths->cert, FILE_MAX, FILE_PUBLIC, &out->cert, info));
    *out_cause = CAUSE_KEY_FILE;
    return file_read(paths->key, FILE_MAX, FILE_SECRET, &out->key, info);
}

enum err credentials_load(const struct credential_paths *paths, int64_t now_s,
                          struct credentials **out, enum cause *out_cause, struct errinfo *info)
{
    struct files files = {0};
    *out = NULL;
    enum err error = read_files(paths, &files, out_cause, info);
    if (error == ERR_OK) {
        const struct credential_text ca = {paths->ca, files.ca.bytes};
        const struct credential_texts texts = {.cert = {paths->cert, files.cert.bytes},
                                               .key_path = paths->key,
                                               .key = {.pem = files.key.bytes},
                                               .cas = &ca,
                                               .ca_count = 1};
        error = credentials_create(&texts, now_s, out, out_cause, info);
    }
    file_content_deinit(&files.cert);
    file_content_deinit(&files.key);
    file_content_deinit(&files.ca);
    return error;
}
