// What belongs to one name, as files: NAME.crt, NAME.key, NAME.pem, NAME.p12.
#include <openssl/mem.h>
#include <stdio.h>
#include <stdlib.h>

#include "proxy/pki/authority_internal.h"
#include "proxy/pki/pkcs12.h"

enum err leaf_files_init(const char *directory, const char *name, struct leaf_files *out,
                         struct errinfo *info)
{
    *out = (struct leaf_files){
        .chain_path = path_join(directory, name, ".crt"),
        .key_path = path_join(directory, name, ".key"),
        .bundle_path = path_join(directory, name, ".pem"),
        .p12_path = path_join(directory, name, ".p12"),
    };
    if (out->chain_path != NULL && out->key_path != NULL && out->bundle_path != NULL &&
        out->p12_path != NULL)
        return ERR_OK;
    leaf_files_deinit(out);
    return errinfo_set(info, ERR_MEMORY, "no memory");
}

void leaf_files_deinit(struct leaf_files *files)
{
    free(files->chain_path);
    free(files->key_path);
    free(files->bundle_path);
    free(files->p12_path);
    *files = (struct leaf_files){0};
}

// join gives two texts as one.
static enum err join(const struct pem *first, const struct pem *second, struct pem *out)
{
    *out = (struct pem){.data = OPENSSL_malloc(first->len + second->len)};
    if (out->data == NULL)
        return ERR_MEMORY;
    out->len = first->len + second->len;
    const bool fits = bytes_copy(out->data, first->len, pem_slice(first)) &&
                      bytes_copy(out->data + first->len, second->len, pem_slice(second));
    ASSERT(fits);
    return ERR_OK;
}

static enum err format_chain(const struct authority *authority, X509 *cert, struct pem *out)
{
    if (!authority->has_root)
        return certificate_format(cert, out);
    struct pem leaf = {0};
    struct pem issuer = {0};
    enum err error = certificate_format(cert, &leaf);
    if (error == ERR_OK)
        error = certificate_format(authority->cert, &issuer);
    if (error == ERR_OK)
        error = join(&leaf, &issuer, out);
    pem_deinit(&leaf);
    pem_deinit(&issuer);
    return error;
}

enum err leaf_texts_make(const struct authority *authority, X509 *cert, EVP_PKEY *key,
                         const char *name, struct slice p12_passphrase, struct leaf_texts *out,
                         struct errinfo *info)
{
    *out = (struct leaf_texts){0};
    X509 *const chain[] = {cert, authority->cert};
    const size_t count = !authority->has_root ? 1 : 2;
    enum err error = format_chain(authority, cert, &out->chain);
    if (error == ERR_OK && key != NULL)
        error = keypair_format(key, &out->key);
    if (error == ERR_OK && key != NULL)
        error = join(&out->chain, &out->key, &out->bundle);
    if (error == ERR_OK && key != NULL && p12_passphrase.len > 0)
        error = pkcs12_format(key, chain, count, name, p12_passphrase, &out->p12);
    return error == ERR_OK ? ERR_OK : errinfo_set(info, ERR_MEMORY, "no memory");
}

void leaf_texts_deinit(struct leaf_texts *texts)
{
    pem_deinit(&texts->chain);
    pem_deinit(&texts->key);
    pem_deinit(&texts->bundle);
    pem_deinit(&texts->p12);
}
