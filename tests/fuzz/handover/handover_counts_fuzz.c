// Fuzzes handover_counts_next: what is accepted is the text again when it is written, line by line.
#include "proxy/handover/handover_counts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice left = slice_of(data, size);
    struct handover_count count;
    while (true) {
        char again[HANDOVER_ACCOUNT_MAX + 64];
        struct text text;
        const struct slice before = left;
        if (handover_counts_next(&left, &count) != ERR_OK)
            return 0;
        text_init(&text, again, sizeof again);
        handover_counts_add(&text, &count);
        ASSERT(slice_equal(text_slice(&text), slice_first(before, before.len - left.len)));
    }
}
