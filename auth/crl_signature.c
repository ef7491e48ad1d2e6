// Signatures of lists: the algorithm read with a cursor, the digest made once, the key asked for later.
#include "auth/crl_signature.h"

#include <openssl/bytestring.h>
#include <openssl/digest.h>
#include <openssl/nid.h>
#include <openssl/obj.h>
#include <openssl/rsa.h>
#include <stdlib.h>

#include "auth/strength.h"

// read_algorithm takes an AlgorithmIdentifier apart; NID_undef when it is none that is known.
static int read_algorithm(CBS *cbs, CBS *out_parameters)
{
    CBS oid;
    if (!CBS_get_asn1(cbs, out_parameters, CBS_ASN1_SEQUENCE) ||
        !CBS_get_asn1(out_parameters, &oid, CBS_ASN1_OBJECT))
        return NID_undef;
    return OBJ_cbs2nid(&oid);
}

// is_nothing tells whether parameters are absent or NULL.
static bool is_nothing(CBS parameters)
{
    CBS null;
    return CBS_len(&parameters) == 0 || (CBS_get_asn1(&parameters, &null, CBS_ASN1_NULL) &&
                                         CBS_len(&null) == 0 && CBS_len(&parameters) == 0);
}

static const EVP_MD *hash_of(int nid)
{
    switch (nid) {
    case NID_sha256:
        return EVP_sha256();
    case NID_sha384:
        return EVP_sha384();
    case NID_sha512:
        return EVP_sha512();
    default: // a number from outside, no enum of ours
        return NULL;
    }
}

static bool get_tagged(CBS *cbs, unsigned number, CBS *out)
{
    return CBS_get_asn1(cbs, out, CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | number);
}

// read_pss takes RSASSA-PSS-params (RFC 4055 3.1) of the only kind that the library takes: one hash for
// both uses, and a salt of its length.
static const EVP_MD *read_pss(CBS parameters)
{
    CBS list;
    CBS part;
    CBS inner;
    uint64_t salt_len = 0;
    if (!CBS_get_asn1(&parameters, &list, CBS_ASN1_SEQUENCE) || CBS_len(&parameters) != 0 ||
        !get_tagged(&list, 0, &part))
        return NULL;
    const EVP_MD *hash = hash_of(read_algorithm(&part, &inner));
    if (hash == NULL || !is_nothing(inner) || !get_tagged(&list, 1, &part) ||
        read_algorithm(&part, &inner) != NID_mgf1)
        return NULL;
    CBS mask;
    if (hash_of(read_algorithm(&inner, &mask)) != hash || !is_nothing(mask) ||
        CBS_len(&inner) != 0 || !get_tagged(&list, 2, &part) ||
        !CBS_get_asn1_uint64(&part, &salt_len) || CBS_len(&part) != 0 || CBS_len(&list) != 0)
        return NULL;
    return salt_len == EVP_MD_size(hash) ? hash : NULL;
}

static bool read_kind(struct slice algorithm, struct crl_signature *out)
{
    CBS cbs;
    CBS parameters;
    int hash_nid = NID_undef;
    int key_nid = NID_undef;
    CBS_init(&cbs, algorithm.data, algorithm.len);
    const int nid = read_algorithm(&cbs, &parameters);
    if (nid == NID_undef || !strength_algorithm_is_enough(nid))
        return false;
    if (nid == NID_ED25519) {
        out->kind = CRL_SIGNATURE_ED25519;
        return CBS_len(&parameters) == 0;
    }
    if (nid == NID_rsassaPss) {
        out->kind = CRL_SIGNATURE_RSA_PSS;
        out->hash = read_pss(parameters);
        return out->hash != NULL;
    }
    if (!OBJ_find_sigid_algs(nid, &hash_nid, &key_nid) || !is_nothing(parameters))
        return false;
    out->kind = key_nid == NID_rsaEncryption ? CRL_SIGNATURE_RSA : CRL_SIGNATURE_ECDSA;
    out->hash = hash_of(hash_nid);
    return out->hash != NULL;
}

enum err crl_signature_read(struct slice signed_bytes, struct slice algorithm, struct slice bits,
                            struct crl_signature *out)
{
    CBS cbs;
    CBS content;
    uint8_t unused_bits = 0;
    *out = (struct crl_signature){.kind = CRL_SIGNATURE_RSA};
    CBS_init(&cbs, bits.data, bits.len);
    if (!CBS_get_asn1(&cbs, &content, CBS_ASN1_BITSTRING) || !CBS_get_u8(&content, &unused_bits) ||
        unused_bits != 0 || CBS_len(&content) > CRL_SIGNATURE_MAX_LEN || !read_kind(algorithm, out))
        return ERR_INPUT;
    out->bytes = slice_of(CBS_data(&content), CBS_len(&content));
    if (out->kind == CRL_SIGNATURE_ED25519) {
        out->signed_bytes = signed_bytes;
        return ERR_OK;
    }
    return EVP_Digest(signed_bytes.data, signed_bytes.len, out->digest, NULL, out->hash, NULL) == 1
               ? ERR_OK
               : ERR_MEMORY;
}

static bool is_by_ed25519(const struct crl_signature *signature, EVP_PKEY *key)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    const bool is_good =
        ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) == 1 &&
        EVP_DigestVerify(ctx, signature->bytes.data, signature->bytes.len,
                         signature->signed_bytes.data, signature->signed_bytes.len) == 1;
    EVP_MD_CTX_free(ctx);
    return is_good;
}

static bool is_by_digest(const struct crl_signature *signature, EVP_PKEY *key)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    const bool is_pss = signature->kind == CRL_SIGNATURE_RSA_PSS;
    bool is_good = ctx != NULL && EVP_PKEY_verify_init(ctx) == 1 &&
                   (!is_pss || EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1) &&
                   EVP_PKEY_CTX_set_signature_md(ctx, signature->hash) == 1;
    if (is_good && is_pss) // -1: a salt as long as the hash
        is_good = EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, signature->hash) == 1 &&
                  EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, -1) == 1;
    is_good = is_good && EVP_PKEY_verify(ctx, signature->bytes.data, signature->bytes.len,
                                         signature->digest, EVP_MD_size(signature->hash)) == 1;
    EVP_PKEY_CTX_free(ctx);
    return is_good;
}

bool crl_signature_is_by(const struct crl_signature *signature, EVP_PKEY *key)
{
    switch (signature->kind) {
    case CRL_SIGNATURE_RSA:
    case CRL_SIGNATURE_RSA_PSS:
        return EVP_PKEY_id(key) == EVP_PKEY_RSA && is_by_digest(signature, key);
    case CRL_SIGNATURE_ECDSA:
        return EVP_PKEY_id(key) == EVP_PKEY_EC && is_by_digest(signature, key);
    case CRL_SIGNATURE_ED25519:
        return EVP_PKEY_id(key) == EVP_PKEY_ED25519 && is_by_ed25519(signature, key);
    }
    return false;
}

void crl_signature_digest(const struct crl_signature *signature, uint8_t out[SHA256_DIGEST_LENGTH])
{
    uint8_t inner[CRL_SIGNATURE_MAX_DIGEST] = {0};
    SHA256_CTX ctx;
    if (signature->hash == NULL)
        SHA256(signature->signed_bytes.data, signature->signed_bytes.len, inner);
    else
        ASSERT(
            bytes_copy(inner, sizeof inner, slice_of(signature->digest, sizeof signature->digest)));
    (void)SHA256_Init(&ctx);
    (void)SHA256_Update(&ctx, inner, sizeof inner);
    (void)SHA256_Update(&ctx, signature->bytes.data, signature->bytes.len);
    (void)SHA256_Final(out, &ctx);
}

enum err crl_signature_keep(struct crl_signature *signature)
{
    const struct slice bytes = signature->bytes;
    const struct slice rest = signature->signed_bytes; // empty but with Ed25519
    if (rest.len > CRL_SIGNATURE_MAX_KEPT)
        return ERR_LIMIT;
    signature->kept = malloc(bytes.len + rest.len + 1);
    if (signature->kept == NULL)
        return ERR_MEMORY;
    ASSERT(bytes_copy(signature->kept, bytes.len, bytes));
    signature->bytes = slice_of(signature->kept, bytes.len);
    if (rest.len > 0) {
        ASSERT(bytes_copy(signature->kept + bytes.len, rest.len, rest));
        signature->signed_bytes = slice_of(signature->kept + bytes.len, rest.len);
    }
    return ERR_OK;
}

void crl_signature_deinit(struct crl_signature *signature)
{
    free(signature->kept);
    *signature = (struct crl_signature){.kind = CRL_SIGNATURE_RSA};
}
