// sources: files in memory for an import.
#pragma once

#include "proxy/import/imported.h"
#include "proxy/import/sources.h"

struct memory_file {
    const char *path;
    const char *text;
};

enum { MEMORY_FILES = 4 };

// memory_sources reads from `files`, which end with one without a path.
struct import_sources memory_sources(const struct memory_file *files);

// imported_text writes an imported configuration, and notes_text the notes, as one text that the caller frees.
char *imported_text(const struct imported *imported);
char *notes_text(const struct import_notes *notes);
