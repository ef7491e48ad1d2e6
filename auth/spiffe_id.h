// spiffe_id: SPIFFE IDs and the trust domain in them (SPIFFE-ID 2, X509-SVID 2 and 5.2). Pure; knows no profile.
#pragma once

#include "auth/identity.h"

enum {
    SPIFFE_DOMAIN_MAX = 255, // bytes (SPIFFE-ID 2.1)
    SPIFFE_ID_MAX = 2048,    // bytes (SPIFFE-ID 2.3)
};

// spiffe_domain_is_valid tells whether `domain` is the name of a trust domain: [a-z0-9._-]{1,255}.
bool spiffe_domain_is_valid(struct slice domain);

// spiffe_id_parse reads the SPIFFE ID of a workload: `spiffe://`, a trust domain, and a path of at least one segment. A
// segment is [A-Za-z0-9._-]+, but not `.` or `..`. `*out_domain` is borrowed from `uri`; it is
// what stands in the place of a trust domain, also where the rest is bad. False: `uri` is no such ID.
bool spiffe_id_parse(struct slice uri, struct slice *out_domain);

// spiffe_names_fit_domain tells whether a certificate with the names of `identity` may be issued by the CAs of `domain`:
// it has no SPIFFE ID, or exactly one URI, which is a SPIFFE ID of this domain. Each URI with the scheme `spiffe`, in any
// case, counts as a SPIFFE ID, well-formed or not.
bool spiffe_names_fit_domain(const struct identity *identity, struct slice domain);
