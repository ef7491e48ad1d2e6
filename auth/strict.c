// RFC 5280 section 4 as a list of questions to one certificate after the other.
#include "auth/strict.h"

#include <openssl/asn1.h>
#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/nid.h>
#include <openssl/obj.h>
#include <openssl/x509v3.h>

#include "auth/cert_id.h"

enum { SERIAL_MAX = 20, STRICT_EXTENSIONS_MAX = 64 };

const char *strict_find_hole(X509 *leaf)
{
    const uint32_t flags = X509_get_extension_flags(leaf);
    if ((flags & EXFLAG_CA) != 0)
        return NULL;
    if ((flags & EXFLAG_KUSAGE) != 0 && (X509_get_key_usage(leaf) & KU_KEY_CERT_SIGN) != 0)
        return "the client's certificate is not a CA, but may sign certificates (keyCertSign)";
    if (cert_has_extension(leaf, NID_name_constraints))
        return "the client's certificate is not a CA, but constrains names";
    return NULL;
}

// What RFC 5280 says of an extension's critical flag.
static const struct {
    int nid;
    bool must_be_critical; // else it must not be
    const char *fault;
} CRITICALITY[] = {
    {NID_authority_key_identifier, false, "an authority key identifier is critical (4.2.1.1)"},
    {NID_subject_key_identifier, false, "a subject key identifier is critical (4.2.1.2)"},
    {NID_name_constraints, true, "name constraints are not critical (4.2.1.10)"},
    {NID_policy_constraints, true, "policy constraints are not critical (4.2.1.11)"},
    {NID_inhibit_any_policy, true, "inhibitAnyPolicy is not critical (4.2.1.14)"},
    {NID_subject_directory_attributes, false, "directory attributes are critical (4.2.1.8)"},
    {NID_freshest_crl, false, "a freshest CRL is critical (4.2.1.15)"},
    {NID_info_access, false, "an authority information access is critical (4.2.2.1)"},
    {NID_sinfo_access, false, "a subject information access is critical (4.2.2.2)"},
};

static bool is_critical(const X509 *cert, int nid)
{
    const int index = X509_get_ext_by_NID(cert, nid, -1);
    return index >= 0 && X509_EXTENSION_get_critical(X509_get_ext(cert, index));
}

static const char *find_criticality_fault(const X509 *cert)
{
    for (size_t i = 0; i < sizeof CRITICALITY / sizeof CRITICALITY[0]; i++) {
        const int nid = CRITICALITY[i].nid;
        if (cert_has_extension(cert, nid) &&
            is_critical(cert, nid) != CRITICALITY[i].must_be_critical)
            return CRITICALITY[i].fault;
    }
    return NULL;
}

static const char *find_repetition(const X509 *cert)
{
    const int count = X509_get_ext_count(cert);
    if (count > STRICT_EXTENSIONS_MAX)
        return "a certificate has more extensions than anybody needs";
    for (int i = 1; i < count; i++) {
        const ASN1_OBJECT *object = X509_EXTENSION_get_object(X509_get_ext(cert, i));
        if (X509_get_ext_by_OBJ(cert, object, -1) != i)
            return "an extension appears twice in a certificate (4.2)";
    }
    return NULL;
}

// is_in_its_form tells whether a date is a UTCTime up to 2049 and a GeneralizedTime from then on.
static bool is_in_its_form(const ASN1_TIME *time)
{
    const int64_t year_2050_s = INT64_C(2524608000);
    int64_t time_s = 0;
    if (!ASN1_TIME_to_posix(time, &time_s))
        return false;
    return (ASN1_STRING_type(time) == V_ASN1_UTCTIME) == (time_s < year_2050_s);
}

static const char *find_field_fault(const X509 *cert)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
    const struct slice number = asn1_slice(serial);
    const ASN1_BIT_STRING *issuer_uid = NULL;
    const ASN1_BIT_STRING *subject_uid = NULL;
    X509_get0_uids(cert, &issuer_uid, &subject_uid);
    if (X509_get_version(cert) != X509_VERSION_3)
        return "a certificate is not of version 3 (4.1.2.1)";
    // The number is without its sign: a positive one with the top bit set takes one byte more.
    const size_t len = number.len + (number.len > 0 && number.data[0] >= 0x80);
    if (ASN1_STRING_type(serial) != V_ASN1_INTEGER || number.len == 0 || len > SERIAL_MAX ||
        (number.len == 1 && number.data[0] == 0))
        return "a serial is not positive, or longer than 20 bytes (4.1.2.2)";
    if (X509_NAME_entry_count(X509_get_issuer_name(cert)) == 0)
        return "an issuer has no name (4.1.2.4)";
    if (!is_in_its_form(X509_get0_notBefore(cert)) || !is_in_its_form(X509_get0_notAfter(cert)))
        return "a date is not written as it must be (4.1.2.5)";
    if (issuer_uid != NULL || subject_uid != NULL)
        return "a certificate has unique identifiers (4.1.2.8)";
    return NULL;
}

// is_empty_sequence tells whether an extension's value is a SEQUENCE with nothing in it.
static bool is_empty_sequence(const X509 *cert, int nid)
{
    const int index = X509_get_ext_by_NID(cert, nid, -1);
    if (index < 0)
        return false;
    CBS cbs = cert_extension_value(cert, index);
    CBS sequence;
    return CBS_get_asn1(&cbs, &sequence, CBS_ASN1_SEQUENCE) && CBS_len(&sequence) == 0;
}

// has_dotted_constraint tells whether a constraint of host names begins with a dot, which is a URI's
// manner: without it the name itself would be meant too.
static bool has_dotted_constraint(const STACK_OF(GENERAL_SUBTREE) *subtrees)
{
    for (size_t i = 0; i < sk_GENERAL_SUBTREE_num(subtrees); i++) {
        const GENERAL_NAME *base = sk_GENERAL_SUBTREE_value(subtrees, i)->base;
        if (base->type == GEN_DNS && ASN1_STRING_length(base->d.dNSName) > 0 &&
            ASN1_STRING_get0_data(base->d.dNSName)[0] == '.')
            return true;
    }
    return false;
}

static const char *find_constraint_fault(const X509 *cert)
{
    if (is_empty_sequence(cert, NID_name_constraints))
        return "name constraints constrain nothing (4.2.1.10)";
    NAME_CONSTRAINTS *constraints = X509_get_ext_d2i(cert, NID_name_constraints, NULL, NULL);
    const bool is_dotted =
        constraints != NULL && (has_dotted_constraint(constraints->permittedSubtrees) ||
                                has_dotted_constraint(constraints->excludedSubtrees));
    NAME_CONSTRAINTS_free(constraints);
    return is_dotted ? "a constraint of host names begins with a dot (4.2.1.10)" : NULL;
}

// is_access_bad tells whether an information access cannot be read, or gives none.
static bool is_access_bad(const X509 *cert, int nid)
{
    if (!cert_has_extension(cert, nid))
        return false;
    AUTHORITY_INFO_ACCESS *access = X509_get_ext_d2i(cert, nid, NULL, NULL);
    const bool is_bad = sk_ACCESS_DESCRIPTION_num(access) == 0;
    AUTHORITY_INFO_ACCESS_free(access);
    return is_bad;
}

static const char *find_ca_fault(X509 *cert)
{
    const uint32_t flags = X509_get_extension_flags(cert);
    if (!is_critical(cert, NID_basic_constraints))
        return "a CA's basicConstraints is not critical (4.2.1.9)";
    if ((flags & EXFLAG_KUSAGE) == 0)
        return "a CA has no key usage (4.2.1.3)";
    if (X509_NAME_entry_count(X509_get_subject_name(cert)) == 0)
        return "a CA has no name (4.1.2.6)";
    if (X509_get0_subject_key_id(cert) == NULL)
        return "a CA has no subject key identifier (4.2.1.2)";
    return NULL;
}

static const char *find_leaf_fault(X509 *cert)
{
    const uint32_t flags = X509_get_extension_flags(cert);
    if ((flags & EXFLAG_CA) != 0 && (flags & EXFLAG_KUSAGE) != 0 &&
        (X509_get_key_usage(cert) & KU_KEY_CERT_SIGN) == 0)
        return "the client's certificate is a CA that may not sign certificates (4.2.1.9)";
    if (X509_NAME_entry_count(X509_get_subject_name(cert)) == 0 &&
        !is_critical(cert, NID_subject_alt_name))
        return "the client's certificate has no subject, and its other names are not critical "
               "(4.1.2.6)";
    if ((flags & EXFLAG_BCONS) != 0 && (flags & EXFLAG_CA) == 0 && X509_get_pathlen(cert) >= 0)
        return "the client's certificate is not a CA but has a pathlen (4.2.1.9)";
    return NULL;
}

static const char *find_certificate_fault(X509 *cert, bool is_leaf, bool is_ca)
{
    const bool is_self_signed = (X509_get_extension_flags(cert) & EXFLAG_SS) != 0;
    const char *fault = find_field_fault(cert);
    if (fault == NULL)
        fault = find_repetition(cert);
    if (fault == NULL)
        fault = find_criticality_fault(cert);
    if (fault == NULL && !is_self_signed && X509_get0_authority_key_id(cert) == NULL)
        fault = "a certificate has no authority key identifier (4.2.1.1)";
    if (fault == NULL && (X509_get_extension_flags(cert) & EXFLAG_KUSAGE) != 0 &&
        X509_get_key_usage(cert) == 0)
        fault = "a key usage allows nothing (4.2.1.3)";
    if (fault == NULL)
        fault = find_constraint_fault(cert);
    if (fault == NULL &&
        (is_access_bad(cert, NID_info_access) || is_access_bad(cert, NID_sinfo_access)))
        fault = "an information access cannot be read, or is empty (4.2.2)";
    if (fault == NULL && is_empty_sequence(cert, NID_policy_constraints))
        fault = "policy constraints constrain nothing (4.2.1.11)";
    if (fault == NULL)
        fault = is_ca ? find_ca_fault(cert) : NULL;
    if (fault == NULL && is_leaf)
        fault = find_leaf_fault(cert);
    return fault;
}

const char *strict_find_fault(X509 *const *certs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const bool is_ca = (X509_get_extension_flags(certs[i]) & EXFLAG_CA) != 0;
        const char *fault = find_certificate_fault(certs[i], i == 0, i > 0 || is_ca);
        ERR_clear_error();
        if (fault != NULL)
            return fault;
    }
    return NULL;
}
