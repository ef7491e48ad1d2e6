// Fuzzes included_record_parse: what is accepted is bounded and in order, and written again it is the same bytes.
#include <stdlib.h>
#include <string.h>

#include "proxy/config/included_record.h"

enum { INPUT_MAX = 65536 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void compare(void *arg, struct slice bytes)
{
    struct slice *rest = arg;
    ASSERT(slice_starts_with(*rest, bytes));
    *rest = slice_from(*rest, bytes.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_first(slice_of(data, size), INPUT_MAX);
    struct arena *arena = arena_create();
    struct included_parts parts;
    if (arena != NULL && included_record_parse(input, arena, &parts) == ERR_OK) {
        ASSERT(parts.count <= INCLUDED_RECORD_FILES_MAX);
        for (size_t i = 0; i < parts.count; i++)
            ASSERT(parts.items[i].holdings.len > 0 && parts.items[i].path[0] != '\0');
        included_record_format(&parts, compare, &input);
        ASSERT(input.len == 0);
    } else if (arena != NULL) {
        ASSERT(parts.count == 0);
    }
    arena_destroy(arena);
    return 0;
}
