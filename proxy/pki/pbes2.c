// Writes EncryptedPrivateKeyInfo (RFC 5958) field by field.
#include "proxy/pki/pbes2.h"

#include <openssl/cipher.h>
#include <openssl/digest.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/obj.h>
#include <openssl/rand.h>

enum { KEY_LEN = 32, BLOCK_LEN = 16 };

// add_algorithm appends the AlgorithmIdentifier of PBES2 with its parameters.
static bool add_algorithm(CBB *out, struct slice salt, struct slice iv)
{
    CBB algorithm;
    CBB parameters;
    CBB derivation;
    CBB derivation_parameters;
    CBB prf;
    CBB null;
    CBB scheme;
    return CBB_add_asn1(out, &algorithm, CBS_ASN1_SEQUENCE) && OBJ_nid2cbb(&algorithm, NID_pbes2) &&
           CBB_add_asn1(&algorithm, &parameters, CBS_ASN1_SEQUENCE) &&
           CBB_add_asn1(&parameters, &derivation, CBS_ASN1_SEQUENCE) &&
           OBJ_nid2cbb(&derivation, NID_id_pbkdf2) &&
           CBB_add_asn1(&derivation, &derivation_parameters, CBS_ASN1_SEQUENCE) &&
           CBB_add_asn1_octet_string(&derivation_parameters, salt.data, salt.len) &&
           CBB_add_asn1_uint64(&derivation_parameters, PBES2_ITERATIONS) &&
           CBB_add_asn1(&derivation_parameters, &prf, CBS_ASN1_SEQUENCE) &&
           OBJ_nid2cbb(&prf, NID_hmacWithSHA256) && CBB_add_asn1(&prf, &null, CBS_ASN1_NULL) &&
           CBB_add_asn1(&parameters, &scheme, CBS_ASN1_SEQUENCE) &&
           OBJ_nid2cbb(&scheme, NID_aes_256_cbc) &&
           CBB_add_asn1_octet_string(&scheme, iv.data, iv.len) && CBB_flush(out);
}

// encrypt appends `plain`, padded and encrypted, as an OCTET STRING.
static bool encrypt(CBB *out, const uint8_t *key, const uint8_t *iv, struct slice plain)
{
    CBB bytes;
    uint8_t *room = NULL;
    int len = 0;
    int last_len = 0;
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    const bool is_done = context != NULL && CBB_add_asn1(out, &bytes, CBS_ASN1_OCTETSTRING) &&
                         CBB_reserve(&bytes, &room, plain.len + BLOCK_LEN) &&
                         EVP_EncryptInit_ex(context, EVP_aes_256_cbc(), NULL, key, iv) &&
                         EVP_EncryptUpdate(context, room, &len, plain.data, (int)plain.len) &&
                         EVP_EncryptFinal_ex(context, room + len, &last_len) &&
                         CBB_did_write(&bytes, (size_t)len + (size_t)last_len) && CBB_flush(out);
    EVP_CIPHER_CTX_free(context);
    return is_done;
}

bool pbes2_encrypt(CBB *out, struct slice passphrase, struct slice plain)
{
    uint8_t salt[PBES2_SALT_LEN];
    uint8_t iv[BLOCK_LEN];
    uint8_t key[KEY_LEN];
    CBB sequence;
    RAND_bytes(salt, sizeof salt);
    RAND_bytes(iv, sizeof iv);
    const bool is_done =
        PKCS5_PBKDF2_HMAC((const char *)passphrase.data, passphrase.len, salt, sizeof salt,
                          PBES2_ITERATIONS, EVP_sha256(), sizeof key, key) &&
        CBB_add_asn1(out, &sequence, CBS_ASN1_SEQUENCE) &&
        add_algorithm(&sequence, slice_of(salt, sizeof salt), slice_of(iv, sizeof iv)) &&
        encrypt(&sequence, key, iv, plain) && CBB_flush(out);
    OPENSSL_cleanse(key, sizeof key);
    return is_done;
}
