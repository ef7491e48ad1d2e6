// Fuzzes section_text_find: what it finds are whole lines of the text, and each line taken off it leaves fewer.
#include "auth/base/err.h"
#include "proxy/config/section_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct slice text = slice_of(data, size);
    struct slice found = section_text_find(text, "control");
    if (found.len == 0)
        return 0;
    ASSERT(slice_starts_with(found, SLICE_LITERAL("control:")));
    ASSERT(found.data >= data && found.data + found.len <= data + size);
    ASSERT(found.data == data || found.data[-1] == '\n');
    while (found.len > 0) {
        const struct slice shorter = section_text_shorten(found);
        ASSERT(shorter.len < found.len &&
               (shorter.len == 0 || shorter.data[shorter.len - 1] == '\n'));
        found = shorter;
    }
    return 0;
}
