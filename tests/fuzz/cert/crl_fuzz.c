// Fuzzes revocation lists in DER: read, described, asked. The signature is checked last, so that
// everything before it sees every input.
#include <openssl/err.h>

#include "auth/crl.h"
#include "auth/trust.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NOW_S = 1800000000 };

// The CA of the seeds. Its key is gone.
static const char ANCHOR[] = "-----BEGIN CERTIFICATE-----\n"
                             "MIIBbzCCARWgAwIBAgIBATAKBggqhkjOPQQDAjAeMQ0wCwYDVQQKDARGdXp6MQ0w\n"
                             "CwYDVQQDDARSb290MCAXDTI2MDEwMTAwMDAwMFoYDzIxMjYwMTAxMDAwMDAwWjAe\n"
                             "MQ0wCwYDVQQKDARGdXp6MQ0wCwYDVQQDDARSb290MFkwEwYHKoZIzj0CAQYIKoZI\n"
                             "zj0DAQcDQgAEqWx6SCub0riUUMmB9fArG+eQEzYriw/U++OLBC+T3f2G63cge4nu\n"
                             "XdRKfHPgaqE6TYrnmt5o66Ye+3Q4w40E5qNCMEAwDwYDVR0TAQH/BAUwAwEB/zAO\n"
                             "BgNVHQ8BAf8EBAMCAQYwHQYDVR0OBBYEFDHoAs9AMmk5AvkMEx39rCZugbvLMAoG\n"
                             "CCqGSM49BAMCA0gAMEUCIDdL2TZWKrQkHVtK7WbfjrSZn7yWv2XeD5GT5VGvGt3k\n"
                             "AiEA8dEjNpc6yOdTkmO1EkA009Yfg+Z817bDUbJ/moDp+eM=\n"
                             "-----END CERTIFICATE-----\n";

static void check_crl(const struct crl *crl, struct slice input)
{
    char buffer[64];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    crl_format_number(crl, &text);
    ASSERT(!text.is_cut && text.len > 0);
    ASSERT(crl->this_update_s <= crl->next_update_s);
    ASSERT(crl->covers_cas || crl->covers_leaves);
    ASSERT(!crl_is_older(crl, crl) && !crl_has_lower_number(crl, crl));
    // An entry takes at least 20 bytes of the input, and at most 32 of the index.
    ASSERT(crl->count <= input.len / 20);
    ASSERT(crl_has_same_points(crl, crl) && crl_compare_scope(crl, crl) == 0);
    ASSERT(crl_verify(crl, input) != VERIFICATION_UNKNOWN);
    for (size_t len = 0; len <= CRL_SERIAL_MAX; len++)
        (void)crl_has_serial(crl, slice_first(input, len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct trust_options options = {.name = "fuzz", .max_depth = TRUST_DEFAULT_MAX_DEPTH};
    const struct crl_signers nobody = {.count = 0};
    const struct slice input = slice_of(data, size);
    struct errinfo info;
    struct trust *trust = NULL;
    struct crl *crl = NULL;
    if (crl_create(input, &nobody, &crl, &info) == ERR_OK)
        check_crl(crl, input);
    crl_unref(crl);
    if (trust_create(&options, &trust) != ERR_OK)
        return 0;
    ASSERT(trust_add_ca(trust, SLICE_LITERAL(ANCHOR), &info) == ERR_OK);
    const enum err error = trust_add_crl(trust, input, &info);
    ASSERT(error != ERR_OK || trust_crl_count(trust) >= 1);
    (void)(trust_finish(trust, NOW_S, &info) == ERR_OK);
    ASSERT(ERR_peek_error() == 0);
    trust_destroy(trust);
    return 0;
}
