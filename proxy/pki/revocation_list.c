// Makes CRLs field by field.
#include "proxy/pki/revocation_list.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "proxy/pki/certificate.h"

// An expired certificate stays listed for a week, because some clocks are slow.
enum { LINGER_S = 7 * 24 * 60 * 60 };

static bool add_reason(X509_REVOKED *row, enum revocation reason)
{
    if (reason == REVOCATION_UNSPECIFIED)
        return true; // RFC 5280 5.3.1: left out
    ASN1_ENUMERATED *code = ASN1_ENUMERATED_new();
    const bool is_added = code != NULL &&
                          ASN1_ENUMERATED_set_uint64(code, REVOCATIONS[reason].code) &&
                          X509_REVOKED_add1_ext_i2d(row, NID_crl_reason, code, 0, 0);
    ASN1_ENUMERATED_free(code);
    return is_added;
}

static bool add_row(X509_CRL *crl, const struct index_entry *entry)
{
    BIGNUM *number = NULL;
    ASN1_INTEGER *serial = NULL;
    ASN1_TIME *time = ASN1_TIME_set_posix(NULL, entry->revoked_s);
    X509_REVOKED *row = X509_REVOKED_new();
    bool is_added = time != NULL && row != NULL && BN_hex2bn(&number, entry->serial) > 0;
    if (is_added) {
        serial = BN_to_ASN1_INTEGER(number, NULL);
        is_added = serial != NULL && X509_REVOKED_set_serialNumber(row, serial) &&
                   X509_REVOKED_set_revocationDate(row, time) && add_reason(row, entry->reason) &&
                   X509_CRL_add0_revoked(crl, row);
    }
    if (!is_added)
        X509_REVOKED_free(row);
    ASN1_INTEGER_free(serial);
    ASN1_TIME_free(time);
    BN_free(number);
    return is_added;
}

static bool add_rows(X509_CRL *crl, const struct revocation_plan *plan)
{
    for (size_t i = 0; i < plan->entry_count; i++) {
        const struct index_entry *entry = &plan->entries[i];
        const bool is_over = entry->not_after_s < plan->this_update_s - LINGER_S;
        const bool is_ours = (entry->kind == INDEX_CA) == plan->is_of_cas;
        if (entry->is_revoked && !is_over && is_ours && !add_row(crl, entry))
            return false;
    }
    return X509_CRL_sort(crl) == 1;
}

static bool set_times(X509_CRL *crl, const struct revocation_plan *plan)
{
    ASN1_TIME *this_update = ASN1_TIME_set_posix(NULL, plan->this_update_s);
    ASN1_TIME *next_update = ASN1_TIME_set_posix(NULL, plan->next_update_s);
    const bool is_set = this_update != NULL && next_update != NULL &&
                        X509_CRL_set1_lastUpdate(crl, this_update) &&
                        X509_CRL_set1_nextUpdate(crl, next_update);
    ASN1_TIME_free(this_update);
    ASN1_TIME_free(next_update);
    return is_set;
}

static bool add_extensions(X509_CRL *crl, const struct revocation_plan *plan, X509 *issuer)
{
    ASN1_INTEGER *number = ASN1_INTEGER_new();
    AUTHORITY_KEYID *authority = certificate_make_authority_key_id(issuer);
    const bool is_set = number != NULL && authority != NULL &&
                        ASN1_INTEGER_set_uint64(number, plan->number) &&
                        X509_CRL_add1_ext_i2d(crl, NID_authority_key_identifier, authority, 0, 0) &&
                        X509_CRL_add1_ext_i2d(crl, NID_crl_number, number, 0, 0);
    AUTHORITY_KEYID_free(authority);
    ASN1_INTEGER_free(number);
    return is_set;
}

bool revocation_list_write(const struct revocation_plan *plan, X509 *issuer, EVP_PKEY *key,
                           BIO *out)
{
    X509_CRL *crl = X509_CRL_new();
    const bool is_written =
        crl != NULL && X509_CRL_set_version(crl, X509_CRL_VERSION_2) &&
        X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer)) && set_times(crl, plan) &&
        add_rows(crl, plan) && add_extensions(crl, plan, issuer) &&
        X509_CRL_sign(crl, key, EVP_sha256()) > 0 && PEM_write_bio_X509_CRL(out, crl);
    X509_CRL_free(crl);
    return is_written;
}
