// trust_internal: what the two halves of a trust profile share: trust.c (certificates, the verdict)
// and trust_revocation.c (lists, denied certificates, judged again). Private to auth.
#pragma once

#include "auth/ca_set.h"
#include "auth/crl_wishes.h"
#include "auth/revocation.h"
#include "auth/trust.h"

struct trust {
    char *name;                   // owned
    char *trust_domain;           // owned; NULL: SPIFFE IDs may be of any
    char *domain_detail;          // owned; the sentence of wrong_trust_domain; NULL likewise
    struct trust_options options; // its name and trust domain are those above
    struct ca_set *cas;           // ref; shared with revisions
    STACK_OF(X509) *anchors;   // owned; those valid at finished_s; the certificates are the set's
    STACK_OF(X509) *left_out;  // owned; the anchors that were not; likewise
    STACK_OF(X509) *dropped;   // owned; the anchors that were taken away since; likewise
    uint8_t *understood;       // owned; see trust_understand
    size_t understood_len;     // bytes
    struct crl_wishes *wishes; // ref; shared with revisions; NULL: none
    struct revocation revocation;
    struct ocsp_settings *ocsp; // ref; NULL: nobody is asked
    int64_t finished_s;         // Unix seconds; known once finished
    bool is_finished;
};

// trust_has_dropped tells whether this anchor was taken away by trust_drop_absent.
bool trust_has_dropped(const struct trust *trust, const struct ca_entry *entry);
