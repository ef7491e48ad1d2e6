// A rule is for the folder of a file, but where that holds much else.
#include "proxy/cage/opening.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "auth/base/slice.h"
#include "proxy/cage/wide.h"

void opening_allow(struct opening *opening, const char *path, bool is_written)
{
    // What is not there cannot be read, which is said elsewhere; what is no file of a file system needs no rule.
    if (!ruleset_allow(opening->ruleset, path, is_written ? RULESET_WRITE : RULESET_READ) &&
        errno == ENOMEM)
        opening->has_no_memory = true;
    else if (is_written && opening->on_written != NULL)
        opening->on_written(opening->arg, path);
}

// allow_link allows the folder of a link: who changes one has it lead to something beside it.
static void allow_link(struct opening *opening, const char *path)
{
    char folder[PATH_MAX];
    if (place_is_link(path) && place_folder(path, folder) && !wide_folder(folder))
        opening_allow(opening, folder, false);
}

// allow_links allows the folders of links on the way to a path, and of one that it is itself.
static void allow_links(struct opening *opening, const char *path)
{
    char part[PATH_MAX];
    for (const char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        if (string_copy(part, sizeof part, slice_of(path, (size_t)(slash - path))))
            allow_link(opening, part);
    }
    allow_link(opening, path);
}

// allow_file allows the folders of a file: of its name, and of the file that a link leads to.
static void allow_file(struct opening *opening, const struct place *place)
{
    char whole[PATH_MAX];
    char folder[PATH_MAX];
    if (place_folder(place->path, folder) &&
        (!wide_folder(folder) || place_opens_wide(place, folder)))
        opening_allow(opening, folder, place->is_written);
    if (realpath(place->path, whole) == NULL)
        return;
    if (place_folder(whole, folder) && !wide_folder(folder))
        opening_allow(opening, folder, place->is_written);
    else
        opening_allow(opening, whole, place->is_written);
}

void opening_allow_place(void *arg, const struct place *place)
{
    struct opening *opening = arg;
    char whole[PATH_MAX];
    if (!place->is_written && place->path[0] != '\0')
        allow_links(opening, place->path);
    if (place_is_stream(place->path)) {
        // Beside a device, such as /dev/full, are others. It may have no path but the one that leads there.
        opening_allow(opening, place->path, place->is_written);
    } else if (!place->is_folder && !place_is_folder(place->path)) {
        allow_file(opening, place);
    } else if (realpath(place->path, whole) != NULL) {
        opening_allow(opening, whole, place->is_written);
    }
}
