// A core dump, or a debugger of the same user, would show private keys.
#include "proxy/process/limits.h"

#include <malloc.h>
#include <dirent.h>
#include <sys/prctl.h>
#include <sys/resource.h>

uint64_t limits_apply(void)
{
    const struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
#ifndef __SANITIZE_ADDRESS__ // its leak check attaches to the process
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
    // Fixed: otherwise malloc raises the threshold with each large block that is freed, and the memory that a reload
    // needs for a moment stays with the process.
    (void)mallopt(M_MMAP_THRESHOLD, 256 * 1024);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return 0;
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
    (void)getrlimit(RLIMIT_NOFILE, &files);
    return files.rlim_cur;
}

uint64_t limits_count_descriptors(void)
{
    uint64_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL)
        return 0;
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder))
        count += entry->d_name[0] == '.' ? 0 : 1;
    (void)closedir(folder);
    return count - 1; // without the folder itself
}
