// The set of the leaf is narrowed by each intermediate. Values are read byte by byte: the library's types are not needed.
#include "auth/cert_policies.h"

#include <openssl/bytestring.h>
#include <openssl/nid.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "auth/cert_id.h"

#define ANY_POLICY SLICE_LITERAL("\x55\x1D\x20\x00")

struct slice oid_list_slice(const struct oid_list *list)
{
    return slice_of(list->bytes, list->len);
}

bool oid_list_add(struct oid_list *list, struct slice oid)
{
    return !oid_set_has(oid_list_slice(list), oid) &&
           oid_set_put(list->bytes, sizeof list->bytes, &list->len, oid);
}

bool oid_is_any_policy(struct slice oid)
{
    return slice_equal(oid, ANY_POLICY);
}

// take_oid takes one element off a list: a SEQUENCE that begins with an OID. What follows the OID must be DER elements, at
// most one of them.
static bool take_oid(CBS *list, struct slice *out)
{
    CBS element;
    CBS oid;
    CBS rest;
    CBS_ASN1_TAG tag = 0;
    if (!CBS_get_asn1(list, &element, CBS_ASN1_SEQUENCE) ||
        !CBS_get_asn1(&element, &oid, CBS_ASN1_OBJECT) || !CBS_is_valid_asn1_oid(&oid) ||
        (CBS_len(&element) != 0 && !CBS_get_any_asn1(&element, &rest, &tag)) ||
        CBS_len(&element) != 0)
        return false;
    *out = slice_of(CBS_data(&oid), CBS_len(&oid));
    return true;
}

// read_list reads the OIDs of a whole value, a SEQUENCE of one element or more.
static bool read_list(struct slice value, struct oid_list *out)
{
    CBS all;
    CBS list;
    struct slice oid = {0};
    CBS_init(&all, value.data, value.len);
    *out = (struct oid_list){0};
    if (!CBS_get_asn1(&all, &list, CBS_ASN1_SEQUENCE) || CBS_len(&all) != 0 || CBS_len(&list) == 0)
        return false;
    for (size_t count = 0; CBS_len(&list) > 0; count++) {
        if (count == CERT_POLICIES_MAX || !take_oid(&list, &oid))
            return false;
        if (oid.len <= EXTENSION_NAMED_OID_MAX && !oid_list_add(out, oid))
            return false;
    }
    return true;
}

// keep_if copies a list without the OIDs that `keeps` does not want.
static void keep_if(struct oid_list *list, bool (*keeps)(struct slice oid, struct slice arg),
                    struct slice arg)
{
    const struct oid_list all = *list;
    struct slice rest = oid_list_slice(&all);
    struct slice oid = {0};
    *list = (struct oid_list){0};
    while (oid_set_next(&rest, &oid)) {
        if (keeps(oid, arg))
            ASSERT(oid_list_add(list, oid));
    }
}

static bool is_no_any_policy(struct slice oid, struct slice unused)
{
    (void)unused;
    return !oid_is_any_policy(oid);
}

static bool is_in(struct slice oid, struct slice set)
{
    return oid_set_has(set, oid);
}

bool cert_policies_read(struct slice value, struct oid_list *out, bool *out_has_any)
{
    const bool is_good = read_list(value, out);
    *out_has_any = is_good && oid_set_has(oid_list_slice(out), ANY_POLICY);
    if (is_good)
        keep_if(out, is_no_any_policy, (struct slice){0});
    else
        *out = (struct oid_list){0};
    return is_good;
}

bool qc_statements_read(struct slice value, struct oid_list *out)
{
    const bool is_good = read_list(value, out);
    if (!is_good)
        *out = (struct oid_list){0};
    return is_good;
}

// only_value gives the value of an extension that a certificate has exactly once.
static bool only_value(const X509 *cert, int nid, struct slice *out)
{
    const int index = X509_get_ext_by_NID(cert, nid, -1);
    if (index < 0 || X509_get_ext_by_NID(cert, nid, index) >= 0)
        return false;
    *out = extension_at(cert, index).value;
    return true;
}

static bool read_policies_of(const X509 *cert, struct oid_list *out, bool *out_has_any)
{
    struct slice value = {0};
    return only_value(cert, NID_certificate_policies, &value) &&
           cert_policies_read(value, out, out_has_any);
}

static bool any_has(X509 *const *certs, size_t count, int nid)
{
    bool has = false;
    for (size_t i = 0; i < count; i++)
        has |= cert_has_extension(certs[i], nid);
    return has;
}

void cert_policies_of_path(X509 *const *certs, size_t count, struct oid_list *out)
{
    bool has_any = false;
    const bool inhibits_any = any_has(certs, count, NID_inhibit_any_policy);
    bool is_good =
        !any_has(certs, count, NID_policy_mappings) && read_policies_of(certs[0], out, &has_any);
    for (size_t i = 1; is_good && i + 1 < count; i++) {
        struct oid_list above;
        is_good = read_policies_of(certs[i], &above, &has_any);
        if (is_good && (!has_any || inhibits_any))
            keep_if(out, is_in, oid_list_slice(&above));
    }
    if (!is_good)
        *out = (struct oid_list){0};
}

void qc_statements_of(const X509 *leaf, struct oid_list *out)
{
    struct slice value = {0};
    *out = (struct oid_list){0};
    if (only_value(leaf, NID_qcStatements, &value))
        (void)qc_statements_read(value, out);
}

enum err cert_policies_keep(struct slice policies, struct slice qc, struct cert_policies *out)
{
    uint8_t *bytes = malloc(policies.len + qc.len + 1);
    if (bytes == NULL)
        return ERR_MEMORY;
    ASSERT(bytes_copy(bytes, policies.len, policies));
    ASSERT(bytes_copy(bytes + policies.len, qc.len, qc));
    *out = (struct cert_policies){.bytes = bytes,
                                  .policies = slice_of(bytes, policies.len),
                                  .qc = slice_of(bytes + policies.len, qc.len)};
    return ERR_OK;
}
