// Fuzzes SPIFFE bundles: what is read is a certificate of at most the input's size, and a profile takes it or says why not.
#include <openssl/err.h>

#include "auth/spiffe_bundle.h"
#include "auth/trust.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum err count_block(void *arg, const char *kind, struct slice der, size_t number,
                            struct errinfo *info)
{
    size_t *left = arg;
    (void)info;
    ASSERT(slice_equal(slice_of_string(kind), SLICE_LITERAL("CERTIFICATE")) && number == 1);
    ASSERT(der.len <= *left); // base64 is longer than what it stands for
    *left -= der.len;
    return ERR_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct trust_options options = {.name = "fuzz", .max_depth = TRUST_DEFAULT_MAX_DEPTH};
    const struct slice input = slice_of(data, size);
    struct errinfo info = {.text = ""};
    struct trust *trust = NULL;
    size_t left = size;
    size_t count = 0;
    enum err error = spiffe_bundle_read(input, count_block, &left, &count, &info);
    ASSERT((error == ERR_OK) == (info.text[0] == '\0'));
    ASSERT(error != ERR_OK || (count > 0 && count <= SPIFFE_BUNDLE_MAX_KEYS));
    if (trust_create(&options, &trust) != ERR_OK)
        return 0;
    error = trust_add_ca(trust, input, &info);
    ASSERT(error != ERR_OK || trust_certificate_count(trust) > 0);
    ASSERT(ERR_peek_error() == 0);
    trust_destroy(trust);
    return 0;
}
