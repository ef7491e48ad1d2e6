// The list of keys and signature algorithms that a client chain may be made of.
#include "auth/strength.h"

#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/nid.h>

enum { RSA_MIN_BITS = 2048, RSA_MAX_BITS = 8192, RSA_CHEAP_BITS = 4096 };

// Measured with BoringSSL's portable code for the larger curves, rounded up.
enum { COST_USUAL = 1, COST_LARGE_RSA = 5, COST_P384 = 12, COST_P521 = STRENGTH_MAX_COST };

static bool key_is_enough(const EVP_PKEY *key)
{
    const int type = EVP_PKEY_id(key);
    if (type == EVP_PKEY_RSA)
        return EVP_PKEY_bits(key) >= RSA_MIN_BITS && EVP_PKEY_bits(key) <= RSA_MAX_BITS;
    if (type == EVP_PKEY_EC) {
        const int curve = EC_GROUP_get_curve_name(EC_KEY_get0_group(EVP_PKEY_get0_EC_KEY(key)));
        return curve == NID_X9_62_prime256v1 || curve == NID_secp384r1 || curve == NID_secp521r1;
    }
    return type == EVP_PKEY_ED25519;
}

bool strength_key_is_enough(X509 *cert)
{
    EVP_PKEY *key = X509_get_pubkey(cert);
    if (key == NULL) {
        ERR_clear_error(); // unknown algorithm, explicit curve parameters, a point off the curve
        return false;
    }
    const bool is_enough = key_is_enough(key);
    EVP_PKEY_free(key);
    return is_enough;
}

bool strength_algorithm_is_enough(int algorithm)
{
    return algorithm == NID_sha256WithRSAEncryption || algorithm == NID_sha384WithRSAEncryption ||
           algorithm == NID_sha512WithRSAEncryption || algorithm == NID_ecdsa_with_SHA256 ||
           algorithm == NID_ecdsa_with_SHA384 || algorithm == NID_ecdsa_with_SHA512 ||
           algorithm == NID_ED25519 ||
           algorithm == NID_rsassaPss; // the library takes PSS with SHA-256, 384 and 512 only
}

static unsigned cost_of_key(const EVP_PKEY *key)
{
    if (EVP_PKEY_id(key) == EVP_PKEY_RSA)
        return EVP_PKEY_bits(key) > RSA_CHEAP_BITS ? COST_LARGE_RSA : COST_USUAL;
    if (EVP_PKEY_id(key) != EVP_PKEY_EC)
        return COST_USUAL;
    const int curve = EC_GROUP_get_curve_name(EC_KEY_get0_group(EVP_PKEY_get0_EC_KEY(key)));
    return curve == NID_secp521r1 ? COST_P521 : curve == NID_secp384r1 ? COST_P384 : COST_USUAL;
}

unsigned strength_verification_cost(X509 *cert)
{
    EVP_PKEY *key = X509_get_pubkey(cert);
    const unsigned cost = key == NULL ? COST_USUAL : cost_of_key(key);
    EVP_PKEY_free(key);
    return cost;
}
