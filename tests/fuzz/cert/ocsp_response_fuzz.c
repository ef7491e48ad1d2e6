// Fuzzes OCSP answers. The signature is checked last, so that everything before it sees every input.
#include <openssl/err.h>

#include "auth/ocsp_response.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NOW_S = 1800000000 };

// Of the CA of the seeds, whose key is gone, and of the certificate that the seeds are about.
static const char ISSUER_NAME[] =
    "\x30\x1e\x31\x0d\x30\x0b\x06\x03\x55\x04\x0a\x0c\x04\x46\x75\x7a\x7a\x31\x0d\x30\x0b\x06"
    "\x03\x55\x04\x03\x0c\x04\x52\x6f\x6f\x74";
static const char ISSUER_KEY[] =
    "\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01"
    "\x07\x03\x42\x00\x04\x83\xa8\x22\x01\xe9\x83\xcf\xe2\x21\x30\xd2\x76\xed\xef\x32\xb3\xfe"
    "\xfe\x8a\x4a\x55\xa7\x9d\xa6\x9c\xef\x8b\xec\xf8\x7a\x36\x4a\x04\xe2\x52\xed\xc7\xc2\xc0"
    "\xe7\xa2\xb7\x63\xf5\x53\xcd\x22\xd2\xab\xbd\x8e\xa7\x6a\x6d\xba\x5e\x9e\xf0\xfe\xae\x8e"
    "\x41\xad\xa2";
static const char SERIAL[] = "\x12\x67";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct ocsp_subject subject = {.issuer_name = SLICE_LITERAL(ISSUER_NAME),
                                         .issuer_key = SLICE_LITERAL(ISSUER_KEY),
                                         .serial = SLICE_LITERAL(SERIAL)};
    struct ocsp_answer answer;
    const enum ocsp_fault fault =
        ocsp_response_judge(slice_of(data, size), &subject, (struct slice){0}, NOW_S, &answer);
    ASSERT(fault < OCSP_FAULT_COUNT);
    ASSERT(fault != OCSP_FAULT_NONE ||
           (answer.this_update_s <= NOW_S + OCSP_SKEW_S && answer.next_update_s >= NOW_S));
    ASSERT(fault == OCSP_FAULT_NONE || answer.next_update_s == 0);
    ASSERT(ERR_peek_error() == 0);
    return 0;
}
