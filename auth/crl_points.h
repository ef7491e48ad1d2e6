// crl_points: the distribution points (RFC 5280 4.2.1.13, 5.2.5) that a certificate or a revocation list
// names, by their URIs. Private to auth.
//
// URIs are compared bytewise and kept as digests. Every other kind of name, and a point for some reasons
// or with another issuer, fits nothing.
#pragma once

#include <openssl/bytestring.h>
#include <openssl/x509.h>
#include <stdbool.h>

#include "auth/base/slice.h"

enum { CRL_POINTS_MAX = 16, CRL_POINT_LEN = 32 };

struct crl_point {
    uint8_t digest[CRL_POINT_LEN];
};

struct crl_points {
    bool is_there; // something is named, whether a URI or not
    bool is_cut;   // there are more than CRL_POINTS_MAX; none of them counts then
    size_t count;
    struct crl_point points[CRL_POINTS_MAX]; // sorted, each once
};

// crl_points_add_name adds the URIs of one DistributionPointName. `false` when it is malformed.
bool crl_points_add_name(CBS name, struct crl_points *out);

// crl_points_read takes those of a certificate. What is malformed is there, and fits nothing.
void crl_points_read(const X509 *cert, struct crl_points *out);

// crl_points_visit gives each URI that crl_points_read would take, as it stands in the certificate, borrowed from it; none where
// the extension is malformed, or names more than CRL_POINTS_MAX.
void crl_points_visit(const X509 *cert, void (*take)(void *arg, struct slice uri), void *arg);

// crl_points_have_common tells whether two sorted runs of points have one in common.
bool crl_points_have_common(const struct crl_point *a, size_t a_count, const struct crl_point *b,
                            size_t b_count);
