// Fuzzes block_state_parse: a list comes of it, or a sentence, and in a list nothing stands twice.
#include "auth/base/err.h"
#include "proxy/admin/block_state.h"

enum { INPUT_MAX = 64 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct blocklist *list = NULL;
    struct errinfo info;
    const struct slice input = slice_first(slice_of(data, size), INPUT_MAX);
    if (block_state_parse(input, "state", &list, &info) != ERR_OK) {
        ASSERT(list == NULL && info.text[0] != '\0');
        return 0;
    }
    ASSERT(list != NULL);
    for (size_t i = 0; i < blocklist_count(list); i++) {
        const struct block *block = blocklist_at(list, i);
        ASSERT(blocklist_find(list, block) == block);
        ASSERT(block->since_s >= 0);
    }
    blocklist_unref(list);
    return 0;
}
