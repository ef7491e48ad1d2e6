// The proxy never changes its working directory, so a path says the same at each reload.
#include "proxy/keys/key_path.h"

#include <limits.h>
#include <unistd.h>

#include "auth/base/text.h"

enum err key_path_whole(const char *path, char out[KEY_PATH_MAX + 1], struct errinfo *info)
{
    char folder[PATH_MAX];
    struct text text;
    text_init(&text, out, KEY_PATH_MAX + 1);
    if (path[0] != '/') {
        // Of a folder that is not below the root of this process the kernel says no path.
        if (getcwd(folder, sizeof folder) == NULL || folder[0] != '/')
            return errinfo_set(info, ERR_SYSTEM,
                               "%s: the working directory that it begins at cannot be found: write "
                               "the whole path",
                               path);
        text_append_format(&text, "%s/", strcmp(folder, "/") == 0 ? "" : folder);
    }
    text_append(&text, slice_of_string(path));
    if (text.is_cut)
        return errinfo_set(info, ERR_INPUT, "%.64s...: with its folder it is longer than %d bytes",
                           path, KEY_PATH_MAX);
    return ERR_OK;
}
