// ocsp_signer: who has signed an OCSP answer, and whether they may (RFC 6960 4.2.2.2). Private to auth.
#pragma once

#include <openssl/bytestring.h>

#include "auth/crl_signature.h"
#include "auth/ocsp_answer.h"
#include "auth/ocsp_request.h"

// ocsp_signed is the signed part of an answer, taken apart. All cursors are into the answer.
struct ocsp_signed {
    CBS data;         // the element ResponseData, as it was signed
    CBS algorithm;    // the element AlgorithmIdentifier
    CBS signature;    // the element BIT STRING
    CBS certificates; // what is in the list of certificates; may be empty
    CBS responder; // the element: the responder's Name, or an OCTET STRING with the SHA-1 of its key
    bool is_by_name;
};

// ocsp_signer_judge tells whether the issuer of `subject`, or a delegate of it, has signed. OCSP_FAULT_NONE, or why that is
// not so. `*out_until_s` is when the delegate's certificate ends, INT64_MAX for the issuer itself; `*out` is that certificate.
enum ocsp_fault ocsp_signer_judge(const struct ocsp_signed *answer,
                                  const struct ocsp_subject *subject, int64_t now_s,
                                  int64_t *out_until_s, struct ocsp_delegate *out);
