// ocsp_response: the answer of an OCSP responder (RFC 6960 4.2), read and judged. Private to auth and those who ask.
//
// The procedure:
//   1. Parse: an OCSPResponse in DER of at most OCSP_RESPONSE_MAX bytes, nothing after it. One that is not `successful` says
//      why; nobody has signed that, so it is no answer.
//   2. Read everything that is signed: version 1, who the responder says that it is, when, and each SingleResponse. An
//      extension that is critical and not understood makes it no answer; the archive cutoff is left aside.
//   3. Take the SingleResponses about this certificate: hashes of the issuer's name and key, by SHA-1 or SHA-256, -384, -512,
//      and the serial. Of several the worst counts.
//   4. Verify: the issuer itself has signed, or somebody to whom it has given a certificate for that (RFC 6960
//      4.2.2.2): signed directly by the issuer's key, with the extended key usage OCSPSigning, valid today, of an
//      algorithm and key that are strong enough. Whether that certificate was revoked the caller asks of the lists that it
//      has (trust_denies_delegate), with or without id-pkix-ocsp-nocheck.
//   5. Times: thisUpdate and producedAt not in the future by more than OCSP_SKEW_S, nextUpdate not over. An answer without
//      nextUpdate is good for OCSP_UNDATED_LIFE_S after thisUpdate, and no answer for longer than the delegate's certificate.
//   6. Nonce: where one was sent the answer must have the same.
// Pure: bytes and the time in, a value out.
#pragma once

#include "auth/ocsp_answer.h"
#include "auth/ocsp_request.h"

// ocsp_response_judge reads the answer `der` to the question about `subject` at `now_s`. `nonce` is that of the question,
// empty: it had none. OCSP_FAULT_NONE and `*out`, or why it is no answer; `*out` is then zeroed. Costs at most
// 2 x OCSP_MAX_DELEGATES verifications, of answers that name a signer which has that many certificates.
enum ocsp_fault ocsp_response_judge(struct slice der, const struct ocsp_subject *subject,
                                    struct slice nonce, int64_t now_s, struct ocsp_answer *out);
