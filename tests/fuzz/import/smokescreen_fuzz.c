// Any bytes as a configuration of Smokescreen and its ACL. What is read becomes clients that our own reader takes.
#include "proxy/import/smokescreen.h"
#include "tests/fuzz/import/written.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_of(data, size);
    const struct import_sources sources = {.read = read_part, .match = match_part, .arg = &input};
    const struct smokescreen_options options = {.is_role_ou = size % 2 == 0};
    struct import_notes notes = {.arena = arena_create()};
    struct imported imported = {0};
    struct errinfo info = {.text = ""};
    ASSERT(notes.arena != NULL);
    if (size <= INPUT_MAX) {
        if (smokescreen_import("0", &options, &sources, &notes, &imported, &info) == ERR_OK)
            check_written(&imported);
        else
            ASSERT(info.text[0] != '\0');
    }
    arena_destroy(notes.arena);
    return 0;
}
