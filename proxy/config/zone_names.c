// Part for part of the name: one that is there as it is, otherwise the nearest one of its folder. Bounded: a folder has as many
// names as count, and a name as many parts.
#include "proxy/config/zone_names.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "auth/base/text.h"
#include "proxy/config/file.h"
#include "proxy/config/spelling.h"

enum { PARTS_MAX = 3, NAMES_MAX = 1024, PATH_CAP = 256 };

// take_nearest keeps the nearest name of a folder; "" where none is near.
static void take_nearest(const char *folder, struct slice part, char out[SPELLING_MAX_LEN + 1])
{
    DIR *names = opendir(folder);
    const struct dirent *entry = names == NULL ? NULL : readdir(names);
    out[0] = '\0';
    for (size_t i = 0; i < NAMES_MAX && entry != NULL; i++, entry = readdir(names)) {
        const char *const both[] = {out, entry->d_name};
        const size_t first = out[0] == '\0' ? 1 : 0; // of those that are compared
        if (entry->d_name[0] != '.' && spelling_nearest(part, both + first, 2 - first) == 1 - first)
            (void)string_copy(out, SPELLING_MAX_LEN + 1, slice_of_string(entry->d_name));
    }
    if (names != NULL)
        (void)closedir(names);
}

// find_near writes the path of the nearest name.
static bool find_near(struct slice name, char out[PATH_CAP])
{
    struct text path;
    char near[SPELLING_MAX_LEN + 1];
    text_init(&path, out, PATH_CAP);
    text_append_string(&path, ZONE_FOLDER);
    for (size_t i = 0; i < PARTS_MAX && name.len > 0; i++) {
        const size_t len = slice_find(name, '/');
        take_nearest(out, slice_first(name, len), near);
        if (near[0] == '\0')
            return false;
        text_append_format(&path, "%s%s", near, len < name.len ? "/" : "");
        name = slice_from(name, len < name.len ? len + 1 : len);
    }
    return name.len == 0 && !path.is_cut && file_is_there(out) && !file_is_folder(out);
}

const char *zone_hint(const char *name, char out[ZONE_HINT_CAP])
{
    char path[PATH_CAP];
    struct text hint;
    text_init(&hint, out, ZONE_HINT_CAP);
    if (find_near(slice_of_string(name), path))
        text_append_format(&hint, "did you mean `%s`?", path + sizeof ZONE_FOLDER - 1);
    else
        text_append_string(
            &hint,
            "look there for its name, such as Europe/Zurich; without the folder, install the "
            "package tzdata");
    return out;
}
