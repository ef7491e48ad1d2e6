// Fuzzes signable_by_tls: what is accepted is no certificate, and not what another protocol would sign.
#include "auth/base/err.h"
#include "proxy/keys/signable.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct slice message = slice_of(data, size);
    if (!signable_by_tls(message))
        return 0;
    ASSERT(size >= 12);
    ASSERT(data[0] == ' ' || data[0] == 1 || size <= 64 + 4 + 255);
    return 0;
}
