// Writes a PFX: two safes with bags (certificates, key), and the MAC over both.
#include "proxy/pki/pkcs12.h"

#include <openssl/bytestring.h>
#include <openssl/digest.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/obj.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include "proxy/pki/pbes2.h"

enum { HASH_BLOCK_LEN = 64, MAC_ID = 3, PFX_VERSION = 3, START_CAP = 2048 };

#define TAG_EXPLICIT_0 (CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0)

struct bundle {
    EVP_PKEY *key;
    X509 *const *chain;
    size_t chain_count;
    struct slice name;
    struct slice passphrase;
    uint8_t key_id[SHA_DIGEST_LENGTH]; // says which certificate is the key's
};

// add_attributes appends the name and the key's id, the same for the key and its certificate.
static bool add_attributes(CBB *bag, const struct bundle *bundle)
{
    CBB set;
    CBB attribute;
    CBB values;
    CBB text;
    if (!CBB_add_asn1(bag, &set, CBS_ASN1_SET) ||
        !CBB_add_asn1(&set, &attribute, CBS_ASN1_SEQUENCE) ||
        !OBJ_nid2cbb(&attribute, NID_friendlyName) ||
        !CBB_add_asn1(&attribute, &values, CBS_ASN1_SET) ||
        !CBB_add_asn1(&values, &text, CBS_ASN1_BMPSTRING))
        return false;
    for (size_t i = 0; i < bundle->name.len; i++) {
        if (!CBB_add_u16(&text, bundle->name.data[i])) // ASCII
            return false;
    }
    return CBB_add_asn1(&set, &attribute, CBS_ASN1_SEQUENCE) &&
           OBJ_nid2cbb(&attribute, NID_localKeyID) &&
           CBB_add_asn1(&attribute, &values, CBS_ASN1_SET) &&
           CBB_add_asn1_octet_string(&values, bundle->key_id, sizeof bundle->key_id) &&
           CBB_flush_asn1_set_of(&set) && CBB_flush(bag);
}

static bool add_certificate(CBB *bags, const struct bundle *bundle, size_t index)
{
    CBB bag;
    CBB value;
    CBB cert_bag;
    CBB cert_value;
    uint8_t *der = NULL;
    const int len = i2d_X509(bundle->chain[index], &der);
    const bool is_added = len > 0 && CBB_add_asn1(bags, &bag, CBS_ASN1_SEQUENCE) &&
                          OBJ_nid2cbb(&bag, NID_certBag) &&
                          CBB_add_asn1(&bag, &value, TAG_EXPLICIT_0) &&
                          CBB_add_asn1(&value, &cert_bag, CBS_ASN1_SEQUENCE) &&
                          OBJ_nid2cbb(&cert_bag, NID_x509Certificate) &&
                          CBB_add_asn1(&cert_bag, &cert_value, TAG_EXPLICIT_0) &&
                          CBB_add_asn1_octet_string(&cert_value, der, (size_t)len) &&
                          (index > 0 || add_attributes(&bag, bundle)) && CBB_flush(bags);
    OPENSSL_free(der);
    return is_added;
}

static bool add_key(CBB *bags, const struct bundle *bundle)
{
    CBB plain;
    CBB bag;
    CBB value;
    if (!CBB_init(&plain, START_CAP))
        return false;
    const bool is_added =
        EVP_marshal_private_key(&plain, bundle->key) &&
        CBB_add_asn1(bags, &bag, CBS_ASN1_SEQUENCE) && OBJ_nid2cbb(&bag, NID_pkcs8ShroudedKeyBag) &&
        CBB_add_asn1(&bag, &value, TAG_EXPLICIT_0) &&
        pbes2_encrypt(&value, bundle->passphrase, slice_of(CBB_data(&plain), CBB_len(&plain))) &&
        add_attributes(&bag, bundle) && CBB_flush(bags);
    CBB_cleanup(&plain); // wiped: OPENSSL_free does
    return is_added;
}

// begin_data opens a ContentInfo of type data; what is added to `content` is inside.
static bool begin_data(CBB *out, CBB *info, CBB *wrapper, CBB *content)
{
    return CBB_add_asn1(out, info, CBS_ASN1_SEQUENCE) && OBJ_nid2cbb(info, NID_pkcs7_data) &&
           CBB_add_asn1(info, wrapper, TAG_EXPLICIT_0) &&
           CBB_add_asn1(wrapper, content, CBS_ASN1_OCTETSTRING);
}

// add_certificates adds the chain, leaf first.
static bool add_certificates(CBB *bags, const struct bundle *bundle)
{
    bool is_added = true;
    for (size_t i = 0; i < bundle->chain_count && is_added; i++)
        is_added = add_certificate(bags, bundle, i);
    return is_added;
}

// add_safe adds a list of bags, which `add` fills.
static bool add_safe(CBB *safes, const struct bundle *bundle,
                     bool (*add)(CBB *bags, const struct bundle *bundle))
{
    CBB info;
    CBB wrapper;
    CBB content;
    CBB bags;
    return begin_data(safes, &info, &wrapper, &content) &&
           CBB_add_asn1(&content, &bags, CBS_ASN1_SEQUENCE) && add(&bags, bundle) &&
           CBB_flush(safes);
}

// derive_mac_key is RFC 7292 B.2 for ID 3 and SHA-256. One round gives as many bytes as are needed. Three parts are
// hashed, each filled up to whole blocks: the ID, the salt, and the passphrase as UTF-16 with a final NUL.
static void derive_mac_key(struct slice passphrase, struct slice salt,
                           uint8_t out[SHA256_DIGEST_LENGTH])
{
    static const uint8_t ID = MAC_ID;
    SHA256_CTX hash;
    const size_t wide_len = 2 * (passphrase.len + 1);
    const size_t blocks = (wide_len + HASH_BLOCK_LEN - 1) / HASH_BLOCK_LEN;
    (void)SHA256_Init(&hash);
    for (size_t i = 0; i < HASH_BLOCK_LEN; i++)
        (void)SHA256_Update(&hash, &ID, 1);
    for (size_t i = 0; i < HASH_BLOCK_LEN; i++)
        (void)SHA256_Update(&hash, &salt.data[i % salt.len], 1);
    for (size_t i = 0; i < blocks * HASH_BLOCK_LEN; i++) {
        const size_t at = i % wide_len;
        const bool is_low_byte = at % 2 == 1 && at / 2 < passphrase.len; // big-endian, and ASCII
        const uint8_t byte = is_low_byte ? passphrase.data[at / 2] : 0;
        (void)SHA256_Update(&hash, &byte, 1);
    }
    (void)SHA256_Final(out, &hash);
    for (int i = 1; i < PBES2_ITERATIONS; i++)
        (void)SHA256(out, SHA256_DIGEST_LENGTH, out);
    OPENSSL_cleanse(&hash, sizeof hash);
}

static bool add_mac(CBB *pfx, struct slice content, struct slice passphrase)
{
    uint8_t salt[PBES2_SALT_LEN];
    uint8_t key[SHA256_DIGEST_LENGTH];
    uint8_t mac[SHA256_DIGEST_LENGTH];
    unsigned mac_len = 0;
    CBB data;
    CBB digest;
    CBB algorithm;
    CBB null;
    RAND_bytes(salt, sizeof salt);
    derive_mac_key(passphrase, slice_of(salt, sizeof salt), key);
    const bool is_added =
        HMAC(EVP_sha256(), key, sizeof key, content.data, content.len, mac, &mac_len) != NULL &&
        CBB_add_asn1(pfx, &data, CBS_ASN1_SEQUENCE) &&
        CBB_add_asn1(&data, &digest, CBS_ASN1_SEQUENCE) &&
        CBB_add_asn1(&digest, &algorithm, CBS_ASN1_SEQUENCE) &&
        OBJ_nid2cbb(&algorithm, NID_sha256) && CBB_add_asn1(&algorithm, &null, CBS_ASN1_NULL) &&
        CBB_add_asn1_octet_string(&digest, mac, mac_len) &&
        CBB_add_asn1_octet_string(&data, salt, sizeof salt) &&
        CBB_add_asn1_uint64(&data, PBES2_ITERATIONS) && CBB_flush(pfx);
    OPENSSL_cleanse(key, sizeof key);
    return is_added;
}

static bool write_pfx(CBB *out, CBB *safes_out, const struct bundle *bundle)
{
    CBB safes;
    CBB pfx;
    CBB info;
    CBB wrapper;
    CBB content;
    if (!CBB_add_asn1(safes_out, &safes, CBS_ASN1_SEQUENCE) ||
        !add_safe(&safes, bundle, add_certificates) || !add_safe(&safes, bundle, add_key) ||
        !CBB_flush(safes_out))
        return false;
    const struct slice bytes = slice_of(CBB_data(safes_out), CBB_len(safes_out));
    return CBB_add_asn1(out, &pfx, CBS_ASN1_SEQUENCE) && CBB_add_asn1_uint64(&pfx, PFX_VERSION) &&
           begin_data(&pfx, &info, &wrapper, &content) &&
           CBB_add_bytes(&content, bytes.data, bytes.len) && CBB_flush(&pfx) &&
           add_mac(&pfx, bytes, bundle->passphrase) && CBB_flush(out);
}

enum err pkcs12_format(EVP_PKEY *key, X509 *const *chain, size_t chain_count, const char *name,
                       struct slice passphrase, struct pem *out)
{
    *out = (struct pem){0};
    struct bundle bundle = {
        .key = key,
        .chain = chain,
        .chain_count = chain_count,
        .name = slice_of_string(name),
        .passphrase = passphrase,
    };
    unsigned id_len = 0;
    CBB safes;
    CBB pfx;
    CBB_zero(&safes);
    CBB_zero(&pfx);
    const bool is_done = X509_digest(chain[0], EVP_sha1(), bundle.key_id, &id_len) &&
                         CBB_init(&safes, START_CAP) && CBB_init(&pfx, START_CAP) &&
                         write_pfx(&pfx, &safes, &bundle) &&
                         CBB_finish(&pfx, &out->data, &out->len);
    CBB_cleanup(&safes);
    CBB_cleanup(&pfx);
    ERR_clear_error();
    return is_done ? ERR_OK : ERR_MEMORY;
}
