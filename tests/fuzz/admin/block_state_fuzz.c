// Fuzzes block_state_parse: a list comes of it, or a sentence, and in a list nothing stands twice.
#include "auth/base/err.h"
#include "proxy/admin/block_state.h"

enum { INPUT_MAX = 64 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct block_state state;
    struct errinfo info = {0};
    const struct slice input = slice_first(slice_of(data, size), INPUT_MAX);
    if (block_state_parse(input, "state", &state, &info) != ERR_OK) {
        ASSERT(state.words == NULL && info.text[0] != '\0');
        return 0;
    }
    for (size_t i = 0; i < fleet_blocks_count(state.words); i++) {
        const struct fleet_word *word = fleet_blocks_at(state.words, i);
        ASSERT(fleet_blocks_find(state.words, word->block.text) == word);
        ASSERT(word->block.since_s >= 0);
    }
    block_state_deinit(&state);
    return 0;
}
