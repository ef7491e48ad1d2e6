// stat, and realpath.
#include "proxy/cage/place.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "auth/base/slice.h"
#include "proxy/cage/wide.h"

// cut_name makes the folder of a path of the path.
static void cut_name(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash == path)
        path[1] = '\0';
    else if (slash != NULL)
        *slash = '\0';
    else
        (void)string_copy(path, PATH_MAX, SLICE_LITERAL("."));
}

bool place_folder(const char *path, char out[PATH_MAX])
{
    char folder[PATH_MAX];
    if (!string_copy(folder, sizeof folder, slice_of_string(path)))
        return false;
    cut_name(folder);
    return realpath(folder, out) != NULL;
}

bool place_is_stream(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && (S_ISCHR(status.st_mode) || S_ISFIFO(status.st_mode));
}

bool place_is_link(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0 && S_ISLNK(status.st_mode);
}

bool place_is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

bool place_opens_wide(const struct place *place, char out_folder[PATH_MAX])
{
    return (place->is_written || place->keeps_folder) && !place->is_folder &&
           !place_is_stream(place->path) && !place_is_link(place->path) &&
           place_folder(place->path, out_folder) && wide_folder(out_folder);
}
