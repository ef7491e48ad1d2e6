// Two lists for BoringSSL, whose own are wider.
#include "proxy/tls/rules.h"

// What a peer's proofs may be signed with, and what we sign ours with: the same floor as auth/trust sets for chains.
// BoringSSL's own list for signing ends with SHA-1.
static const uint16_t signature_algorithms[] = {
    SSL_SIGN_ECDSA_SECP256R1_SHA256, SSL_SIGN_ED25519,
    SSL_SIGN_RSA_PSS_RSAE_SHA256,    SSL_SIGN_RSA_PKCS1_SHA256,
    SSL_SIGN_ECDSA_SECP384R1_SHA384, SSL_SIGN_RSA_PSS_RSAE_SHA384,
    SSL_SIGN_RSA_PKCS1_SHA384,       SSL_SIGN_ECDSA_SECP521R1_SHA512,
    SSL_SIGN_RSA_PSS_RSAE_SHA512,    SSL_SIGN_RSA_PKCS1_SHA512,
};

static const char cipher_list[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

bool tls_set_common_rules(SSL_CTX *ctx)
{
    const size_t count = sizeof signature_algorithms / sizeof *signature_algorithms;
    return SSL_CTX_set_strict_cipher_list(ctx, cipher_list) &&
           SSL_CTX_set_verify_algorithm_prefs(ctx, signature_algorithms, count) &&
           SSL_CTX_set_signing_algorithm_prefs(ctx, signature_algorithms, count);
}
