// A pattern fits the paths that begin like it, up to its `*`.
#include "tests/unit/import/sources.h"

#include <stdlib.h>

enum { TEXT_CAP = 256 * 1024 };

static enum err read_memory(void *arg, const char *path, struct slice *out, struct errinfo *info)
{
    for (const struct memory_file *file = arg; file->path != NULL; file++) {
        if (strcmp(file->path, path) == 0) {
            *out = slice_of_string(file->text);
            return ERR_OK;
        }
    }
    return errinfo_set(info, ERR_SYSTEM, "cannot open %s", path);
}

static enum err match_memory(void *arg, const char *pattern, size_t index, const char **out,
                             struct errinfo *info)
{
    const struct slice all = slice_of_string(pattern);
    const struct slice front = slice_first(all, slice_find(all, '*'));
    (void)info;
    for (const struct memory_file *file = arg; file->path != NULL; file++) {
        if (slice_starts_with(slice_of_string(file->path), front) && index-- == 0) {
            *out = file->path;
            return ERR_OK;
        }
    }
    return ERR_EOF;
}

struct import_sources memory_sources(const struct memory_file *files)
{
    return (struct import_sources){
        .read = read_memory, .match = match_memory, .arg = (void *)(uintptr_t)files};
}

char *imported_text(const struct imported *imported)
{
    struct text text;
    char *data = malloc(TEXT_CAP);
    ASSERT(data != NULL);
    text_init(&text, data, TEXT_CAP);
    imported_format(imported, &text);
    ASSERT(!text.is_cut);
    return data;
}

char *notes_text(const struct import_notes *notes)
{
    struct text text;
    char *data = malloc(TEXT_CAP);
    ASSERT(data != NULL);
    text_init(&text, data, TEXT_CAP);
    for (const struct import_note *note = notes->first; note != NULL; note = note->next)
        text_append_format(
            &text, "%s:%u: %s%s%s%s\n", note->place.file == NULL ? "" : note->place.file,
            (unsigned)note->place.line, note->weight == IMPORT_REMARK ? "note: " : "",
            note->whom == NULL ? "" : note->whom, note->whom == NULL ? "" : ": ", note->text);
    return data;
}
