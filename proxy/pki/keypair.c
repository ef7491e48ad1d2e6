// Makes, writes and reads key pairs with BoringSSL.
#include "proxy/pki/keypair.h"

#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/pem.h>

#include "proxy/pki/pbes2.h"

enum { KEY_CAP = 4096 }; // bytes of a private key in DER, of any kind that we read

struct slice pem_slice(const struct pem *pem)
{
    return slice_of(pem->data, pem->len);
}

void pem_deinit(struct pem *pem)
{
    OPENSSL_free(pem->data); // wipes what it frees
    *pem = (struct pem){0};
}

enum err keypair_generate(EVP_PKEY **out)
{
    *out = NULL;
    EC_KEY *ec = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
    EVP_PKEY *key = EVP_PKEY_new();
    if (ec != NULL && key != NULL && EC_KEY_generate_key(ec) && EVP_PKEY_set1_EC_KEY(key, ec))
        *out = key;
    else
        EVP_PKEY_free(key);
    EC_KEY_free(ec);
    return *out != NULL ? ERR_OK : ERR_MEMORY;
}

enum err pem_take(BIO *bio, bool is_written, struct pem *out)
{
    const uint8_t *data = NULL;
    *out = (struct pem){0};
    if (bio != NULL && is_written && BIO_mem_contents(bio, &data, &out->len))
        out->data = OPENSSL_memdup(data, out->len);
    BIO_free(bio);
    ERR_clear_error();
    return out->data != NULL ? ERR_OK : ERR_MEMORY;
}

enum err keypair_format(EVP_PKEY *key, struct slice passphrase, struct pem *out)
{
    const bool is_encrypted = passphrase.len > 0;
    const char *label = is_encrypted ? PEM_STRING_PKCS8 : PEM_STRING_PKCS8INF;
    CBB plain;
    CBB encrypted;
    CBB_zero(&plain);
    CBB_zero(&encrypted);
    const CBB *der = is_encrypted ? &encrypted : &plain;
    BIO *bio = BIO_new(BIO_s_mem());
    const bool is_written =
        bio != NULL && CBB_init(&plain, KEY_CAP) && CBB_init(&encrypted, KEY_CAP) &&
        EVP_marshal_private_key(&plain, key) &&
        (!is_encrypted ||
         pbes2_encrypt(&encrypted, passphrase, slice_of(CBB_data(&plain), CBB_len(&plain)))) &&
        PEM_write_bio(bio, label, "", CBB_data(der), (long)CBB_len(der)) > 0;
    CBB_cleanup(&plain);
    CBB_cleanup(&encrypted);
    return pem_take(bio, is_written, out);
}

bool keypair_is_encrypted(struct slice pem)
{
    static const char mark[] = "ENCRYPTED"; // PKCS#8's label, and the old Proc-Type header
    return pem.len > 0 && memmem(pem.data, pem.len, mark, sizeof mark - 1) != NULL;
}

// give_passphrase gives the library the passphrase. Without it the library would ask on the terminal.
static int give_passphrase(char *buffer, int size, int is_writing, void *data)
{
    (void)is_writing;
    const struct slice *passphrase = data;
    if (passphrase->len == 0 || !bytes_copy(buffer, (size_t)size, *passphrase))
        return -1;
    return (int)passphrase->len;
}

enum err keypair_parse(struct slice pem, struct slice passphrase, EVP_PKEY **out)
{
    *out = NULL;
    BIO *bio = BIO_new_mem_buf(pem.data, (ossl_ssize_t)pem.len);
    if (bio == NULL)
        return ERR_MEMORY;
    *out = PEM_read_bio_PrivateKey(bio, NULL, give_passphrase, &passphrase);
    BIO_free(bio);
    ERR_clear_error();
    return *out != NULL ? ERR_OK : ERR_INPUT;
}
