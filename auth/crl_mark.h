// crl_mark: a few bytes that remember who has signed a revocation list that is kept, so that after a restart, before a client has
// sent that CA along, a list of another CA does not take its place (crl_kept).
//
// Pure. It counts for exactly one list: 32 bytes SHA-256 of the list, 32 bytes cert_id_of_authority of the signer.
#pragma once

#include "auth/base/slice.h"
#include "auth/cert_id.h"

enum { CRL_MARK_LEN = 2 * CERT_DIGEST_LEN };

// crl_mark_make makes the mark of a list.
void crl_mark_make(struct slice list, const uint8_t signer[CERT_DIGEST_LEN],
                   uint8_t out[CRL_MARK_LEN]);

// crl_mark_signer gives the signer in `mark`, borrowed from it; NULL: it is no mark of `list`.
const uint8_t *crl_mark_signer(struct slice mark, struct slice list);
