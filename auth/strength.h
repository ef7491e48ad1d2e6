// strength: the floor for keys and signatures in client chains. Private to auth.
//
// One list, the same as the TLS verify preferences: RSA from 2048 bits, P-256, P-384, P-521 and
// Ed25519, with SHA-256 or better. What is not on it is weak, however strong it may be.
#pragma once

#include <openssl/x509.h>
#include <stdbool.h>

// strength_key_is_enough tells whether the public key of `cert` can be read and is on the list. RSA
// keys above 8192 bits are not: their cost is the server's.
bool strength_key_is_enough(X509 *cert);

// strength_algorithm_is_enough tells whether a signature algorithm, by its NID, is on the list.
bool strength_algorithm_is_enough(int algorithm);

enum { STRENGTH_MAX_COST = 20 };

// strength_verification_cost tells what checking one signature with the key of `cert` costs, in
// units of one P-256 check (about 0.08 ms on a core of 2020), at most STRENGTH_MAX_COST. For a key
// on the list.
unsigned strength_verification_cost(X509 *cert);
