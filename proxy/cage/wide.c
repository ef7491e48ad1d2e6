// A list: what Debian, and most others, put into these folders is not the proxy's.
#include "proxy/cage/wide.h"

#include <stddef.h>
#include <string.h>

// is_child tells whether a folder is one level below `parent`, which ends in a slash.
static bool is_child(const char *folder, const char *parent)
{
    const size_t len = strlen(parent);
    return strncmp(folder, parent, len) == 0 && folder[len] != '\0' &&
           strchr(folder + len, '/') == NULL;
}

bool wide_folder(const char *folder)
{
    static const char *const wide[] = {
        "",
        "/",
        "/etc",
        "/usr",
        "/var",
        "/home",
        "/root",
        "/run",
        "/tmp",
        "/proc",
        "/dev",
        "/sys",
        "/opt",
        "/srv",
        "/mnt",
        "/media",
        "/boot",
        "/usr/share",
        "/usr/local",
        "/usr/lib",
        "/var/lib",
        "/var/tmp",
        "/var/log",
        "/var/run",
        "/var/cache",
        "/var/spool",
        "/etc/ssl",
        "/etc/pki",
        "/dev/shm",
        "/run/user",
        "/run/lock",
        "/usr/local/etc",
        "/usr/local/share",
    };
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++) {
        if (strcmp(folder, wide[i]) == 0)
            return true;
    }
    return is_child(folder, "/home/") || is_child(folder, "/run/user/");
}
