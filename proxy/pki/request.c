// Reads the public key of a request and checks it.
#include "proxy/pki/request.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "auth/strength.h"
#include "proxy/config/file.h"
#include "proxy/pki/names.h"

// is_strong asks the verifier itself, which looks at certificates.
static bool is_strong(EVP_PKEY *key)
{
    X509 *cert = X509_new();
    const bool is_enough =
        cert != NULL && X509_set_pubkey(cert, key) && strength_key_is_enough(cert);
    X509_free(cert);
    return is_enough;
}

static enum err take_key(X509_REQ *request, const char *path, EVP_PKEY **out, struct errinfo *info)
{
    EVP_PKEY *key = X509_REQ_get_pubkey(request);
    const char *wrong = NULL;
    if (key == NULL)
        wrong = "has a public key of a kind that is not known here";
    else if (X509_REQ_verify(request, key) != 1)
        wrong =
            "is not signed with its own key: its maker does not have that key, or the file is damaged";
    else if (!is_strong(key))
        wrong =
            "has a weak key: RSA of 2048 bits or more, P-256, P-384, P-521 and Ed25519 are accepted";
    ERR_clear_error();
    if (wrong == NULL) {
        *out = key;
        return ERR_OK;
    }
    EVP_PKEY_free(key);
    return errinfo_set(info, ERR_INPUT, "--csr: the request in %s %s", path, wrong);
}

enum err request_load_key(const char *path, EVP_PKEY **out, struct errinfo *info)
{
    *out = NULL;
    struct file_content pem;
    TRY(file_read(path, PEM_FILE_MAX, FILE_PUBLIC, &pem, info));
    BIO *bio = BIO_new_mem_buf(pem.bytes.data, (ossl_ssize_t)pem.bytes.len);
    X509_REQ *request = bio == NULL ? NULL : PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
    ERR_clear_error();
    enum err error = ERR_OK;
    if (request == NULL)
        error = errinfo_set(info, ERR_INPUT, "--csr: %s holds no certificate request in PEM", path);
    else
        error = take_key(request, path, out, info);
    X509_REQ_free(request);
    BIO_free(bio);
    file_content_deinit(&pem);
    return error;
}
