// Keys as PEM, and what TLS signs with them (RFC 8446 4.4.3, RFC 5246 7.4.3).
#include "proxy/tls/private_key.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>

// no_passphrase answers BoringSSL's question for a passphrase: there is none, and nobody to ask.
static int no_passphrase(char *out, int cap, int is_write, void *arg)
{
    (void)out;
    (void)cap;
    (void)is_write;
    (void)arg;
    return 0;
}

enum err private_key_parse(struct slice pem, EVP_PKEY **out, struct errinfo *info)
{
    BIO *bio = BIO_new_mem_buf(pem.data, (ossl_ssize_t)pem.len);
    *out = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    ERR_clear_error();
    if (*out != NULL)
        return ERR_OK;
    // Of PKCS #8 (RFC 5958) and of the older form (RFC 1421) alike.
    if (slice_contains(pem, SLICE_LITERAL("ENCRYPTED")))
        return errinfo_set(info, ERR_INPUT,
                           "the private key in it is encrypted, and no passphrase can be asked for "
                           "here: decrypt it into a file with the same owner and mode, openssl "
                           "pkey -in FILE -out NEW");
    return errinfo_set(info, ERR_INPUT,
                       "no private key in it that can be read: expected PEM, `-----BEGIN "
                       "PRIVATE KEY-----`, without a passphrase");
}

static bool set_up(EVP_MD_CTX *context, EVP_PKEY *key, uint16_t algorithm)
{
    EVP_PKEY_CTX *key_context = NULL;
    const EVP_MD *digest = SSL_get_signature_algorithm_digest(algorithm);
    if (!EVP_DigestSignInit(context, &key_context, digest, NULL, key))
        return false;
    if (!SSL_is_signature_algorithm_rsa_pss(algorithm))
        return true;
    return EVP_PKEY_CTX_set_rsa_padding(key_context, RSA_PKCS1_PSS_PADDING) &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(key_context, -1); // as long as the digest
}

enum err private_key_sign(EVP_PKEY *key, uint16_t algorithm, struct slice message, uint8_t *out,
                          size_t *out_len)
{
    EVP_MD_CTX context;
    *out_len = SIGNATURE_MAX;
    const int type = SSL_get_signature_algorithm_key_type(algorithm);
    if (type == EVP_PKEY_NONE || type != EVP_PKEY_id(key))
        return ERR_INPUT;
    EVP_MD_CTX_init(&context);
    const bool is_good = set_up(&context, key, algorithm) &&
                         EVP_DigestSign(&context, out, out_len, message.data, message.len);
    EVP_MD_CTX_cleanup(&context);
    ERR_clear_error();
    return is_good ? ERR_OK : ERR_INPUT;
}

void tls_key_digest(const struct tls_key *key, uint8_t out[32])
{
    if (key->apart != NULL)
        (void)bytes_copy(out, SHA256_DIGEST_LENGTH,
                         slice_of(key->apart->digest, sizeof key->apart->digest));
    else
        (void)SHA256(key->pem.data, key->pem.len, out);
}
