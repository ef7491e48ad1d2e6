// Distribution points, read byte by byte: types of names cannot be mixed up.
#include "auth/crl_points.h"

#include <openssl/nid.h>
#include <openssl/sha.h>
#include <string.h>

#include "auth/cert_id.h"

enum { TAG_FULL_NAME = 0, TAG_RELATIVE_NAME = 1, TAG_URI = 6 };
#define TAGGED_LIST(number)                                                                        \
    ((CBS_ASN1_TAG)(CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | (number)))

// add_uri puts one into its place.
static void add_uri(void *arg, struct slice uri)
{
    struct crl_points *out = arg;
    struct crl_point point;
    size_t at = 0;
    SHA256(uri.data, uri.len, point.digest);
    while (at < out->count && memcmp(out->points[at].digest, point.digest, CRL_POINT_LEN) < 0)
        at++;
    if (at < out->count && memcmp(out->points[at].digest, point.digest, CRL_POINT_LEN) == 0)
        return;
    if (out->count == CRL_POINTS_MAX) {
        out->is_cut = true;
        return;
    }
    for (size_t i = out->count++; i > at; i--)
        out->points[i] = out->points[i - 1];
    out->points[at] = point;
}

// visitor is who gets the URIs.
struct visitor {
    void (*take)(void *arg, struct slice uri);
    void *arg; // borrowed
};

// read_name reads one DistributionPointName.
static bool read_name(CBS name, const struct visitor *visitor)
{
    CBS names;
    CBS value;
    CBS_ASN1_TAG tag = 0;
    if (!CBS_get_any_asn1(&name, &names, &tag) || CBS_len(&name) != 0)
        return false;
    if (tag == TAGGED_LIST(TAG_RELATIVE_NAME))
        return true;
    if (tag != TAGGED_LIST(TAG_FULL_NAME) || CBS_len(&names) == 0)
        return false;
    while (CBS_len(&names) > 0) {
        if (!CBS_get_any_asn1(&names, &value, &tag))
            return false;
        if (tag == (CBS_ASN1_CONTEXT_SPECIFIC | TAG_URI))
            visitor->take(visitor->arg, slice_of(CBS_data(&value), CBS_len(&value)));
    }
    return true;
}

bool crl_points_add_name(CBS name, struct crl_points *out)
{
    const struct visitor visitor = {.take = add_uri, .arg = out};
    out->is_there = true;
    return read_name(name, &visitor);
}

// read_point reads one DistributionPoint.
static bool read_point(CBS point, const struct visitor *visitor)
{
    CBS name;
    CBS ignored;
    int has_name = 0;
    int has_reasons = 0;
    int has_issuer = 0;
    if (!CBS_get_optional_asn1(&point, &name, &has_name, TAGGED_LIST(0)) ||
        !CBS_get_optional_asn1(&point, &ignored, &has_reasons, CBS_ASN1_CONTEXT_SPECIFIC | 1) ||
        !CBS_get_optional_asn1(&point, &ignored, &has_issuer, TAGGED_LIST(2)) ||
        CBS_len(&point) != 0)
        return false;
    if (!has_name || has_reasons || has_issuer)
        return true;
    return read_name(name, visitor);
}

static bool read_points(CBS cbs, const struct visitor *visitor)
{
    CBS list;
    CBS point;
    if (!CBS_get_asn1(&cbs, &list, CBS_ASN1_SEQUENCE) || CBS_len(&cbs) != 0)
        return false;
    while (CBS_len(&list) > 0) {
        if (!CBS_get_asn1(&list, &point, CBS_ASN1_SEQUENCE) || !read_point(point, visitor))
            return false;
    }
    return true;
}

void crl_points_read(const X509 *cert, struct crl_points *out)
{
    *out = (struct crl_points){.is_there = false};
    const int index = X509_get_ext_by_NID(cert, NID_crl_distribution_points, -1);
    if (index < 0)
        return;
    const struct visitor visitor = {.take = add_uri, .arg = out};
    out->is_there = true;
    if (!read_points(cert_extension_value(cert, index), &visitor) || out->is_cut)
        out->count = 0;
}

void crl_points_visit(const X509 *cert, void (*take)(void *arg, struct slice uri), void *arg)
{
    const struct visitor visitor = {.take = take, .arg = arg};
    struct crl_points points;
    crl_points_read(cert, &points);
    const int index = X509_get_ext_by_NID(cert, NID_crl_distribution_points, -1);
    if (points.count > 0) // it is well formed
        (void)read_points(cert_extension_value(cert, index), &visitor);
}

bool crl_points_have_common(const struct crl_point *a, size_t a_count, const struct crl_point *b,
                            size_t b_count)
{
    size_t i = 0;
    size_t k = 0;
    while (i < a_count && k < b_count) {
        const int order = memcmp(a[i].digest, b[k].digest, CRL_POINT_LEN);
        if (order == 0)
            return true;
        i += order < 0;
        k += order > 0;
    }
    return false;
}
