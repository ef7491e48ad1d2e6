// A PFX, from the inside out: safe bags, two safes (certificates, key), and the MAC over both.
#include "proxy/pki/pkcs12.h"

#include <openssl/bytestring.h>
#include <openssl/digest.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/mem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include "proxy/pki/pbes2.h"

enum { HASH_BLOCK_LEN = 64, MAC_ID = 3, PFX_VERSION = 3, START_CAP = 2048 };

#define TAG_EXPLICIT_0 (CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0)

static const uint8_t OID_DATA[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01};
static const uint8_t OID_SHROUDED_KEY_BAG[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d,
                                               0x01, 0x0c, 0x0a, 0x01, 0x02};
static const uint8_t OID_CERT_BAG[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d,
                                       0x01, 0x0c, 0x0a, 0x01, 0x03};
static const uint8_t OID_X509_CERT[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x16, 0x01};
static const uint8_t OID_FRIENDLY_NAME[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x14};
static const uint8_t OID_LOCAL_KEY_ID[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x15};
static const uint8_t OID_SHA256[] = {0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01};

#define ADD_OID(out, oid) add_oid(out, slice_of(oid, sizeof(oid)))

static bool add_oid(CBB *out, struct slice oid)
{
    CBB object;
    return CBB_add_asn1(out, &object, CBS_ASN1_OBJECT) &&
           CBB_add_bytes(&object, oid.data, oid.len) && CBB_flush(out);
}

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
        !ADD_OID(&attribute, OID_FRIENDLY_NAME) ||
        !CBB_add_asn1(&attribute, &values, CBS_ASN1_SET) ||
        !CBB_add_asn1(&values, &text, CBS_ASN1_BMPSTRING))
        return false;
    for (size_t i = 0; i < bundle->name.len; i++) {
        if (!CBB_add_u16(&text, bundle->name.data[i])) // ASCII
            return false;
    }
    return CBB_add_asn1(&set, &attribute, CBS_ASN1_SEQUENCE) &&
           ADD_OID(&attribute, OID_LOCAL_KEY_ID) &&
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
    const bool is_added =
        len > 0 && CBB_add_asn1(bags, &bag, CBS_ASN1_SEQUENCE) && ADD_OID(&bag, OID_CERT_BAG) &&
        CBB_add_asn1(&bag, &value, TAG_EXPLICIT_0) &&
        CBB_add_asn1(&value, &cert_bag, CBS_ASN1_SEQUENCE) && ADD_OID(&cert_bag, OID_X509_CERT) &&
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
        CBB_add_asn1(bags, &bag, CBS_ASN1_SEQUENCE) && ADD_OID(&bag, OID_SHROUDED_KEY_BAG) &&
        CBB_add_asn1(&bag, &value, TAG_EXPLICIT_0) &&
        pbes2_seal(&value, bundle->passphrase, slice_of(CBB_data(&plain), CBB_len(&plain))) &&
        add_attributes(&bag, bundle) && CBB_flush(bags);
    CBB_cleanup(&plain); // wiped: OPENSSL_free does
    return is_added;
}

// begin_data opens a ContentInfo of type data; what is added to `content` is inside.
static bool begin_data(CBB *out, CBB *info, CBB *wrapper, CBB *content)
{
    return CBB_add_asn1(out, info, CBS_ASN1_SEQUENCE) && ADD_OID(info, OID_DATA) &&
           CBB_add_asn1(info, wrapper, TAG_EXPLICIT_0) &&
           CBB_add_asn1(wrapper, content, CBS_ASN1_OCTETSTRING);
}

static bool add_certificates_safe(CBB *safes, const struct bundle *bundle)
{
    CBB info;
    CBB wrapper;
    CBB content;
    CBB bags;
    bool is_added = begin_data(safes, &info, &wrapper, &content) &&
                    CBB_add_asn1(&content, &bags, CBS_ASN1_SEQUENCE);
    for (size_t i = 0; i < bundle->chain_count && is_added; i++)
        is_added = add_certificate(&bags, bundle, i);
    return is_added && CBB_flush(safes);
}

static bool add_key_safe(CBB *safes, const struct bundle *bundle)
{
    CBB info;
    CBB wrapper;
    CBB content;
    CBB bags;
    return begin_data(safes, &info, &wrapper, &content) &&
           CBB_add_asn1(&content, &bags, CBS_ASN1_SEQUENCE) && add_key(&bags, bundle) &&
           CBB_flush(safes);
}

// fill_cyclic fills a multiple of the hash's block with copies of `bytes`.
static bool fill_cyclic(CBB *out, struct slice bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!CBB_add_u8(out, bytes.data[i % bytes.len]))
            return false;
    }
    return true;
}

// derive_mac_key is RFC 7292 B.2 for ID 3 and SHA-256: one round gives as many bytes as are needed.
// The passphrase goes in as UTF-16 with a final NUL.
static bool derive_mac_key(struct slice passphrase, struct slice salt,
                           uint8_t out[SHA256_DIGEST_LENGTH])
{
    CBB input;
    CBB wide;
    bool is_done = CBB_init(&wide, START_CAP);
    if (!CBB_init(&input, START_CAP)) {
        CBB_cleanup(&wide);
        return false;
    }
    for (size_t i = 0; i < passphrase.len && is_done; i++)
        is_done = CBB_add_u16(&wide, passphrase.data[i]);
    is_done = is_done && CBB_add_u16(&wide, 0);
    const uint8_t id = MAC_ID;
    if (is_done) {
        const struct slice bytes = slice_of(CBB_data(&wide), CBB_len(&wide));
        const size_t blocks = (bytes.len + HASH_BLOCK_LEN - 1) / HASH_BLOCK_LEN;
        is_done = fill_cyclic(&input, slice_of(&id, 1), HASH_BLOCK_LEN) &&
                  fill_cyclic(&input, salt, HASH_BLOCK_LEN) &&
                  fill_cyclic(&input, bytes, blocks * HASH_BLOCK_LEN);
    }
    if (is_done) {
        (void)SHA256(CBB_data(&input), CBB_len(&input), out);
        for (int i = 1; i < PBES2_ITERATIONS; i++)
            (void)SHA256(out, SHA256_DIGEST_LENGTH, out);
    }
    CBB_cleanup(&wide);
    CBB_cleanup(&input);
    return is_done;
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
    const bool is_added =
        derive_mac_key(passphrase, slice_of(salt, sizeof salt), key) &&
        HMAC(EVP_sha256(), key, sizeof key, content.data, content.len, mac, &mac_len) != NULL &&
        CBB_add_asn1(pfx, &data, CBS_ASN1_SEQUENCE) &&
        CBB_add_asn1(&data, &digest, CBS_ASN1_SEQUENCE) &&
        CBB_add_asn1(&digest, &algorithm, CBS_ASN1_SEQUENCE) && ADD_OID(&algorithm, OID_SHA256) &&
        CBB_add_asn1(&algorithm, &null, CBS_ASN1_NULL) &&
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
        !add_certificates_safe(&safes, bundle) || !add_key_safe(&safes, bundle) ||
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
