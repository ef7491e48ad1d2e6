// The issuer's key first, then the certificates that came along: those that are whom the answer names.
#include "auth/ocsp_signer.h"

#include <openssl/digest.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "auth/cert_id.h"
#include "auth/dn.h"
#include "auth/strength.h"

// signer_search is what is known while a signer is looked for.
struct signer_search {
    const struct ocsp_signed *answer;
    const struct ocsp_subject *subject;
    int64_t now_s;
    EVP_PKEY *issuer_key; // owned
    struct dn issuer;
    struct dn responder; // where the answer names it
    struct crl_signature signature;
    int64_t until_s; // when the signer's certificate ends
    struct ocsp_delegate delegate;
};

static struct slice slice_of_cbs(CBS cbs)
{
    return slice_of(CBS_data(&cbs), CBS_len(&cbs));
}

// has_key tells whether the answer names the owner of this SubjectPublicKeyInfo by the SHA-1 of its key.
static bool has_key(const struct ocsp_signed *answer, struct slice key)
{
    struct slice bits;
    uint8_t digest[SHA_DIGEST_LENGTH];
    CBS responder = answer->responder;
    CBS hash;
    if (!CBS_get_asn1(&responder, &hash, CBS_ASN1_OCTETSTRING) || !ocsp_key_bits(key, &bits))
        return false;
    SHA1(bits.data, bits.len, digest);
    return slice_equal(slice_of_cbs(hash), slice_of(digest, sizeof digest));
}

static bool is_issuer(const struct signer_search *search)
{
    if (search->answer->is_by_name)
        return dn_equal(&search->responder, &search->issuer);
    return has_key(search->answer, search->subject->issuer_key);
}

static bool has_certificate_key(const struct ocsp_signed *answer, X509 *cert)
{
    uint8_t *key = NULL;
    const int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &key);
    const bool has = len > 0 && has_key(answer, slice_of(key, (size_t)len));
    OPENSSL_free(key);
    return has;
}

// is_responder tells whether a certificate that came along is the one that the answer names.
static bool is_responder(const struct signer_search *search, X509 *cert)
{
    struct dn name;
    if (!search->answer->is_by_name)
        return has_certificate_key(search->answer, cert);
    return cert_id_read_name(X509_get_subject_name(cert), &name) == ERR_OK &&
           dn_equal(&name, &search->responder);
}

static bool is_signed_by(const struct signer_search *search, EVP_PKEY *key)
{
    const bool is_signed = key != NULL && crl_signature_is_by(&search->signature, key);
    ERR_clear_error();
    return is_signed;
}

// is_for_answers tells whether the certificate was made for signing answers, and for nothing that is not understood.
static bool is_for_answers(X509 *cert)
{
    const uint32_t flags = X509_get_extension_flags(cert);
    if ((flags & (EXFLAG_INVALID | EXFLAG_CRITICAL)) != 0 || (flags & EXFLAG_XKUSAGE) == 0 ||
        (X509_get_extended_key_usage(cert) & XKU_OCSP_SIGN) == 0)
        return false;
    return (flags & EXFLAG_KUSAGE) == 0 || (X509_get_key_usage(cert) & KU_DIGITAL_SIGNATURE) != 0;
}

// is_of_issuer tells whether the issuer itself, and no CA below it, has made the certificate.
static bool is_of_issuer(const struct signer_search *search, X509 *cert)
{
    struct dn name;
    const bool is_of = cert_id_read_name(X509_get_issuer_name(cert), &name) == ERR_OK &&
                       dn_equal(&name, &search->issuer) &&
                       X509_verify(cert, search->issuer_key) == 1;
    ERR_clear_error();
    return is_of;
}

// read_delegate reads what lists and denials know the certificate by. False: its serial is none that a list could name.
static bool read_delegate(X509 *cert, struct ocsp_delegate *out)
{
    const ASN1_INTEGER *number = X509_get0_serialNumber(cert);
    const struct slice serial = cert_id_trim_serial(asn1_slice(number));
    unsigned len = 0;
    *out = (struct ocsp_delegate){.is_there = true, .serial_len = (uint8_t)serial.len};
    return ASN1_STRING_type(number) == V_ASN1_INTEGER && serial.len <= CERT_SERIAL_MAX &&
           bytes_copy(out->serial, sizeof out->serial, serial) &&
           X509_digest(cert, EVP_sha256(), out->sha256, &len) == 1;
}

// judge_delegate judges a certificate that is whom the answer names. OCSP_FAULT_SIGNER where it is not a delegate.
static enum ocsp_fault judge_delegate(struct signer_search *search, X509 *cert)
{
    int64_t not_before_s = 0;
    int64_t not_after_s = 0;
    if (!strength_algorithm_is_enough(X509_get_signature_nid(cert)) ||
        !strength_key_is_enough(cert))
        return OCSP_FAULT_WEAK;
    if (!is_for_answers(cert) || !is_of_issuer(search, cert) ||
        !read_delegate(cert, &search->delegate))
        return OCSP_FAULT_SIGNER;
    if (!cert_read_validity(cert, &not_before_s, &not_after_s) ||
        search->now_s + OCSP_SKEW_S < not_before_s || search->now_s > not_after_s)
        return OCSP_FAULT_SIGNER_EXPIRED;
    EVP_PKEY *key = X509_get_pubkey(cert);
    const bool is_signed = is_signed_by(search, key);
    EVP_PKEY_free(key);
    search->until_s = not_after_s;
    return is_signed ? OCSP_FAULT_NONE : OCSP_FAULT_SIGNATURE;
}

// judge_certificates looks for a delegate among the certificates that came along.
static enum ocsp_fault judge_certificates(struct signer_search *search)
{
    CBS list = search->answer->certificates;
    enum ocsp_fault fault = OCSP_FAULT_SIGNER;
    for (size_t count = 0; CBS_len(&list) > 0; count++) {
        CBS element;
        if (count == OCSP_MAX_DELEGATES ||
            !CBS_get_asn1_element(&list, &element, CBS_ASN1_SEQUENCE))
            return OCSP_FAULT_MALFORMED;
        const uint8_t *at = CBS_data(&element);
        X509 *cert = d2i_X509(NULL, &at, (long)CBS_len(&element));
        ERR_clear_error();
        if (cert == NULL || at != CBS_data(&element) + CBS_len(&element)) {
            X509_free(cert);
            return OCSP_FAULT_MALFORMED;
        }
        const enum ocsp_fault found =
            is_responder(search, cert) ? judge_delegate(search, cert) : OCSP_FAULT_SIGNER;
        X509_free(cert);
        if (found == OCSP_FAULT_NONE)
            return found;
        if (found != OCSP_FAULT_SIGNER)
            fault = found;
    }
    return fault;
}

static enum ocsp_fault judge(struct signer_search *search)
{
    const enum err error = crl_signature_read(
        slice_of_cbs(search->answer->data), slice_of_cbs(search->answer->algorithm),
        slice_of_cbs(search->answer->signature), &search->signature);
    if (error == ERR_MEMORY)
        return OCSP_FAULT_NO_MEMORY;
    if (error != ERR_OK)
        return OCSP_FAULT_WEAK;
    const bool names_issuer = is_issuer(search);
    if (names_issuer && is_signed_by(search, search->issuer_key))
        return OCSP_FAULT_NONE;
    const enum ocsp_fault fault = judge_certificates(search);
    return names_issuer && fault == OCSP_FAULT_SIGNER ? OCSP_FAULT_SIGNATURE : fault;
}

enum ocsp_fault ocsp_signer_judge(const struct ocsp_signed *answer,
                                  const struct ocsp_subject *subject, int64_t now_s,
                                  int64_t *out_until_s, struct ocsp_delegate *out)
{
    struct signer_search search = {
        .answer = answer, .subject = subject, .now_s = now_s, .until_s = INT64_MAX};
    CBS key;
    CBS_init(&key, subject->issuer_key.data, subject->issuer_key.len);
    if (dn_from_der(subject->issuer_name, &search.issuer) != ERR_OK ||
        (answer->is_by_name &&
         dn_from_der(slice_of_cbs(answer->responder), &search.responder) != ERR_OK))
        return OCSP_FAULT_MALFORMED;
    search.issuer_key = EVP_parse_public_key(&key);
    ERR_clear_error();
    const enum ocsp_fault fault = search.issuer_key == NULL ? OCSP_FAULT_NO_MEMORY : judge(&search);
    EVP_PKEY_free(search.issuer_key);
    *out_until_s = search.until_s;
    // One that was looked at and did not sign has not signed.
    *out = search.until_s == INT64_MAX ? (struct ocsp_delegate){0} : search.delegate;
    return fault;
}
