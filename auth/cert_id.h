// cert_id: what certificates and their issuers are known by: names, serials, and digests of them; and the parts of a
// certificate that several ask for. Private to auth.
//
// Chains, revocation lists and lists of denied certificates meet only here: each makes the same digest of the same
// thing, and they are compared.
#pragma once

#include <openssl/bytestring.h>
#include <openssl/x509.h>
#include <stdbool.h>

#include "auth/base/err.h"
#include "auth/base/slice.h"
#include "auth/dn.h"
#include "auth/extension.h"

enum {
    CERT_DIGEST_LEN = 32, // SHA-256
    CERT_SERIAL_MAX = 32, // bytes; RFC 5280 allows 20
};

// asn1_slice gives the bytes of a string or number of the library, borrowed from it.
struct slice asn1_slice(const ASN1_STRING *string);

// cert_has_extension tells whether there is an extension of this NID.
bool cert_has_extension(const X509 *cert, int nid);

// cert_extension_value gives what is in the OCTET STRING of the extension at `index`, borrowed from `cert`.
CBS cert_extension_value(const X509 *cert, int index);

// extension_at gives the extension at `index`, borrowed from `cert`.
struct extension extension_at(const X509 *cert, int index);

// cert_is_self_issued tells whether subject and issuer are the same.
bool cert_is_self_issued(X509 *cert);

// cert_read_validity gives the first and the last second, in Unix seconds. False when one of them is malformed.
bool cert_read_validity(const X509 *cert, int64_t *not_before_s, int64_t *not_after_s);

// cert_id_trim_serial takes leading zeros off a big-endian number; 0 becomes empty.
struct slice cert_id_trim_serial(struct slice serial);

// cert_id_read_name gives a name of a certificate as a dn. ERR_INPUT when it cannot be read, ERR_LIMIT.
enum err cert_id_read_name(X509_NAME *name, struct dn *out) MUST_USE;

// cert_id_of_name gives the digest of a name alone; zeros for a name that is no dn.
void cert_id_of_name(X509_NAME *name, uint8_t out[CERT_DIGEST_LEN]);

// cert_id_of_serial gives the digest of a certificate's issuer and serial (big-endian, leading zeros or not).
void cert_id_of_serial(const struct dn *issuer, struct slice serial, uint8_t out[CERT_DIGEST_LEN]);

// cert_id_of_authority gives the digest of an issuer's key and name: what a certificate's issuer and a list's signer
// must have in common. False without memory.
bool cert_id_of_authority(X509 *issuer, uint8_t out[CERT_DIGEST_LEN]);
