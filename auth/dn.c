// Distinguished names: read from DER into canonical bytes, compared, and looked into. Knows nothing
// of certificates beyond the Name; the text form is in dn_text.c.
#include "auth/dn.h"

#include <openssl/bytestring.h>

static enum err rdn_from_der(CBS *set, struct dn *out)
{
    struct dn_rdn rdn;
    TRY(dn_rdn_begin(&rdn, out));
    if (CBS_len(set) == 0)
        return ERR_INPUT;
    while (CBS_len(set) > 0) {
        CBS attribute;
        CBS type;
        if (!CBS_get_asn1(set, &attribute, CBS_ASN1_SEQUENCE) ||
            !CBS_get_asn1(&attribute, &type, CBS_ASN1_OBJECT))
            return ERR_INPUT;
        TRY(dn_rdn_begin_attribute(&rdn, out));
        TRY(dn_put_type(out, slice_of(CBS_data(&type), CBS_len(&type))));
        TRY(dn_put_element(out, slice_of(CBS_data(&attribute), CBS_len(&attribute))));
    }
    dn_rdn_end(&rdn, out);
    return ERR_OK;
}

enum err dn_from_der(struct slice der, struct dn *out)
{
    out->len = 0;
    CBS cbs;
    CBS name;
    CBS_init(&cbs, der.data, der.len);
    if (!CBS_get_asn1(&cbs, &name, CBS_ASN1_SEQUENCE) || CBS_len(&cbs) != 0)
        return ERR_INPUT;
    while (CBS_len(&name) > 0) {
        CBS set;
        if (!CBS_get_asn1(&name, &set, CBS_ASN1_SET))
            return ERR_INPUT;
        TRY(rdn_from_der(&set, out));
    }
    return ERR_OK;
}

bool dn_equal(const struct dn *a, const struct dn *b)
{
    return slice_equal(dn_slice(a), dn_slice(b));
}

static struct slice oid_of(enum dn_type type)
{
    static const char oids[][3] = {[DN_COMMON_NAME] = {0x55, 0x04, 0x03},
                                   [DN_ORGANIZATION] = {0x55, 0x04, 0x0A},
                                   [DN_ORGANIZATIONAL_UNIT] = {0x55, 0x04, 0x0B}};
    return slice_of(oids[type], sizeof oids[type]);
}

// next_attribute takes the next attribute; `*out_is_new_rdn` tells whether it is the first of its RDN.
static bool next_attribute(struct slice *rest, struct slice *rdn, bool *out_is_new_rdn,
                           struct dn_attribute *out)
{
    *out_is_new_rdn = rdn->len == 0; // an RDN is never empty
    if (rdn->len == 0 && rest->len == 0)
        return false;
    if (rdn->len == 0)
        *rdn = dn_take_rdn(rest);
    *out = dn_take_attribute(rdn);
    return true;
}

// next_but_common_name gives the next attribute that is no CN. `*out_is_new_rdn` tells whether it
// stands in another RDN than the one before, so that `O=a+OU=b` and `O=a,OU=b` stay different.
static bool next_but_common_name(struct slice *rest, struct slice *rdn, bool *out_is_new_rdn,
                                 struct dn_attribute *out)
{
    bool is_first = false;
    *out_is_new_rdn = false;
    while (next_attribute(rest, rdn, &is_first, out)) {
        *out_is_new_rdn |= is_first;
        if (!slice_equal(out->type, oid_of(DN_COMMON_NAME)))
            return true;
    }
    return false;
}

bool dn_equal_but_common_name(const struct dn *a, const struct dn *b)
{
    struct slice a_rest = dn_slice(a);
    struct slice b_rest = dn_slice(b);
    struct slice a_rdn = {0};
    struct slice b_rdn = {0};
    size_t count = 0;
    for (;;) {
        struct dn_attribute a_next;
        struct dn_attribute b_next;
        bool a_is_new = false;
        bool b_is_new = false;
        const bool has_a = next_but_common_name(&a_rest, &a_rdn, &a_is_new, &a_next);
        const bool has_b = next_but_common_name(&b_rest, &b_rdn, &b_is_new, &b_next);
        if (!has_a || !has_b)
            return has_a == has_b && count > 0;
        if (a_is_new != b_is_new || a_next.kind != b_next.kind ||
            !slice_equal(a_next.type, b_next.type) || !slice_equal(a_next.value, b_next.value))
            return false;
        count++;
    }
}

struct dn_values dn_values_of(const struct dn *dn, enum dn_type type)
{
    return (struct dn_values){.type = type, .rest = dn_slice(dn)};
}

bool dn_values_next(struct dn_values *values, struct slice *out)
{
    struct dn_attribute attribute;
    bool is_new_rdn = false;
    while (next_attribute(&values->rest, &values->rdn, &is_new_rdn, &attribute)) {
        if (!slice_equal(attribute.type, oid_of(values->type)))
            continue;
        *out = attribute.kind == DN_VALUE_TEXT ? attribute.value : (struct slice){0};
        return true;
    }
    return false;
}

struct slice dn_bytes_only_value(struct slice bytes, enum dn_type type)
{
    struct dn_values values = {.type = type, .rest = bytes};
    struct slice first = {0};
    struct slice second = {0};
    const bool has_one = dn_values_next(&values, &first);
    return has_one && !dn_values_next(&values, &second) ? first : (struct slice){0};
}

struct slice dn_only_value(const struct dn *dn, enum dn_type type)
{
    return dn_bytes_only_value(dn_slice(dn), type);
}

struct slice dn_common_name(const struct dn *dn)
{
    return dn_only_value(dn, DN_COMMON_NAME);
}
