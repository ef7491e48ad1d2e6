// Fuzzes the end of a record: what is read is what would be written; and the search for the last line of a log.
#include "auth/base/err.h"
#include "proxy/chain/seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seal seal;
    const struct slice bytes = slice_of(data, size);
    if (seal_parse(bytes, &seal)) {
        char again_data[SEAL_CAP];
        struct text again;
        text_init(&again, again_data, sizeof again_data);
        seal_append(&seal, &again);
        ASSERT(slice_ends_with(bytes, slice_first(text_slice(&again), again.len - 1)));
    }
    for (int i = 0; i < 2; i++) {
        const struct seal_link link = seal_link_find(bytes, i == 1);
        ASSERT(link.kind == SEAL_LINK_RECORD || (link.instance == 0 && link.seq == 0));
    }
    return 0;
}
