// crl_answers: which key has signed which waiting list, remembered so that each is verified about once.
// Private to auth.
//
// Bounded: a new answer takes the place of an old one, which is then found out again. Any thread; nobody
// waits: who finds a part of the table in use does without it, and verifies once more.
#pragma once

#include <stdbool.h>

#include "auth/crl.h"

enum { CRL_ANSWERS_SETS = 256, CRL_ANSWERS_WAYS = 4 };

struct crl_answers;

// crl_answers_create makes an empty table. NULL without memory.
struct crl_answers *crl_answers_create(void) MUST_USE;

// crl_answers_destroy frees it. NULL is allowed.
void crl_answers_destroy(struct crl_answers *answers);

// crl_answers_find tells whether it is known, and then in `*out` whether that issuer has signed `crl`.
bool crl_answers_find(struct crl_answers *answers, const struct crl *crl,
                      const uint8_t authority[CERT_DIGEST_LEN], bool *out);

// crl_answers_add remembers an answer. `crl` is only compared, and must outlive the table.
void crl_answers_add(struct crl_answers *answers, const struct crl *crl,
                     const uint8_t authority[CERT_DIGEST_LEN], bool is_signed);
